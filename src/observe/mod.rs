//! What an admin sees of the exchanges of a component: folds over their events.
//!
//! [`log`] makes lines of them, as seldom as it is of use; [`exchanges`] counts them, and [`recent`] keeps the last
//! failures. What is counted is a metric in the terms of [`family`], whoever counts it.

mod exchanges;
mod family;
mod histogram;
mod log;
mod outage;
mod recent;
mod tally;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub use exchanges::FAMILIES;
pub use family::{Family, Reading, Type, Value};
pub use histogram::BOUNDS;
pub use recent::Recent;
pub use tally::Tally;

use crate::delivery::{Event, Limits, Status};
use crate::notes::Note;
use exchanges::{Exchanges, Outcome};
use log::Log;
use recent::Failures;

/// Sees the exchanges of one component.
#[derive(Debug, Default)]
pub struct Observer {
    /// What is written to the log.
    pub log: Log,
    exchanges: Exchanges,
    failures: Failures,
}

impl Observer {
    /// Takes in what has happened, and adds what there is to say of it.
    pub fn observe(&mut self, event: Event, now: Instant, notes: &mut Vec<Note>) {
        self.exchanges.count(&event, now);
        if let Event::Failed {
            envelope,
            failure,
            service,
            ..
        } = &event
        {
            let reason = self.log.reason(failure, service.as_ref());
            self.failures.add(envelope, &reason, now);
        }
        if let Event::BrokenOff { envelope, failure } = &event {
            self.failures.add(envelope, &log::broken_off(failure), now);
        }
        self.log.write(event, now, notes);
    }

    /// What has been counted since the last call, and how it stands.
    pub fn readings(&mut self, status: &Status, limits: &Limits, threads: usize) -> Vec<Reading> {
        self.exchanges.readings(status, limits, threads)
    }

    /// The last stanzas that were not accepted, the oldest first.
    pub fn failures(&self) -> impl Iterator<Item = &Recent> {
        self.failures.iter()
    }

    /// How many exchanges have ended, by how they did, with the service's status where there is one.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        self.exchanges.outcomes()
    }
}
