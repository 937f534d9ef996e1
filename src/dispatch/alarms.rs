//! Which timers are set.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The timers that Prosody was asked for and that have not gone off: one as a rule, another one if
/// something is due before it.
#[derive(Debug, Default)]
pub struct Alarms(BinaryHeap<Reverse<Instant>>);

impl Alarms {
    /// In what time a timer has to go off for something that is due then, unless one does by then anyway.
    /// It counts as set.
    pub fn set(&mut self, due: Option<Instant>, now: Instant) -> Option<Duration> {
        let due = due?;
        if self.0.peek().is_some_and(|Reverse(next)| *next <= due) {
            return None;
        }
        self.0.push(Reverse(due));
        Some(due.saturating_duration_since(now))
    }

    /// The next of them has gone off. Timers go off in their order, if not to the millisecond.
    pub fn went_off(&mut self) {
        self.0.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_timer_is_enough_for_all_that_is_due_after_it() {
        let (mut alarms, now) = (Alarms::default(), Instant::now());
        assert_eq!(alarms.set(None, now), None);
        assert_eq!(alarms.set(Some(now + SECOND), now), Some(SECOND));
        assert_eq!(alarms.set(Some(now + SECOND), now), None);
        assert_eq!(alarms.set(Some(now + 2 * SECOND), now), None);
        alarms.went_off();
        assert_eq!(
            alarms.set(Some(now + 2 * SECOND), now + SECOND),
            Some(SECOND)
        );
    }

    #[test]
    fn what_is_due_earlier_has_a_timer_of_its_own() {
        let (mut alarms, now) = (Alarms::default(), Instant::now());
        let (early, late) = (now + SECOND, now + 9 * SECOND);
        alarms.set(Some(late), now);
        assert_eq!(alarms.set(Some(early), now), Some(SECOND));
        alarms.went_off();
        assert_eq!(alarms.set(Some(late), early), None, "that one is still set");
        alarms.went_off();
        assert_eq!(alarms.set(Some(late), late), Some(Duration::ZERO));
    }
}
