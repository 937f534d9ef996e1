//! Who is next, of those that wait for nothing but their turn: senders go round, each with the oldest of
//! what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::ExchangeId;

/// The exchanges that are ready, in turns by bare sender.
///
/// A sender that joins goes to the end of the round, and so does one that had its turn. So whoever has
/// something ready waits for one turn of each other sender at most, and nobody gets in front by a name.
#[derive(Debug, Default)]
pub struct Turns {
    senders: BTreeMap<Rc<str>, Sender>,
    /// The senders in the order of their turns.
    round: BTreeMap<u64, Rc<str>>,
    last_turn: u64,
    len: usize,
}

#[derive(Debug)]
struct Sender {
    turn: u64,
    ready: Ready,
}

/// What a sender has ready. Mostly that is one exchange, which needs no memory beside this.
#[derive(Debug)]
struct Ready {
    oldest: Option<ExchangeId>,
    others: BTreeSet<ExchangeId>,
}

impl Ready {
    fn new(id: ExchangeId) -> Self {
        Ready {
            oldest: Some(id),
            others: BTreeSet::new(),
        }
    }

    fn insert(&mut self, id: ExchangeId) {
        let oldest = self.oldest.get_or_insert(id);
        if *oldest != id {
            let other = id.max(*oldest);
            *oldest = id.min(*oldest);
            self.others.insert(other);
        }
    }

    fn pop(&mut self) -> Option<ExchangeId> {
        let next = self.others.pop_first();
        std::mem::replace(&mut self.oldest, next)
    }

    fn remove(&mut self, id: ExchangeId) -> bool {
        if self.oldest == Some(id) {
            self.pop().is_some()
        } else {
            self.others.remove(&id)
        }
    }

    fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }
}

impl Turns {
    /// How many exchanges are ready.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an exchange that is ready.
    pub fn push(&mut self, sender: &str, id: ExchangeId) {
        self.len += 1;
        match self.senders.get_mut(sender) {
            Some(sender) => {
                sender.ready.insert(id);
            }
            None => self.join(sender.into(), Ready::new(id)),
        }
    }

    /// Takes the exchange whose turn it is. Those that `is_over` says are over are let go: they cost their
    /// senders no turn.
    pub fn pop(&mut self, is_over: impl Fn(ExchangeId) -> bool) -> Option<ExchangeId> {
        while let Some((_, name)) = self.round.pop_first() {
            let Sender { mut ready, .. } = self.senders.remove(&name)?;
            while let Some(id) = ready.pop() {
                self.len -= 1;
                if !is_over(id) {
                    if !ready.is_empty() {
                        self.join(name, ready);
                    }
                    return Some(id);
                }
            }
        }
        None
    }

    /// Takes an exchange out of turn, if it is there.
    pub fn remove(&mut self, sender: &str, id: ExchangeId) {
        let Some(Sender { turn, ready }) = self.senders.get_mut(sender) else {
            return;
        };
        self.len -= usize::from(ready.remove(id));
        if ready.is_empty() {
            self.round.remove(turn);
            self.senders.remove(sender);
        }
    }

    /// Puts a sender at the end of the round.
    fn join(&mut self, name: Rc<str>, ready: Ready) {
        self.last_turn += 1;
        let turn = self.last_turn;
        self.round.insert(turn, Rc::clone(&name));
        self.senders.insert(name, Sender { turn, ready });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(ready: &[(&str, ExchangeId)]) -> Turns {
        let mut turns = Turns::default();
        for (sender, id) in ready {
            turns.push(sender, *id);
        }
        turns
    }

    fn all(mut turns: Turns) -> Vec<ExchangeId> {
        std::iter::from_fn(|| turns.pop(|_| false)).collect()
    }

    #[test]
    fn senders_go_round_and_each_begins_with_its_oldest() {
        let turns = turns(&[("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]);
        assert_eq!(turns.len(), 6);
        assert_eq!(all(turns), [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn whoever_comes_goes_to_the_end_of_the_round() {
        let mut turns = turns(&[("b", 1), ("b", 2), ("c", 3)]);
        assert_eq!(turns.pop(|_| false), Some(1));
        turns.push("a", 4);
        assert_eq!(all(turns), [3, 2, 4]);
    }

    #[test]
    fn what_is_over_costs_no_turn() {
        let mut turns = turns(&[("a", 1), ("b", 2), ("c", 3), ("b", 4), ("b", 5), ("a", 6)]);
        let mut next = || turns.pop(|id| [2, 3].contains(&id));
        assert_eq!([next(), next(), next(), next()], [1, 4, 6, 5].map(Some));
        assert_eq!(next(), None);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn what_is_removed_leaves_nothing() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("b", 3)]);
        turns.remove("a", 1);
        turns.remove("a", 1);
        turns.remove("b", 3);
        turns.remove("c", 4);
        assert_eq!(turns.len(), 1);
        assert_eq!(turns.pop(|_| false), Some(2));
        assert!(turns.senders.is_empty() && turns.round.is_empty());
        assert_eq!((turns.len(), turns.pop(|_| false)), (0, None));
    }
}
