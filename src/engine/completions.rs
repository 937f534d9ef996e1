//! What workers have finished, and the signal that tells the main loop so.

use std::collections::VecDeque;

use super::sync::{Mutex, MutexGuard, PoisonError};

/// What the main loop watches, an event file descriptor as a rule.
pub trait Signal {
    /// Wakes whoever watches, until it is [`reset`](Self::reset).
    fn set(&self);

    /// Undoes what [`set`](Self::set) did.
    fn reset(&self);
}

/// A queue from many workers to the main thread. Nobody ever waits in it.
#[derive(Debug)]
pub struct Completions<T, S> {
    /// If there are any, the signal is set, or about to be.
    items: Mutex<VecDeque<T>>,
    signal: S,
}

impl<T, S: Signal> Completions<T, S> {
    /// An empty queue, which sets that signal when there is something to [`take`](Self::take).
    pub fn new(signal: S) -> Self {
        Completions {
            items: Mutex::new(VecDeque::new()),
            signal,
        }
    }

    /// What says that there is something to take.
    pub fn signal(&self) -> &S {
        &self.signal
    }

    /// Adds one, and sets the signal unless that has been done for another one. For workers.
    pub fn push(&self, item: T) {
        let mut items = self.lock();
        let is_first = items.is_empty();
        items.push_back(item);
        drop(items);
        if is_first {
            self.signal.set();
        }
    }

    /// Resets the signal, and moves all that there is behind what was taken before.
    pub fn take(&self, taken: &mut VecDeque<T>) {
        // Before anything is taken, so that what is pushed after that sets it again.
        self.signal.reset();
        taken.append(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Default)]
    struct Flag(Cell<bool>);

    impl Signal for Flag {
        fn set(&self) {
            self.0.set(true);
        }

        fn reset(&self) {
            self.0.set(false);
        }
    }

    #[test]
    fn set_from_the_first_push_until_all_is_taken() {
        let completions = Completions::new(Flag::default());
        let is_set = || completions.signal().0.get();
        assert!(!is_set());
        for item in 1..=2 {
            completions.push(item);
            assert!(is_set());
        }
        let mut taken = VecDeque::new();
        completions.take(&mut taken);
        assert!(!is_set());
        completions.push(3);
        assert!(is_set());
        completions.take(&mut taken);
        assert_eq!(taken, [1, 2, 3]);
    }
}
