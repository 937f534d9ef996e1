//! What became of requests and messages, in numbers.

use crate::observe::{Family, Reading, Type};

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family::new(Type::Counter, name, help)
}

const RELAYED: Family = counter("requests_relayed", "Iq requests that went to a client");
const ANSWERED: Family = counter(
    "requests_answered",
    "Iq requests that a client has answered",
);
const TIMED_OUT: Family = counter(
    "requests_timed_out",
    "Iq requests without an answer in time",
);
const CUT_OFF: Family = counter(
    "requests_cut_off",
    "Iq requests whose client went away before it had answered",
);
const NO_RESOURCE: Family = counter(
    "requests_no_resource",
    "Iq requests that found no client online",
);
const REFUSED: Family = counter("requests_refused", "Iq requests that were too many");
const MESSAGES_RELAYED: Family =
    counter("messages_relayed", "Messages that were sent on, either way");
const MESSAGES_NO_RESOURCE: Family = counter(
    "messages_no_resource",
    "Messages that found no client online",
);

/// All counters.
pub const FAMILIES: [&Family; 8] = [
    &RELAYED,
    &ANSWERED,
    &TIMED_OUT,
    &CUT_OFF,
    &NO_RESOURCE,
    &REFUSED,
    &MESSAGES_RELAYED,
    &MESSAGES_NO_RESOURCE,
];

/// How many there were of each fate. Every request that is relayed is answered, timed out or cut off
/// in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent on, each counted once however often it was sent.
    pub relayed: u64,
    /// Answered by whoever was asked, by a result or an error.
    pub answered: u64,
    /// Answered by the proxy: no answer came within `proxy_iq_timeout`.
    pub timed_out: u64,
    /// Answered by the proxy: the resource, its server or the component went away before an answer came.
    pub cut_off: u64,
    /// Answered by the proxy: the target had no available resource.
    pub no_resource: u64,
    /// Answered by the proxy: too many requests were outstanding, or the component had ended.
    pub refused: u64,
    /// Messages sent on, either way.
    pub messages_relayed: u64,
    /// Messages of requesters for which the target had no available resource.
    pub messages_no_resource: u64,
}

impl Counts {
    /// In the order of the [`FAMILIES`].
    const fn all(&self) -> [u64; FAMILIES.len()] {
        [
            self.relayed,
            self.answered,
            self.timed_out,
            self.cut_off,
            self.no_resource,
            self.refused,
            self.messages_relayed,
            self.messages_no_resource,
        ]
    }

    /// What has come since the counts were those.
    pub fn since(&self, before: &Counts) -> Vec<Reading> {
        let counts = self.all().into_iter().zip(before.all()).zip(FAMILIES);
        counts
            .map(|((now, before), family)| Reading::added(family, &[], now - before))
            .collect()
    }

    /// The numbers, with the names of the counters in words.
    pub fn overview(&self) -> impl Iterator<Item = (String, String)> {
        let counts = FAMILIES.into_iter().zip(self.all());
        counts.map(|(family, count)| (family.name.replace('_', " "), count.to_string()))
    }
}
