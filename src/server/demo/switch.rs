//! The line between a clinic and the centre, with a switch: a relay for TCP that can be cut and mended.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A line that can be cut. What is on its way when that happens is lost, as on a real one.
pub struct Switch {
    /// Where the clinic calls instead of the centre.
    pub address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

struct Line {
    is_cut: bool,
    /// The connections that are open, each with a number.
    open: Vec<(u64, TcpStream, TcpStream)>,
    count: u64,
}

impl Switch {
    /// A line to an address, uncut.
    ///
    /// # Errors
    /// A sentence where no port can be had.
    pub fn new(target: SocketAddr) -> Result<Switch, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(|e| format!("No port can be had for a clinic's line: {e}."))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let line = Arc::new(Mutex::new(Line {
            is_cut: false,
            open: Vec::new(),
            count: 0,
        }));
        let own = Arc::clone(&line);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Who cannot be connected is hung up on, and calls again.
                let _ = connect(&own, near, target);
            }
        });
        Ok(Switch { address, line })
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        held(&self.line).is_cut
    }

    /// Cuts it: what is connected is no more, and nobody gets through.
    pub fn cut(&self) {
        let mut line = held(&self.line);
        line.is_cut = true;
        for (_, near, far) in line.open.drain(..) {
            hang_up(&near, &far);
        }
    }

    /// Mends it.
    pub fn mend(&self) {
        held(&self.line).is_cut = false;
    }
}

fn held(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hang_up(near: &TcpStream, far: &TcpStream) {
    let _ = near.shutdown(Shutdown::Both);
    let _ = far.shutdown(Shutdown::Both);
}

/// Connects both ends, unless the line is cut; each direction has a thread, and where one ends so does the other.
fn connect(line: &Arc<Mutex<Line>>, near: TcpStream, target: SocketAddr) -> io::Result<()> {
    if held(line).is_cut {
        return Ok(());
    }
    let far = TcpStream::connect(target)?;
    let ways = [
        (near.try_clone()?, far.try_clone()?),
        (far.try_clone()?, near.try_clone()?),
    ];
    let mut open = held(line);
    if open.is_cut {
        return Ok(());
    }
    open.count += 1;
    let number = open.count;
    open.open.push((number, near, far));
    for (mut from, mut to) in ways {
        let line = Arc::clone(line);
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            hang_up(&from, &to);
            held(&line).open.retain(|(other, ..)| *other != number);
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Whether a word comes back through the line.
    fn comes_back(stream: &mut TcpStream) -> bool {
        let mut word = [0; 4];
        stream.write_all(b"kuzu").is_ok() && stream.read_exact(&mut word).is_ok() && word == *b"kuzu"
    }

    #[test]
    fn a_line_that_is_cut_carries_nothing_until_it_is_mended() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = echo.local_addr().unwrap();
        thread::spawn(move || {
            for stream in echo.incoming().flatten() {
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        let switch = Switch::new(target).unwrap();
        let call = || TcpStream::connect(switch.address).unwrap();
        let mut first = call();
        assert!(comes_back(&mut first) && !switch.is_cut());
        switch.cut();
        assert!(!comes_back(&mut first) && !comes_back(&mut call()) && switch.is_cut());
        switch.mend();
        assert!(!comes_back(&mut first) && comes_back(&mut call()));
    }
}
