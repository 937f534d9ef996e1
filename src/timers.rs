//! Which timers are set.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The timers that Prosody was asked for and that have not fired: one as a rule, another one if
/// something is due before it.
#[derive(Debug, Default)]
pub struct Timers(BinaryHeap<Reverse<Instant>>);

impl Timers {
    /// In what time a timer has to fire for something that is due then, unless one does so by then anyway.
    /// It counts as set.
    pub fn set(&mut self, due: Option<Instant>, now: Instant) -> Option<Duration> {
        let due = due?;
        if self.0.peek().is_some_and(|Reverse(next)| *next <= due) {
            return None;
        }
        self.0.push(Reverse(due));
        Some(due.saturating_duration_since(now))
    }

    /// The next of them has fired. Timers fire in their order, if not to the millisecond.
    pub fn fired(&mut self) {
        self.0.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_timer_is_enough_for_all_that_is_due_after_it() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        assert_eq!(timers.set(None, now), None);
        assert_eq!(timers.set(Some(now + SECOND), now), Some(SECOND));
        assert_eq!(timers.set(Some(now + SECOND), now), None);
        assert_eq!(timers.set(Some(now + 2 * SECOND), now), None);
        timers.fired();
        assert_eq!(
            timers.set(Some(now + 2 * SECOND), now + SECOND),
            Some(SECOND)
        );
    }

    #[test]
    fn what_is_due_earlier_has_a_timer_of_its_own() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let (early, late) = (now + SECOND, now + 9 * SECOND);
        timers.set(Some(late), now);
        assert_eq!(timers.set(Some(early), now), Some(SECOND));
        timers.fired();
        assert_eq!(timers.set(Some(late), early), None, "that one is still set");
        timers.fired();
        assert_eq!(timers.set(Some(late), late), Some(Duration::ZERO));
    }
}
