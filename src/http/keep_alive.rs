//! How long a connection that is not in use is kept for the next request.

use std::time::Duration;

/// How long a connection that is not in use is kept if the service does not say. Below the two seconds
/// after which the most hasty of common servers close theirs.
const IDLE: Duration = Duration::from_millis(1500);

/// How much earlier than a service says its connection is given up, so that no request meets its end.
const MARGIN: Duration = Duration::from_secs(1);

/// How long an unused connection is kept at most, whatever the service says.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(60);

/// How long it is kept, if the service says that it keeps it for that time.
pub(super) fn limit(service: Option<Duration>) -> Duration {
    match service {
        Some(kept) => kept.saturating_sub(MARGIN).min(MAX_IDLE),
        None => IDLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_shorter_than_the_service_says_and_never_long() {
        let second = Duration::from_secs(1);
        for (service, expected) in [
            (None, IDLE),
            (Some(5 * second), 4 * second),
            (Some(86_400 * second), MAX_IDLE),
            (Some(second), Duration::ZERO),
            (Some(Duration::ZERO), Duration::ZERO),
        ] {
            assert_eq!(limit(service), expected);
        }
    }
}
