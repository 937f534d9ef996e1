//! One lane per conversation: who may go now, and who waits for whom.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::rc::Rc;

use super::ExchangeId;
use crate::stanza::{Envelope, jid};

/// Who talks to whom: bare sender and bare recipient, joined by what ends a bare JID, and is in none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conversation(Rc<[u8]>);

impl Conversation {
    /// The conversation that a stanza belongs to.
    pub fn of(envelope: &Envelope) -> Self {
        let (from, to) = (jid::bare(&envelope.from), jid::bare(&envelope.to));
        Conversation(
            from.bytes()
                .chain(iter::once(b'/'))
                .chain(to.bytes())
                .collect(),
        )
    }

    /// Both addresses.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The lanes that are occupied: each by one exchange, from an [`enter`](Lanes::enter) to the
/// [`leave`](Lanes::leave) that finds nobody waiting.
#[derive(Debug, Default)]
pub struct Lanes {
    /// Those who wait behind the one who occupies the lane.
    #[expect(
        clippy::box_collection,
        reason = "there may be very many lanes where nobody waits"
    )]
    waiting: BTreeMap<Conversation, Option<Box<VecDeque<ExchangeId>>>>,
}

impl Lanes {
    /// How many lanes are occupied.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether somebody is in that lane.
    pub fn is_occupied(&self, conversation: &Conversation) -> bool {
        self.waiting.contains_key(conversation)
    }

    /// Occupies the lane, or waits in it if somebody else does. Returns whether it was free.
    pub fn enter(&mut self, conversation: Conversation, id: ExchangeId) -> bool {
        match self.waiting.entry(conversation) {
            Entry::Vacant(lane) => {
                lane.insert(None);
                true
            }
            Entry::Occupied(mut lane) => {
                lane.get_mut().get_or_insert_default().push_back(id);
                false
            }
        }
    }

    /// Whoever occupies the lane next, after the one who does.
    pub fn leave(&mut self, conversation: Conversation) -> Option<ExchangeId> {
        let Entry::Occupied(mut lane) = self.waiting.entry(conversation) else {
            return None;
        };
        let next = lane.get_mut().as_mut().and_then(|ids| ids.pop_front());
        if next.is_none() {
            lane.remove();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;

    fn conversation(from: &str, to: &str) -> Conversation {
        let mut envelope = message().envelope;
        envelope.from = from.into();
        envelope.to = to.into();
        Conversation::of(&envelope)
    }

    #[test]
    fn one_conversation_one_after_the_other() {
        let lane = conversation("romeo@a", "bot@b");
        let mut lanes = Lanes::default();
        assert!(lanes.enter(lane.clone(), 1));
        assert!(!lanes.enter(lane.clone(), 2));
        assert!(!lanes.enter(lane.clone(), 3));
        assert_eq!(lanes.leave(lane.clone()), Some(2));
        assert!(!lanes.enter(lane.clone(), 4));
        assert_eq!(lanes.leave(lane.clone()), Some(3));
        assert_eq!(lanes.leave(lane.clone()), Some(4));
        assert!(lanes.is_occupied(&lane));
        assert_eq!(lanes.leave(lane.clone()), None);
        assert!(!lanes.is_occupied(&lane));
        assert!(lanes.enter(lane, 5));
    }

    #[test]
    fn a_conversation_is_its_bare_addresses() {
        let one = conversation("a@b/1", "c@d/1");
        assert_eq!(one, conversation("a@b/2/3", "c@d"));
        assert_ne!(one, conversation("a@b", "e@d"));
        assert_ne!(one, conversation("c@d", "a@b"));
        assert_ne!(one, conversation("a@bc", "@d"));
    }
}
