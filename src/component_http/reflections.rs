//! Recognises the messages that a chat room sends back to the component that wrote them.
//!
//! A room reflects each message to all its occupants, its author among them, with the id kept (XEP-0045
//! §7.4 and its `stable_id` feature). A bot that took its own message for a new one would answer itself
//! for ever.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::ages::Ages;
use crate::stanza::{Envelope, jid};

/// How long a message may be under way.
const LIFETIME: Duration = Duration::from_secs(600);

/// How many messages are remembered; beyond that the oldest is forgotten.
const CAPACITY: usize = 10_000;

/// The messages to rooms that were sent of late.
#[derive(Debug, Default)]
pub struct Reflections {
    known: HashSet<Rc<str>>,
    by_age: Ages<Rc<str>>,
}

impl Reflections {
    /// Remembers a message with that id to that room.
    pub fn remember(&mut self, room: &str, id: &str, now: Instant) {
        self.forget_old(now);
        let key: Rc<str> = key(room, id).into();
        if self.known.insert(key.clone()) {
            self.by_age.push(key, now);
        }
        if self.by_age.len() > CAPACITY
            && let Some(key) = self.by_age.pop()
        {
            self.known.remove(&key);
        }
    }

    /// Whether the stanza is a message of a room that was remembered.
    pub fn contains(&mut self, stanza: &Envelope, now: Instant) -> bool {
        self.forget_old(now);
        match &stanza.id {
            Some(id) if stanza.is_groupchat() && !self.known.is_empty() => {
                self.known.contains(key(&stanza.from, id).as_str())
            }
            _ => false,
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(key) = self.by_age.pop_older_than(LIFETIME, now) {
            self.known.remove(&key);
        }
    }
}

/// A space is in no bare JID.
fn key(room: &str, id: &str) -> String {
    format!("{} {id}", jid::bare(room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;

    fn reflected(room: &str, id: &str) -> Envelope {
        let mut envelope = message().envelope;
        envelope.type_ = Some("groupchat".into());
        envelope.from = format!("{room}/nick");
        envelope.id = Some(id.to_owned());
        envelope
    }

    #[test]
    fn same_room_and_id_within_ten_minutes() {
        let start = Instant::now();
        let mut reflections = Reflections::default();
        reflections.remember("room@muc", "a", start);
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(reflections.contains(&reflected("room@muc", "a"), later(600)));
        assert!(
            reflections.contains(&reflected("room@muc", "a"), later(600)),
            "for each occupant"
        );
        assert!(!reflections.contains(&reflected("room@muc", "b"), later(1)));
        assert!(!reflections.contains(&reflected("other@muc", "a"), later(1)));
        let mut private = reflected("room@muc", "a");
        private.type_ = Some("chat".into());
        assert!(!reflections.contains(&private, later(1)));
        assert!(!reflections.contains(&reflected("room@muc", "a"), later(601)));
        assert!(reflections.known.is_empty());
    }

    #[test]
    fn the_oldest_goes_first() {
        let now = Instant::now();
        let mut reflections = Reflections::default();
        for id in 0..=CAPACITY {
            reflections.remember("room@muc", &id.to_string(), now);
        }
        assert_eq!(reflections.known.len(), CAPACITY);
        assert!(!reflections.contains(&reflected("room@muc", "0"), now));
        assert!(reflections.contains(&reflected("room@muc", "1"), now));
    }
}
