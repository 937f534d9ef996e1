//! How it stands with a component, in words.

use std::time::{Duration, Instant};

use super::Driver;
use crate::delivery::{Outage, Service};

impl Driver {
    /// How it stands, as names and values for people. The component has so many threads elsewhere.
    pub fn overview(&self, threads: usize, now: Instant) -> Vec<(String, String)> {
        let (status, settings) = (self.delivery.status(now), &self.settings);
        let places = settings.concurrency * status.services.len();
        let (waiting, oldest) = (status.waiting, status.oldest);
        let rows = [
            ("in flight", format!("{} of {places}", status.in_flight)),
            (
                "waiting",
                format!("{} of {} stanzas", waiting.stanzas, settings.queue_size),
            ),
            (
                "bytes waiting",
                format!("{} of {}", waiting.bytes, settings.queue_bytes),
            ),
            ("oldest", oldest.map_or_else(|| "none".to_owned(), seconds)),
            ("threads", (threads + self.threads()).to_string()),
        ];
        let ended = self.observer.outcomes().map(|(outcome, count)| {
            let name = format!("{} {}", outcome.as_str(), outcome.status());
            (name.trim_end().to_owned(), count.to_string())
        });
        let rows = rows.map(|(name, value)| (name.to_owned(), value));
        let services = status.services.iter();
        let services = services.map(|one| ("service".to_owned(), service(one)));
        services.chain(rows).chain(ended).collect()
    }
}

fn service(service: &Service) -> String {
    let (name, waiting) = (&service.name, service.waiting);
    match &service.outage {
        None => format!("{name}, {} in flight, {waiting} waiting", service.in_flight),
        Some(outage) => format!("{name}, {waiting} waiting, {}", down(outage)),
    }
}

fn down(outage: &Outage) -> String {
    let next = outage.next_attempt.map_or_else(
        || "an attempt is under way".to_owned(),
        |next| format!("next attempt in {}", seconds(next)),
    );
    format!("down for {}, {next}", seconds(outage.lasted))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
