//! What a sender has ready.

use std::collections::BTreeSet;

use super::ExchangeId;

/// Exchanges in the order of their arrival. Mostly that is one, which needs no memory beside this.
#[derive(Debug, Default)]
pub struct Ready {
    oldest: Option<ExchangeId>,
    others: BTreeSet<ExchangeId>,
}

impl Ready {
    pub fn len(&self) -> usize {
        usize::from(self.oldest.is_some()) + self.others.len()
    }

    pub fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }

    pub fn insert(&mut self, id: ExchangeId) {
        let oldest = self.oldest.get_or_insert(id);
        if *oldest != id {
            let other = id.max(*oldest);
            *oldest = id.min(*oldest);
            self.others.insert(other);
        }
    }

    pub fn pop(&mut self) -> Option<ExchangeId> {
        let next = self.others.pop_first();
        std::mem::replace(&mut self.oldest, next)
    }

    /// Returns whether it was there.
    pub fn remove(&mut self, id: ExchangeId) -> bool {
        if self.oldest == Some(id) {
            self.pop().is_some()
        } else {
            self.others.remove(&id)
        }
    }
}
