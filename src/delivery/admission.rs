//! Whether an exchange may begin: who may wait, and how much.

use std::time::Instant;

use super::lanes::Conversation;
use super::senders::Load;
use super::{BackendId, Delivery, Refusal};
use crate::stanza::{Stanza, jid};

impl Delivery {
    /// Whether an exchange may begin, and where: if it can be attempted at once, or there is room to wait.
    pub(super) fn admission(
        &self,
        stanza: &Stanza,
        conversation: Option<&Conversation>,
        now: Instant,
    ) -> Result<BackendId, Refusal> {
        if self.closed {
            return Err(Refusal::Stopped);
        }
        let at = self
            .destination(&stanza.envelope, conversation, None)
            .ok_or(Refusal::NoRoute)?;
        let Load {
            stanzas: size,
            bytes: most,
        } = self.limits.queue;
        let queued = self.waiting.stanzas - self.about_to_begin(now);
        let bytes = self.waiting.bytes + stanza.xml.len();
        if queued <= size / 2 && queued < size && bytes <= most / 2 {
            return Ok(at);
        }
        let backend = &self.backends[at];
        let sender = jid::bare(&stanza.envelope.from);
        let (_, in_flight) = backend.senders.load(sender);
        let lane_is_free = conversation.is_none_or(|lane| !self.lanes.is_occupied(lane));
        // What is attempted at once may have to wait after that, beside what already does.
        let may_wait = self.backoffs.is_empty() || queued < size;
        let has_place = backend.senders.ready() < backend.places(&self.limits, now)
            && in_flight < self.limits.share();
        if lane_is_free && has_place && may_wait {
            return Ok(at);
        }
        if queued >= size || bytes > most {
            return Err(Refusal::QueueFull);
        }
        let load = self.load(sender);
        let has_more_than = |part: usize, load: Load| {
            let has = |half_full: bool, has: usize, of: usize| half_full && has > of / part;
            has(queued > size / 2, load.stanzas, size)
                || has(self.waiting.bytes > most / 2, load.bytes, most)
        };
        if has_more_than(10, load) {
            return Err(Refusal::ShareFull);
        }
        // Those who wait for one service leave room for those of others.
        if self.routes.are_several() && has_more_than(2, backend.senders.waiting()) {
            return Err(Refusal::QueueFull);
        }
        Ok(at)
    }

    /// How many wait for nothing but to be polled.
    fn about_to_begin(&self, now: Instant) -> usize {
        let ready = self.backends.iter().map(|(_, backend)| {
            let ready = backend.senders.ready();
            if ready == 0 {
                0
            } else {
                ready.min(backend.places(&self.limits, now))
            }
        });
        ready.sum()
    }

    /// How much of a sender's waits.
    fn load(&self, sender: &str) -> Load {
        let mut sum = Load::default();
        for (_, backend) in &self.backends {
            let (load, _) = backend.senders.load(sender);
            sum.stanzas += load.stanzas;
            sum.bytes += load.bytes;
        }
        sum
    }
}
