//! What workers have finished, and the file descriptor that tells the main loop so.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

/// A queue from many workers to the main thread. Nobody ever waits in it.
#[derive(Debug)]
pub struct Completions<T> {
    push: Sender<T>,
    pop: Receiver<T>,
    event: EventFd,
    /// Whether the descriptor is readable, or about to be: saves the write when it is.
    signalled: AtomicBool,
}

impl<T> Completions<T> {
    /// An empty queue.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new() -> Result<Self, Errno> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let (push, pop) = unbounded();
        Ok(Completions {
            push,
            pop,
            event,
            signalled: AtomicBool::new(false),
        })
    }

    /// The descriptor that becomes readable when there is something to [`take`](Self::take).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Adds one, and makes the descriptor readable unless it is already. For workers.
    pub fn push(&self, item: T) {
        // Fails only if the receiver is gone, which lives in `self`.
        let _ = self.push.send(item);
        if !self.signalled.swap(true, SeqCst) {
            // Fails only if the counter is at its limit, which is as readable as it gets.
            let _ = self.event.write(1);
        }
    }

    /// Makes the descriptor unreadable. Comes before taking, so that what is pushed meanwhile makes it
    /// readable again.
    pub fn reset(&self) {
        // Fails only if it was not readable.
        let _ = self.event.read();
        // A swap, not a store: it has to see what was pushed by whoever found the flag set.
        self.signalled.swap(false, SeqCst);
    }

    /// Takes the oldest, if there is any.
    pub fn take(&self) -> Option<T> {
        self.pop.try_recv().ok()
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.pop.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(completions: &Completions<u8>) -> bool {
        let mut set = [nix::poll::PollFd::new(
            completions.fd(),
            nix::poll::PollFlags::POLLIN,
        )];
        nix::poll::poll(&mut set, nix::poll::PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn readable_from_the_first_push_to_the_reset() {
        let completions = Completions::new().unwrap();
        assert!(!readable(&completions));
        for item in 1..=2 {
            completions.push(item);
            assert!(readable(&completions));
        }
        completions.reset();
        assert!(!readable(&completions));
        assert_eq!(completions.take(), Some(1));
        completions.push(3);
        assert!(readable(&completions));
        assert_eq!(completions.take(), Some(2));
        assert_eq!(completions.take(), Some(3));
        assert!(completions.is_empty());
    }
}
