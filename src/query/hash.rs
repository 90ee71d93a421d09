//! The stable hash of terms and of records' names: SipHash-2-4 with a fixed key.
//!
//! Indexes keep these hashes, so they may never change. Ids and codes are chosen by callers: the hash has
//! to be one for which nobody can make a text that collides with a given one.

/// A stable 64-bit hash of some bytes, the same whichever way they are cut into parts.
pub fn hash(parts: &[&[u8]]) -> u64 {
    keyed(KEY, parts)
}

/// "epis: terms and records".
const KEY: [u64; 2] = [0x6574_203a_7369_7065, 0x7364_726f_6365_7220];

fn keyed(key: [u64; 2], parts: &[&[u8]]) -> u64 {
    let mut state = State([
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ]);
    let (mut word, mut filled, mut length) = (0_u64, 0_u32, 0_u64);
    for part in parts {
        let mut rest = *part;
        length += rest.len() as u64;
        while !rest.is_empty() {
            if filled == 0
                && let Some((eight, more)) = rest.split_first_chunk::<8>()
            {
                state.take(u64::from_le_bytes(*eight));
                rest = more;
                continue;
            }
            word |= u64::from(rest[0]) << (8 * filled);
            filled += 1;
            rest = &rest[1..];
            if filled == 8 {
                state.take(word);
                (word, filled) = (0, 0);
            }
        }
    }
    state.take(word | length << 56);
    state.finish()
}

struct State([u64; 4]);

impl State {
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_siphash_however_it_is_cut() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(keyed(key, &[&bytes]), 0xa129_ca61_49be_45e5);
        assert_eq!(keyed(key, &[]), 0x726f_db47_dd0e_0e31);
        let text = b"http://loinc.org|8480-6";
        for cut in 0..text.len() {
            assert_eq!(hash(&[&text[..cut], &text[cut..]]), hash(&[text]), "cut at {cut}");
        }
        assert_eq!(crate::record_hash("Patient", "17"), hash(&[b"Patient/17"]));
        assert_eq!(crate::record_hash("Patient", "17"), 0xdc8b_0980_3840_1642);
    }
}
