//! Who has what waiting and in flight, by bare sender; and who is next: senders go round, each with the
//! oldest of what it has ready.

mod ready;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::rc::Rc;

use slab::Slab;

use super::ExchangeId;
use ready::Ready;

/// Stands for a sender as long as anything of it waits or is in flight.
pub type SenderId = usize;

/// Room for so many senders is kept when there are none.
const SPARE: usize = 1024;

/// The bare senders of a component's exchanges.
///
/// Whoever has something ready takes part in the round. A sender that joins goes to its end, and so does one
/// that had its turn. So each waits for one turn of each other sender at most, and nobody gets in front by
/// a name. One that has its share in flight takes no part.
#[derive(Debug, Default)]
pub struct Senders {
    names: BTreeMap<Rc<str>, SenderId>,
    senders: Slab<Sender>,
    /// Those that take part, in the order of their turns.
    round: BTreeMap<NonZeroU64, SenderId>,
    last_turn: u64,
    /// How many exchanges are ready whose senders take part.
    ready: usize,
    /// How much of all senders' waits.
    waiting: Load,
}

#[derive(Debug)]
struct Sender {
    name: Rc<str>,
    waiting: Load,
    in_flight: usize,
    /// Its place in the round, if it takes part.
    turn: Option<NonZeroU64>,
    ready: Ready,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Stanzas.
    pub stanzas: usize,
    /// Bytes of their XML.
    pub bytes: usize,
}

impl Load {
    pub(super) fn add(&mut self, bytes: usize) {
        self.stanzas += 1;
        self.bytes += bytes;
    }

    pub(super) fn subtract(&mut self, bytes: usize) {
        self.stanzas -= 1;
        self.bytes -= bytes;
    }
}

impl Senders {
    /// How many exchanges could be attempted, as far as their senders' shares go.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// Whether nothing of any sender waits or is in flight.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether nothing is left of any sender.
    #[cfg(test)]
    pub fn keep_nothing(&self) -> bool {
        let none = self.senders.is_empty() && self.round.is_empty();
        self.is_empty() && none && self.ready == 0 && self.waiting == Load::default()
    }

    /// How much waits of all senders'.
    pub fn waiting(&self) -> Load {
        self.waiting
    }

    /// The sender of that name, if anything of it waits or is in flight.
    pub fn find(&self, name: &str) -> Option<SenderId> {
        self.names.get(name).copied()
    }

    /// How much of a sender's waits, and how many of its attempts are in flight.
    pub fn load(&self, name: &str) -> (Load, usize) {
        self.find(name)
            .map_or((Load::default(), 0), |id| self.load_of(id))
    }

    /// The same of a sender of which something waits or is in flight.
    pub fn load_of(&self, id: SenderId) -> (Load, usize) {
        let sender = &self.senders[id];
        (sender.waiting, sender.in_flight)
    }

    /// An exchange begins to wait, whose stanza has so many bytes.
    pub fn enter(&mut self, name: &str, bytes: usize) -> SenderId {
        let id = self.find(name).unwrap_or_else(|| self.create(name));
        self.senders[id].waiting.add(bytes);
        self.waiting.add(bytes);
        id
    }

    /// An exchange that waits is ready. Its sender takes part in the round if it has less than that share in
    /// flight.
    pub fn push(&mut self, id: SenderId, exchange: ExchangeId, share: usize) {
        let sender = &mut self.senders[id];
        sender.ready.insert(exchange);
        if sender.turn.is_some() {
            self.ready += 1;
        } else {
            self.join(id, share);
        }
    }

    /// Takes the exchange whose turn it is. Those that `is_over` says are over are let go: they cost their
    /// senders no turn.
    pub fn pop(&mut self, mut is_over: impl FnMut(ExchangeId) -> bool) -> Option<ExchangeId> {
        while let Some((_, id)) = self.round.pop_first() {
            let sender = &mut self.senders[id];
            sender.turn = None;
            self.ready -= sender.ready.len();
            while let Some(exchange) = sender.ready.pop() {
                if !is_over(exchange) {
                    self.join(id, usize::MAX);
                    return Some(exchange);
                }
            }
        }
        None
    }

    /// An exchange that waited is attempted.
    pub fn begin(&mut self, id: SenderId, bytes: usize, share: usize) {
        let sender = &mut self.senders[id];
        sender.waiting.subtract(bytes);
        self.waiting.subtract(bytes);
        sender.in_flight += 1;
        if sender.in_flight >= share
            && let Some(turn) = sender.turn.take()
        {
            self.round.remove(&turn);
            self.ready -= sender.ready.len();
        }
    }

    /// An attempt has ended, and its exchange waits for another one.
    pub fn wait_again(&mut self, id: SenderId, bytes: usize, share: usize) {
        self.senders[id].waiting.add(bytes);
        self.waiting.add(bytes);
        self.end(id, share);
    }

    /// An attempt has ended.
    pub fn end(&mut self, id: SenderId, share: usize) {
        let sender = &mut self.senders[id];
        sender.in_flight -= 1;
        if sender.turn.is_none() {
            self.join(id, share);
        }
        self.forget_if_idle(id);
    }

