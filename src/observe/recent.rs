//! The last stanzas that were not accepted.

use std::collections::VecDeque;
use std::time::Instant;

use crate::stanza::{Envelope, Kind};

/// So many are remembered.
const CAPACITY: usize = 50;

/// A stanza that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// When that was known.
    pub at: Instant,
    /// Its sender.
    pub from: String,
    /// Its recipient.
    pub to: String,
    /// What it is.
    pub kind: Kind,
    /// Why it was not accepted, in one line.
    pub why: String,
}

/// The last of them, the oldest first.
#[derive(Debug, Default)]
pub struct Failures(VecDeque<Recent>);

impl Failures {
    /// Remembers one.
    pub fn add(&mut self, envelope: &Envelope, why: &str, at: Instant) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(Recent {
            at,
            from: envelope.from.clone(),
            to: envelope.to.clone(),
            kind: envelope.kind,
            // A terminal may make anything of what a service sends.
            why: why.replace(char::is_control, " "),
        });
    }

    /// All that are remembered.
    pub fn iter(&self) -> impl Iterator<Item = &Recent> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;

    #[test]
    fn the_last_fifty() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for number in 0..60 {
            failures.add(&message().envelope, &format!("{number}\u{1b}[2J"), now);
        }
        let whys: Vec<&str> = failures.iter().map(|one| one.why.as_str()).collect();
        assert_eq!((whys.len(), whys[0], whys[49]), (50, "10 [2J", "59 [2J"));
    }
}
