//! What an admin asks for while exchanges wait: the next attempt at once, or an end.

use std::collections::VecDeque;
use std::time::Instant;

use super::exchange::Exchange;
use super::{Delivery, ExchangeId};
use crate::stanza::jid;

/// So many exchanges are looked at in a row for those of one sender: about a tenth of a millisecond's work.
const LOOK_AT: usize = 1_000;

/// Whose exchanges are to be dropped.
#[derive(Debug, Default)]
pub(super) struct Removals(VecDeque<Removal>);

#[derive(Debug)]
struct Removal {
    /// The bare JID that has sent them.
    sender: Box<str>,
    /// From which exchange on there may be some.
    from: ExchangeId,
    /// The first one that came after the admin had asked.
    until: ExchangeId,
}

impl Removals {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether that exchange is to be dropped.
    pub(super) fn contain(&self, id: ExchangeId, exchange: &Exchange) -> bool {
        self.0
            .iter()
            .any(|one| id < one.until && one.is_of(exchange))
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Removal {
    fn is_of(&self, exchange: &Exchange) -> bool {
        jid::bare(&exchange.stanza.envelope.from) == &*self.sender
    }
}

impl Delivery {
    /// Has what waits for its next attempt attempted now, and services that are down tried now. Attempts keep
    /// their turns, and begin no later than they may. Returns how many stanzas wait.
    pub fn retry_now(&mut self, now: Instant) -> usize {
        self.backoffs.end();
        for (_, backend) in &mut self.backends {
            backend.breaker.hurry(now);
        }
        self.waiting.stanzas
    }

    /// Ends what a bare JID has sent, wherever it is. Returns how many exchanges these are.
    pub fn drop_from(&mut self, sender: &str) -> usize {
        let counts = self.backends.iter().filter_map(|(at, backend)| {
            let id = backend.senders.find(sender)?;
            let (waiting, in_flight) = backend.senders.load_of(id);
            let abandoned = self.abandoned.values();
            let abandoned = abandoned.filter(|one| (one.backend, one.sender) == (at, id));
            Some(waiting.stanzas + in_flight - abandoned.count())
        });
        let count: usize = counts.sum();
        if count > 0 && !self.closed {
            self.removals.0.push_back(Removal {
                sender: sender.into(),
                from: 0,
                until: self.last_id + 1,
            });
        }
        count
    }

    /// The next exchange that is to be dropped, as far as a look at some of them shows.
    pub(super) fn next_dropped(&mut self) -> Option<ExchangeId> {
        let removal = self.removals.0.front_mut()?;
        let mut exchanges = self.exchanges.range(removal.from..removal.until);
        for (id, exchange) in exchanges.by_ref().take(LOOK_AT) {
            removal.from = id + 1;
            if removal.is_of(exchange) {
                return Some(*id);
            }
        }
        if exchanges.next().is_none() {
            self.removals.0.pop_front();
        }
        None
    }
}