    /// An exchange that waits ends without an attempt, ready or not.
    pub fn leave(&mut self, id: SenderId, exchange: ExchangeId, bytes: usize) {
        let sender = &mut self.senders[id];
        sender.waiting.subtract(bytes);
        self.waiting.subtract(bytes);
        if sender.ready.remove(exchange)
            && let Some(turn) = sender.turn
        {
            self.ready -= 1;
            if sender.ready.is_empty() {
                self.round.remove(&turn);
                sender.turn = None;
            }
        }
        self.forget_if_idle(id);
    }

    fn create(&mut self, name: &str) -> SenderId {
        let name: Rc<str> = name.into();
        let id = self.senders.insert(Sender {
            name: Rc::clone(&name),
            waiting: Load::default(),
            in_flight: 0,
            turn: None,
            ready: Ready::default(),
        });
        self.names.insert(name, id);
        id
    }

    /// Puts a sender that does not take part at the end of the round, if it has something ready and less than
    /// that share in flight.
    fn join(&mut self, id: SenderId, share: usize) {
        let sender = &mut self.senders[id];
        if !sender.ready.is_empty() && sender.in_flight < share {
            self.last_turn += 1;
            let turn = NonZeroU64::MIN.saturating_add(self.last_turn);
            sender.turn = Some(turn);
            self.round.insert(turn, id);
            self.ready += sender.ready.len();
        }
    }

    fn forget_if_idle(&mut self, id: SenderId) {
        let sender = &self.senders[id];
        if sender.waiting.stanzas == 0 && sender.in_flight == 0 {
            let sender = self.senders.remove(id);
            self.names.remove(&sender.name);
            if self.senders.is_empty() && self.senders.capacity() > SPARE {
                self.senders = Slab::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than anybody has in flight.
    const SHARE: usize = 99;

    fn push(senders: &mut Senders, name: &str, exchange: ExchangeId) -> SenderId {
        let id = senders.enter(name, 10);
        senders.push(id, exchange, SHARE);
        id
    }

    fn ready(ready: &[(&str, ExchangeId)]) -> Senders {
        let mut senders = Senders::default();
        for (name, exchange) in ready {
            push(&mut senders, name, *exchange);
        }
        senders
    }

    fn all(mut senders: Senders) -> Vec<ExchangeId> {
        std::iter::from_fn(|| senders.pop(|_| false)).collect()
    }

    #[test]
    fn senders_go_round_and_each_begins_with_its_oldest() {
        let senders = ready(&[("a", 1), ("a", 3), ("a", 2), ("b", 4), ("c", 5), ("b", 6)]);
        assert_eq!(senders.ready(), 6);
        assert_eq!(all(senders), [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn whoever_comes_goes_to_the_end_of_the_round() {
        let mut senders = ready(&[("b", 1), ("b", 2), ("c", 3)]);
        assert_eq!(senders.pop(|_| false), Some(1));
        push(&mut senders, "a", 4);
        assert_eq!(all(senders), [3, 2, 4]);
    }

    #[test]
    fn what_is_over_costs_no_turn() {
        let mut senders = ready(&[("a", 1), ("b", 2), ("c", 3), ("b", 4), ("b", 5), ("a", 6)]);
        let mut next = || senders.pop(|id| [2, 3].contains(&id));
        assert_eq!([next(), next(), next(), next()], [1, 4, 6, 5].map(Some));
        assert_eq!(next(), None);
        assert_eq!(senders.ready(), 0);
    }

    #[test]
    fn whoever_has_its_share_in_flight_takes_no_part_until_an_attempt_ends() {
        let mut senders = Senders::default();
        let flood = [1, 2, 3, 4].map(|exchange| push(&mut senders, "flood", exchange))[0];
        let other = push(&mut senders, "other", 5);
        assert_eq!(senders.pop(|_| false), Some(1));
        senders.begin(flood, 10, 2);
        assert_eq!(senders.pop(|_| false), Some(5));
        senders.begin(other, 10, 2);
        assert_eq!(senders.pop(|_| false), Some(2));
        senders.begin(flood, 10, 2);
        assert_eq!((senders.ready(), senders.pop(|_| false)), (0, None));
        let late = senders.enter("flood", 10);
        senders.push(late, 6, 2);
        assert_eq!((senders.ready(), senders.pop(|_| false)), (0, None));
        senders.end(flood, 2);
        assert_eq!((senders.ready(), senders.pop(|_| false)), (3, Some(3)));
    }

    #[test]
    fn what_ends_leaves_nothing() {
        let mut senders = Senders::default();
        let a = push(&mut senders, "a", 1);
        push(&mut senders, "a", 2);
        let b = push(&mut senders, "b", 3);
        let waiting = Load {
            stanzas: 2,
            bytes: 20,
        };
        assert_eq!(senders.load("a"), (waiting, 0));
        senders.leave(a, 1, 10);
        senders.leave(b, 3, 10);
        assert_eq!(senders.load("b"), (Load::default(), 0));
        assert_eq!(senders.pop(|_| false), Some(2));
        senders.begin(a, 10, SHARE);
        assert_eq!(senders.load("a"), (Load::default(), 1));
        senders.wait_again(a, 10, SHARE);
        senders.push(a, 2, SHARE);
        assert_eq!(senders.pop(|_| false), Some(2));
        senders.begin(a, 10, SHARE);
        senders.end(a, SHARE);
        assert!(senders.keep_nothing());
    }
}
