//! The time-outs that the kernel keeps for a socket.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// What the kernel was told last, which is asked for again by most requests.
#[derive(Debug, Default)]
pub(super) struct SocketTimeouts {
    read: Option<Duration>,
    write: Option<Duration>,
}

impl SocketTimeouts {
    /// Has reads end after about that time, and not before.
    pub(super) fn for_read(&mut self, stream: &TcpStream, timeout: Duration) -> io::Result<()> {
        let wait = coarse(timeout);
        if self.read != Some(wait) {
            stream.set_read_timeout(Some(wait))?;
            self.read = Some(wait);
        }
        Ok(())
    }

    /// Has writes end after about that time, and not before.
    pub(super) fn for_write(&mut self, stream: &TcpStream, timeout: Duration) -> io::Result<()> {
        let wait = coarse(timeout);
        if self.write != Some(wait) {
            stream.set_write_timeout(Some(wait))?;
            self.write = Some(wait);
        }
        Ok(())
    }
}

/// Rounds a time-out up, so that the time-outs of most requests are the same and need not be set anew.
fn coarse(timeout: Duration) -> Duration {
    let step = if timeout > Duration::from_secs(1) {
        250
    } else {
        10
    };
    let steps = timeout.as_millis() as u64 / step + 1;
    Duration::from_millis(steps * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_rounded_up_and_alike() {
        let of = |millis| coarse(Duration::from_millis(millis));
        assert_eq!(of(29_999), of(29_800));
        for millis in [0, 1, 9, 10, 999, 1000, 1001, 29_999, 30_000] {
            assert!(of(millis) > Duration::from_millis(millis), "{millis}");
        }
    }
}
