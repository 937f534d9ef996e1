//! The iqs whose answers are waited for.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::Ticket;

/// What an iq is known by: its sender, its recipient and its id. Its answer has the first two the other way
/// round (RFC 6120 §8.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Who asked.
    pub from: String,
    /// Who was asked.
    pub to: String,
    /// The id.
    pub id: String,
}

/// Those that were pushed and not answered.
#[derive(Debug, Default)]
pub struct Waits {
    asked: HashMap<Asked, (Instant, Ticket)>,
    due: BTreeMap<(Instant, Ticket), Asked>,
}

impl Waits {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.asked.len()
    }

    /// Whether that one is waited for.
    pub fn contains(&self, asked: &Asked) -> bool {
        self.asked.contains_key(asked)
    }

    /// Waits for the answer to one that is not [there](Self::contains) yet.
    pub fn insert(&mut self, asked: Asked, ticket: Ticket, until: Instant) {
        self.due.insert((until, ticket), asked.clone());
        self.asked.insert(asked, (until, ticket));
    }

    /// The answer has come: whose it is.
    pub fn answered(&mut self, asked: &Asked) -> Option<Ticket> {
        let (until, ticket) = self.asked.remove(asked)?;
        self.due.remove(&(until, ticket));
        Some(ticket)
    }

    /// One whose time is over.
    pub fn expired(&mut self, now: Instant) -> Option<Ticket> {
        let entry = self
            .due
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let ((_, ticket), asked) = entry.remove_entry();
        self.asked.remove(&asked);
        Some(ticket)
    }

    /// When the next one's time is over.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asked(id: &str) -> Asked {
        Asked {
            from: "bot.example".into(),
            to: "a@b/c".into(),
            id: id.into(),
        }
    }

    #[test]
    fn an_answer_is_taken_once() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        waits.insert(asked("1"), Ticket(1), now);
        assert_eq!(waits.answered(&asked("2")), None);
        assert_eq!(waits.answered(&asked("1")), Some(Ticket(1)));
        assert_eq!(waits.answered(&asked("1")), None);
        assert_eq!((waits.next_due(), waits.expired(now)), (None, None));
    }

    #[test]
    fn each_has_its_time() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        waits.insert(asked("late"), Ticket(1), later);
        waits.insert(asked("early"), Ticket(2), now);
        assert_eq!(waits.next_due(), Some(now));
        assert_eq!(waits.expired(now), Some(Ticket(2)));
        assert_eq!(waits.expired(now), None);
        assert_eq!((waits.count(), waits.next_due()), (1, Some(later)));
    }
}
