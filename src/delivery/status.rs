//! How it stands with the exchanges of a component.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{BackendId, Delivery, Load};

/// How it stands with the exchanges of a component, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Attempts in flight.
    pub in_flight: usize,
    /// How much waits.
    pub waiting: Load,
    /// How long ago the oldest stanza has come that has neither been accepted nor failed.
    pub oldest: Option<Duration>,
    /// The services that the options name.
    pub services: Vec<Service>,
}

/// How it stands with one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its URL, without secrets.
    pub name: Arc<str>,
    /// Attempts in flight there.
    pub in_flight: usize,
    /// How many stanzas wait for it.
    pub waiting: usize,
    /// If it is down, how.
    pub outage: Option<Outage>,
}

/// A service that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// How long it is known to be down.
    pub lasted: Duration,
    /// In what time the next attempt may be made; none while one is under way.
    pub next_attempt: Option<Duration>,
}

impl Delivery {
    /// How it stands.
    pub fn status(&self, now: Instant) -> Status {
        // One that was accepted, and whose answer is coming, does not wait.
        let mut exchanges = self.exchanges.values();
        let oldest = exchanges.find(|exchange| !exchange.is_accepted());
        let all = self.backends.iter();
        Status {
            in_flight: all.map(|(_, backend)| backend.in_flight).sum(),
            waiting: self.waiting,
            oldest: oldest.map(|exchange| now.saturating_duration_since(exchange.spent.arrived)),
            services: self
                .planned
                .iter()
                .map(|id| self.service(*id, now))
                .collect(),
        }
    }

    fn service(&self, id: BackendId, now: Instant) -> Service {
        let backend = &self.backends[id];
        Service {
            name: self.name(id),
            in_flight: backend.in_flight,
            waiting: backend.senders.waiting().stanzas,
            outage: backend.breaker.outage().map(|(since, next)| Outage {
                lasted: now.saturating_duration_since(since),
                next_attempt: next.map(|next| next.saturating_duration_since(now)),
            }),
        }
    }
}
