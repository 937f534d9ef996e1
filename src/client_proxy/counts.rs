//! What became of the requests, in numbers for Prosody's statistics.

/// How many requests there were of each fate. Every request that is relayed is answered, timed out or cut off
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
}

impl Counts {
    /// The numbers since the last call, by the names of the counters.
    pub fn take(&mut self) -> [(&'static str, u64); 6] {
        let counts = std::mem::take(self);
        [
            ("requests_relayed", counts.relayed),
            ("requests_answered", counts.answered),
            ("requests_timed_out", counts.timed_out),
            ("requests_cut_off", counts.cut_off),
            ("requests_no_resource", counts.no_resource),
            ("requests_refused", counts.refused),
        ]
    }
}
