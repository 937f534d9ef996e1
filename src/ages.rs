//! What is kept for a while, in the order of its age.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Values with the times since when they have been kept, the oldest first.
#[derive(Debug)]
pub struct Ages<T>(VecDeque<(Instant, T)>);

impl<T> Default for Ages<T> {
    fn default() -> Self {
        Ages(VecDeque::new())
    }
}

impl<T> Ages<T> {
    /// How many are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keeps a value from now on, which is no earlier than any time before.
    pub fn push(&mut self, value: T, now: Instant) {
        self.0.push_back((now, value));
    }

    /// Takes the oldest value.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop_front().map(|(_, value)| value)
    }

    /// Takes the oldest value if it has been kept for longer than that.
    pub fn pop_older_than(&mut self, lifetime: Duration, now: Instant) -> Option<T> {
        let (since, _) = self.0.front()?;
        if now.duration_since(*since) > lifetime {
            self.pop()
        } else {
            None
        }
    }
}
