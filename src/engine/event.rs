//! A file descriptor that wakes Prosody's event loop.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::completions::Signal;

/// Readable as long as it is set.
#[derive(Debug)]
pub struct Event(EventFd);

impl Event {
    /// One that is not set.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new() -> Result<Self, Errno> {
        EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map(Event)
    }
}

impl Signal for Event {
    fn set(&self) {
        // Fails only if the counter is at its limit, which is as readable as it gets.
        let _ = self.0.write(1);
    }

    fn reset(&self) {
        // Fails only if it was not readable.
        let _ = self.0.read();
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn readable_while_it_is_set() {
        let event = Event::new().unwrap();
        let is_readable = || {
            let mut set = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
            poll(&mut set, PollTimeout::ZERO).unwrap() == 1
        };
        assert!(!is_readable());
        event.reset();
        event.set();
        event.set();
        assert!(is_readable());
        event.reset();
        assert!(!is_readable());
    }
}
