//! What an admin is told of the settings when the component has come up.

use super::Settings;
use super::stanzas::{DEPRECATED_OPTION, OPTION};
use crate::engine::Budget;
use crate::notes::Note;

impl Settings {
    /// What an admin is told when the component has come up with these settings: what is on, and nothing
    /// that may be a secret.
    pub fn introduction(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        if self.forwarded.used_deprecated_name {
            notes.push(Note::warn(format!(
                "the option '{DEPRECATED_OPTION}' is deprecated: rename it to '{OPTION}'"
            )));
        }
        let kinds: Vec<&str> = self
            .forwarded
            .kinds
            .iter()
            .map(|kind| kind.as_str())
            .collect();
        notes.push(Note::info(format!(
            "POSTs {} {}: up to {} at a time and {} waiting, {} s for each{}{}{}{}{}",
            kinds.join(", "),
            self.destinations,
            self.at_a_time(),
            self.queue_size,
            self.timeout.as_secs_f64(),
            if self.ordered { "" } else { ", in no order" },
            if self.validate_from {
                ""
            } else {
                ", with replies from any address"
            },
            self.signs.what_is_on(),
            self.chosen(),
            self.service.what_is_on(),
        )));
        notes
    }

    /// What an admin has to know if the process may not open as many files as these settings ask for.
    pub fn shortage(&self, budget: Budget) -> Option<Note> {
        let wanted = self.concurrency * self.destinations.endpoints().len();
        if wanted <= budget.most() {
            return None;
        }
        Some(Note::warn(format!(
            "component_post_concurrency is {}, but of the files that Prosody may have open no more than {} \
             can be connections of this component: raise the limit with LimitNOFILE={} in Prosody's systemd \
             unit, elsewhere with ulimit -n",
            self.at_a_time(),
            budget.most(),
            budget.limit_for(wanted),
        )))
    }

    /// How many exchanges may be in flight.
    fn at_a_time(&self) -> String {
        match self.destinations.endpoints().len() {
            1 => self.concurrency.to_string(),
            services => format!("{services} times {}", self.concurrency),
        }
    }
}
