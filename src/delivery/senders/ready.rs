//! What a sender has ready.

use std::collections::BTreeSet;

use super::ExchangeId;

/// Exchanges in the order of their arrival. Mostly that is one, which needs no memory beside this.
#[derive(Debug, Default)]
pub struct Ready {
    oldest: Option<ExchangeId>,
    #[expect(
        clippy::box_collection,
        reason = "there may be very many senders that have none"
    )]
    others: Option<Box<BTreeSet<ExchangeId>>>,
}

impl Ready {
    pub fn len(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.len());
        usize::from(self.oldest.is_some()) + others
    }

    pub fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    pub fn insert(&mut self, id: ExchangeId) {
        let oldest = self.oldest.get_or_insert(id);
        if *oldest != id {
            let other = id.max(*oldest);
            *oldest = id.min(*oldest);
            self.others.get_or_insert_default().insert(other);
        }
    }

    pub fn pop(&mut self) -> Option<ExchangeId> {
        let others = self.others.as_mut();
        let next = others.and_then(|others| others.pop_first());
        std::mem::replace(&mut self.oldest, next)
    }

    /// Returns whether it was there.
    pub fn remove(&mut self, id: ExchangeId) -> bool {
        if self.oldest == Some(id) {
            self.pop().is_some()
        } else {
            let others = self.others.as_mut();
            others.is_some_and(|others| others.remove(&id))
        }
    }
}
