//! What becomes of pushes, in numbers.

use crate::observe::{Family, Reading, Tally, Type};

const REQUESTS: Family = Family::new(
    Type::Counter,
    "push_requests",
    "Pushes that were answered, by the status of the answer",
)
.by(&["status"]);
const STANZAS: Family = Family::new(
    Type::Counter,
    "pushed_stanzas",
    "Stanzas that were sent for pushes",
);

/// All that there is to measure of pushes.
pub const FAMILIES: [&Family; 2] = [&REQUESTS, &STANZAS];

/// The statuses that are told of from the beginning: success, and what an admin may want to know at once.
const ALWAYS: [u16; 6] = [200, 202, 401, 429, 500, 503];

/// Counts requests and stanzas.
#[derive(Debug)]
pub struct Counts {
    /// By the status of the answer: there are no others than those that [`Problem`](super::Problem) has.
    requests: Tally<u16>,
    stanzas: Tally<()>,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            requests: Tally::new(ALWAYS),
            stanzas: Tally::new([()]),
        }
    }
}

impl Counts {
    /// A request was answered.
    pub fn answered(&mut self, status: u16) {
        self.requests.add(status, 1);
    }

    /// A stanza was sent.
    pub fn sent(&mut self) {
        self.stanzas.add((), 1);
    }

    /// What has come since the last call.
    pub fn readings(&mut self) -> Vec<Reading> {
        let requests = self.requests.take().into_iter();
        let requests = requests
            .map(|(status, count)| Reading::added(&REQUESTS, &[&status.to_string()], count));
        let stanzas = self.stanzas.take().into_iter();
        let stanzas = stanzas.map(|((), count)| Reading::added(&STANZAS, &[], count));
        requests.chain(stanzas).collect()
    }
}
