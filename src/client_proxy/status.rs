//! How it stands with a component, for an admin.

use super::{Proxy, counts};
use crate::observe::{Family, Reading, Type};

const OUTSTANDING: Family = Family::new(
    Type::Gauge,
    "requests_outstanding",
    "Iq requests that wait for an answer",
);
const RESOURCES: Family = Family::new(
    Type::Gauge,
    "resources_online",
    "Clients of the target that are online",
);
const SUBSCRIBERS: Family = Family::new(
    Type::Gauge,
    "subscribers",
    "Subscriptions to the presence of the service",
);

/// All that there is to measure.
pub fn families() -> impl Iterator<Item = &'static &'static Family> {
    const GAUGES: [&Family; 3] = [&OUTSTANDING, &RESOURCES, &SUBSCRIBERS];
    counts::FAMILIES.iter().chain(&GAUGES)
}

impl<S> Proxy<S> {
    /// What has been counted since the last call, and how it stands.
    pub fn readings(&mut self) -> Vec<Reading> {
        let mut readings = self.counts.since(&self.told);
        self.told = self.counts.clone();
        readings.extend([
            Reading::is_count(&OUTSTANDING, self.pending.len()),
            Reading::is_count(&RESOURCES, self.resources.len()),
            Reading::is_count(&SUBSCRIBERS, self.subscribers.len()),
        ]);
        readings
    }

    /// How it stands, as names and values for people.
    pub fn overview(&self) -> Vec<(String, String)> {
        let target = if self.subscription.is_settled() {
            self.settings.target.clone()
        } else {
            format!("{}, no presence of it", self.settings.target)
        };
        let rows = [
            ("target", target),
            ("clients online", self.resources.len().to_string()),
            ("requests outstanding", self.pending.len().to_string()),
            ("subscribers", self.subscribers.len().to_string()),
        ];
        let rows = rows.map(|(name, value)| (name.to_owned(), value));
        rows.into_iter().chain(self.counts.overview()).collect()
    }
}
