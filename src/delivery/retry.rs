//! Whether an attempt that failed is followed by another one, and when.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::failure::{AttemptFailure, Class};

/// The longest that the first pause may be; each one after it may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest that any pause may be that the service does not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an admin wants to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// From the stanza's arrival. No attempt but the first begins later; zero: there is but one.
    pub retry_for: Duration,
    /// Whether there is another attempt after one that the service may have processed.
    pub at_least_once: bool,
}

/// What an exchange has had so far.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// When the stanza came.
    pub arrived: Instant,
    /// Attempts that have been made.
    pub attempts: u32,
}

impl RetryPolicy {
    /// Until when an attempt that is not the first may begin.
    pub fn until(&self, arrived: Instant) -> Instant {
        arrived + self.retry_for
    }

    fn allows(&self, class: Class) -> bool {
        match class {
            Class::NotProcessed => true,
            Class::PerhapsProcessed => self.at_least_once,
            Class::Refused => false,
        }
    }
}

/// When the next attempt is to be made after one that failed, if there is to be one.
pub fn decide(
    failure: &AttemptFailure,
    policy: &RetryPolicy,
    spent: Spent,
    now: Instant,
    rng: &mut impl Rng,
) -> Option<Instant> {
    if policy.retry_for.is_zero() || !policy.allows(failure.class()) {
        return None;
    }
    let pause = pause(spent.attempts, rng).max(failure.retry_after().unwrap_or_default());
    // A time beyond what a clock can hold is beyond any policy.
    now.checked_add(pause)
        .filter(|next| *next <= policy.until(spent.arrived))
}

/// The pause after so many attempts: between a half and the whole of what doubles each time.
fn pause(attempts: u32, rng: &mut impl Rng) -> Duration {
    let factor = 1_u32
        .checked_shl(attempts.saturating_sub(1))
        .unwrap_or(u32::MAX);
    jittered(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE), rng)
}

/// Between a half and the whole of that time, so that those who wait together do not go on together.
pub(super) fn jittered(time: Duration, rng: &mut impl Rng) -> Duration {
    time.mul_f64(rng.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::delivery::NoAnswer;

    const POLICY: RetryPolicy = RetryPolicy {
        retry_for: Duration::from_secs(3600),
        at_least_once: false,
    };

    fn rejected(status: u16) -> AttemptFailure {
        AttemptFailure::Rejected {
            status,
            retry_after: None,
        }
    }

    fn first(failure: &AttemptFailure, policy: &RetryPolicy) -> Option<Duration> {
        let now = Instant::now();
        let spent = Spent {
            arrived: now,
            attempts: 1,
        };
        let next = decide(failure, policy, spent, now, &mut StdRng::seed_from_u64(1))?;
        Some(next - now)
    }

    #[test]
    fn what_is_tried_again() {
        let no_connection = NoAnswer::NoConnection("refused".to_owned());
        let lost = NoAnswer::ConnectionLost("reset".to_owned());
        let not_http = NoAnswer::NotHttp("SSH".to_owned());
        let not_processed = [408, 425, 429, 503].map(rejected);
        let perhaps = [500, 502, 504, 506, 507, 520, 599].map(rejected);
        let refused = [301, 400, 401, 404, 409, 410, 413, 422, 501, 505, 600].map(rejected);
        let always = [AttemptFailure::Unanswered(no_connection)].into_iter();
        let unanswered = [lost, NoAnswer::TimedOut, not_http].map(AttemptFailure::Unanswered);
        let fault = AttemptFailure::Fault("a bug".to_owned());
        let at_least_once = RetryPolicy {
            at_least_once: true,
            ..POLICY
        };
        for failure in always.chain(not_processed) {
            assert!(first(&failure, &POLICY).is_some(), "{failure}");
            assert!(first(&failure, &at_least_once).is_some(), "{failure}");
        }
        for failure in unanswered.into_iter().chain(perhaps) {
            assert_eq!(first(&failure, &POLICY), None, "{failure}");
            assert!(first(&failure, &at_least_once).is_some(), "{failure}");
        }
        for failure in refused.into_iter().chain([fault]) {
            assert_eq!(first(&failure, &at_least_once), None, "{failure}");
        }
    }

    #[test]
    fn pauses_double_up_to_half_a_minute_and_are_drawn() {
        let mut rng = StdRng::seed_from_u64(7);
        for (attempts, longest) in [(1, 500), (2, 1000), (3, 2000), (7, 30_000), (99, 30_000)] {
            let longest = Duration::from_millis(longest);
            let drawn: Vec<_> = (0..200).map(|_| pause(attempts, &mut rng)).collect();
            assert!(
                drawn
                    .iter()
                    .all(|one| (longest / 2..=longest).contains(one))
            );
            assert!(drawn.iter().any(|one| *one < longest.mul_f64(0.6)));
            assert!(drawn.iter().any(|one| *one > longest.mul_f64(0.9)));
        }
    }

    #[test]
    fn the_service_may_ask_for_more_time_but_not_for_less() {
        let asks = |seconds| AttemptFailure::Rejected {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(first(&asks(7), &POLICY), Some(Duration::from_secs(7)));
        assert!(first(&asks(0), &POLICY).unwrap() >= FIRST_PAUSE / 2);
        assert_eq!(first(&asks(3601), &POLICY), None);
        assert_eq!(first(&asks(u64::MAX), &POLICY), None);
    }

    #[test]
    fn no_attempt_begins_after_its_time() {
        let policy = RetryPolicy {
            retry_for: Duration::from_secs(10),
            ..POLICY
        };
        let arrived = Instant::now();
        let spent = Spent {
            arrived,
            attempts: 1,
        };
        let mut rng = StdRng::seed_from_u64(1);
        let mut after = |millis| {
            let now = arrived + Duration::from_millis(millis);
            decide(&rejected(503), &policy, spent, now, &mut rng)
        };
        assert!(after(9500).is_some());
        assert_eq!(after(9751), None);
        let once = RetryPolicy {
            retry_for: Duration::ZERO,
            at_least_once: true,
        };
        assert_eq!(first(&rejected(503), &once), None);
    }
}
