//! The connections that wait in ureq's pool for their next request.

use std::time::Duration;

use ureq::Agent;

use crate::dispatch::permits::Idle;

/// Those of one service.
#[derive(Debug)]
pub(super) struct IdleConnections {
    pub(super) agent: Agent,
    pub(super) url: String,
}

impl Idle for IdleConnections {
    /// ureq does it for a request that takes none of them; and this one has no time to open another.
    fn close(&self) {
        // Fails, as it has to.
        let _ = self
            .agent
            .get(&self.url)
            .config()
            .max_idle_age(Duration::ZERO)
            .timeout_global(Some(Duration::ZERO))
            .build()
            .call();
    }
}
