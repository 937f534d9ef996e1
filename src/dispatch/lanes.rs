//! One lane per conversation: who may go now, and who waits for whom.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::stanza::{Envelope, Kind, jid};

/// Names a lane. Two conversations may share one by chance, which costs them nothing but some waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane(u64);

/// Those who wait, by lane. A lane is occupied from a successful [`enter`](Lanes::enter) to the
/// [`leave`](Lanes::leave) that finds nobody waiting.
#[derive(Debug)]
pub struct Lanes<T> {
    occupied: HashMap<Lane, VecDeque<T>>,
    names: RandomState,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Lanes {
            occupied: HashMap::new(),
            names: RandomState::new(),
        }
    }
}

impl<T> Lanes<T> {
    /// The lane of a stanza's conversation, by bare sender and bare recipient. An iq has none: its
    /// sender waits for the answer if the order matters.
    pub fn lane_of(&self, envelope: &Envelope) -> Option<Lane> {
        match envelope.kind {
            Kind::Message | Kind::Presence => {
                let conversation = (jid::bare(&envelope.from), jid::bare(&envelope.to));
                Some(Lane(self.names.hash_one(conversation)))
            }
            Kind::Iq => None,
        }
    }

    /// Whether somebody is in that lane.
    pub fn is_occupied(&self, lane: Lane) -> bool {
        self.occupied.contains_key(&lane)
    }

    /// Gives the item back if its lane was free, and is now occupied by it; else it waits.
    pub fn enter(&mut self, lane: Lane, item: T) -> Option<T> {
        match self.occupied.get_mut(&lane) {
            Some(waiting) => {
                waiting.push_back(item);
                None
            }
            None => {
                self.occupied.insert(lane, VecDeque::new());
                Some(item)
            }
        }
    }

    /// Whoever is next after the one that occupied the lane.
    pub fn leave(&mut self, lane: Lane) -> Option<T> {
        let next = self.occupied.get_mut(&lane)?.pop_front();
        if next.is_none() {
            self.occupied.remove(&lane);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::{iq, message};

    #[test]
    fn one_conversation_one_after_the_other() {
        let mut lanes = Lanes::default();
        let lane = lanes.lane_of(&message().envelope).unwrap();
        assert_eq!(lanes.enter(lane, 1), Some(1));
        assert_eq!(lanes.enter(lane, 2), None);
        assert_eq!(lanes.enter(lane, 3), None);
        assert_eq!(lanes.leave(lane), Some(2));
        assert_eq!(lanes.enter(lane, 4), None);
        assert_eq!(lanes.leave(lane), Some(3));
        assert_eq!(lanes.leave(lane), Some(4));
        assert_eq!(lanes.leave(lane), None);
        assert!(!lanes.is_occupied(lane));
        assert_eq!(lanes.enter(lane, 5), Some(5));
    }

    #[test]
    fn a_conversation_is_its_bare_addresses() {
        let lanes = Lanes::<()>::default();
        let lane = |from: &str, to: &str| {
            let mut envelope = message().envelope;
            envelope.from = from.into();
            envelope.to = to.into();
            lanes.lane_of(&envelope)
        };
        assert_eq!(lane("a@b/1", "c@d/1"), lane("a@b/2", "c@d"));
        assert_ne!(lane("a@b", "c@d"), lane("a@b", "e@d"));
        assert_ne!(lane("a@b", "c@d"), lane("c@d", "a@b"));
        assert_eq!(lanes.lane_of(&iq().envelope), None);
    }
}
