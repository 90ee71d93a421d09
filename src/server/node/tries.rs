//! How often one address may guess at codes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong codes from one address within an hour.
const TRIES_MAX: u32 = 20;
const HOUR: Duration = Duration::from_secs(3600);
/// Addresses remembered at once; beyond, the one that began longest ago is forgotten.
const ADDRESSES_MAX: usize = 4096;

/// Wrong codes by address.
#[derive(Debug, Default)]
pub struct Tries(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Tries {
    /// Whether the address may try.
    pub fn may(&self, address: IpAddr, now: Instant) -> bool {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tries.get(&network(address));
        !found.is_some_and(|(began, count)| *count >= TRIES_MAX && now.duration_since(*began) < HOUR)
    }

    /// Remembers a wrong code.
    pub fn wrong(&self, address: IpAddr, now: Instant) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if tries.len() >= ADDRESSES_MAX && !tries.contains_key(&address) {
            let oldest = tries.iter().min_by_key(|(_, (began, _))| *began);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                tries.remove(&oldest);
            }
        }
        let (began, count) = tries.entry(address).or_insert((now, 0));
        if now.duration_since(*began) >= HOUR {
            (*began, *count) = (now, 0);
        }
        *count += 1;
    }
}

/// What one subscriber has: an address, or the network of 64 bits it is in.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_an_hour_and_no_more() {
        let tries = Tries::default();
        let start = Instant::now();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for minute in 0..20 {
            let now = start + Duration::from_secs(60 * minute);
            assert!(tries.may(address("10.0.0.1"), now) && tries.may(address("2001:db8::1"), now));
            tries.wrong(address("10.0.0.1"), now);
            tries.wrong(address("2001:db8::1"), now);
        }
        let table = [
            ("10.0.0.1", 20, false),
            ("::ffff:10.0.0.1", 20, false),
            ("10.0.0.2", 20, true),
            ("2001:db8::ffff", 20, false),
            ("2001:db8:0:1::1", 20, true),
            ("10.0.0.1", 59, false),
            ("10.0.0.1", 60, true),
        ];
        for (text, minute, may) in table {
            assert_eq!(
                tries.may(address(text), start + Duration::from_secs(60 * minute)),
                may,
                "{text} {minute}"
            );
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let tries = Tries::default();
        let start = Instant::now();
        for number in 0..5000u32 {
            tries.wrong(IpAddr::V4(number.into()), start + Duration::from_millis(number.into()));
        }
        assert_eq!(tries.0.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
