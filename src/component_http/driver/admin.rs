//! What an admin may see of a component, and may ask of it.

use std::time::Instant;

use super::{Batch, Driver, Upstream};
use crate::notes::Note;
use crate::observe::{Reading, Recent};

impl Driver {
    /// What there is to measure: see [`FAMILIES`](crate::observe::FAMILIES). The component has so many threads
    /// elsewhere.
    pub fn readings(&mut self, threads: usize, now: Instant) -> Vec<Reading> {
        let (status, limits) = (self.delivery.status(now), self.settings.limits());
        let threads = threads + self.threads();
        self.observer.readings(&status, &limits, threads)
    }

    pub(super) fn threads(&self) -> usize {
        self.upstreams.values().map(Upstream::threads).sum()
    }

    /// The last stanzas that were not accepted, the oldest first.
    pub fn failures(&self) -> impl Iterator<Item = &Recent> {
        self.observer.failures()
    }

    /// Has what waits attempted as soon as it is its turn, whatever is known of the service. Returns how many
    /// stanzas wait.
    pub fn retry(&mut self, now: Instant, batch: &mut Batch) -> usize {
        let waiting = self.delivery.retry_now(now);
        if waiting > 0 {
            batch.notes.push(Note::info(format!(
                "the next attempt is made now, as an admin asks for: {waiting} stanzas wait"
            )));
        }
        self.advance(now, batch);
        waiting
    }

    /// Ends what a bare JID has sent. Its sender is told. Returns how many stanzas these are.
    pub fn drop_from(&mut self, jid: &str, now: Instant, batch: &mut Batch) -> usize {
        let dropped = self.delivery.drop_from(jid);
        if dropped > 0 {
            batch.notes.push(Note::info(format!(
                "what {jid} has sent is dropped, as an admin asks for: {dropped} stanzas"
            )));
        }
        self.advance(now, batch);
        dropped
    }
}
