//! What became of requests and messages, in numbers for Prosody's statistics.

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
    /// The names of all counters, and what they count.
    pub fn all(&self) -> [(&'static str, u64); 8] {
        [
            ("requests_relayed", self.relayed),
            ("requests_answered", self.answered),
            ("requests_timed_out", self.timed_out),
            ("requests_cut_off", self.cut_off),
            ("requests_no_resource", self.no_resource),
            ("requests_refused", self.refused),
            ("messages_relayed", self.messages_relayed),
            ("messages_no_resource", self.messages_no_resource),
        ]
    }

    /// The numbers since the last call that are not zero, by the names of the counters.
    pub fn take(&mut self) -> Vec<(&'static str, u64)> {
        let counts = std::mem::take(self).all();
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Whether nothing has been counted since.
    pub fn are_told(&self) -> bool {
        *self == Counts::default()
    }
}
