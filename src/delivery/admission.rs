//! Whether an exchange may begin: who may wait, and how much.

use std::time::Instant;

use super::lanes::Conversation;
use super::senders::Load;
use super::{Delivery, Refusal};
use crate::stanza::{Stanza, jid};

impl Delivery {
    /// Whether an exchange may begin: if it can be attempted at once, or there is room to wait.
    pub(super) fn admission(
        &self,
        stanza: &Stanza,
        conversation: Option<&Conversation>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Stopped);
        }
        let Load {
            stanzas: size,
            bytes: most,
        } = self.limits.queue;
        let may_attempt = self
            .breaker
            .next_attempt(now)
            .is_some_and(|next| next <= now);
        let free = if may_attempt { self.free() } else { 0 };
        let queued = self.waiting.stanzas - self.senders.ready().min(free);
        let bytes = self.waiting.bytes + stanza.xml.len();
        if queued <= size / 2 && queued < size && bytes <= most / 2 {
            return Ok(());
        }
        let (load, in_flight) = self.senders.load(jid::bare(&stanza.envelope.from));
        let lane_is_free = conversation.is_none_or(|lane| !self.lanes.is_occupied(lane));
        // What is attempted at once may have to wait after that, beside what already does.
        let may_wait = self.backoffs.is_empty() || queued < size;
        let has_place = self.senders.ready() < free && in_flight < self.limits.share();
        if lane_is_free && has_place && may_wait {
            return Ok(());
        }
        if queued >= size || bytes > most {
            return Err(Refusal::QueueFull);
        }
        let has_more_than_a_tenth =
            |half_full: bool, has: usize, of: usize| half_full && has > of / 10;
        if has_more_than_a_tenth(queued > size / 2, load.stanzas, size)
            || has_more_than_a_tenth(self.waiting.bytes > most / 2, load.bytes, most)
        {
            return Err(Refusal::ShareFull);
        }
        Ok(())
    }
}
