//! Which exchanges wait for their next attempt, and until when.

use std::collections::BTreeSet;
use std::time::Instant;

use super::ExchangeId;

/// The exchanges that are left alone for a while.
#[derive(Debug, Default)]
pub struct Backoffs {
    /// By when they are due.
    waiting: BTreeSet<(Instant, ExchangeId)>,
    /// Those that are to wait no longer, in the same order.
    ended: BTreeSet<(Instant, ExchangeId)>,
}

impl Backoffs {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ended.is_empty()
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.ended.len()
    }

    /// An exchange is left alone until then.
    pub fn insert(&mut self, until: Instant, id: ExchangeId) {
        self.waiting.insert((until, id));
    }

    /// An exchange that was left alone until then ends.
    pub fn remove(&mut self, until: Instant, id: ExchangeId) {
        if !self.waiting.remove(&(until, id)) {
            self.ended.remove(&(until, id));
        }
    }

    /// Those that wait now wait no longer. However many they are, that takes no time.
    pub fn end(&mut self) {
        self.ended.append(&mut self.waiting);
    }

    /// When the next one is due.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        if !self.ended.is_empty() {
            return Some(now);
        }
        self.waiting.first().map(|(until, _)| *until)
    }

    /// Takes the next one that is due.
    pub fn pop(&mut self, now: Instant) -> Option<ExchangeId> {
        if let Some((_, id)) = self.ended.pop_first() {
            return Some(id);
        }
        if self.waiting.first()?.0 > now {
            return None;
        }
        self.waiting.pop_first().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_after_the_other_when_they_are_due() {
        let (mut backoffs, now) = (Backoffs::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        backoffs.insert(at(2), 1);
        backoffs.insert(at(1), 2);
        backoffs.insert(at(3), 3);
        assert_eq!(backoffs.pop(now), None);
        assert_eq!(backoffs.next_due(now), Some(at(1)));
        assert_eq!(backoffs.pop(at(1)), Some(2));
        backoffs.remove(at(2), 1);
        assert_eq!(backoffs.pop(at(3)), Some(3));
        assert!(backoffs.is_empty());
    }

    #[test]
    fn what_is_ended_is_due_and_what_comes_after_that_is_not() {
        let (mut backoffs, now) = (Backoffs::default(), Instant::now());
        let later = now + Duration::from_secs(9);
        backoffs.insert(later, 1);
        backoffs.insert(later, 2);
        backoffs.end();
        backoffs.insert(later, 3);
        assert_eq!(backoffs.next_due(now), Some(now));
        backoffs.remove(later, 1);
        assert_eq!((backoffs.pop(now), backoffs.pop(now)), (Some(2), None));
        assert_eq!(backoffs.next_due(now), Some(later));
    }
}
