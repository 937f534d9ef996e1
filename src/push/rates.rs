//! How many stanzas a second a token may push.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::tokens::TokenId;

/// A bucket of tokens' allowances for each token: full at first, and filled again at the rate.
///
/// There are no more of them than tokens that an admin has written down.
#[derive(Debug, Default)]
pub struct Rates(HashMap<TokenId, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl Rates {
    /// Takes what that many stanzas cost, or says how long to wait for it. A push of more than a bucket
    /// holds is let through a full one, which is in debt then.
    pub fn take(
        &mut self,
        token: TokenId,
        stanzas: usize,
        rate: usize,
        now: Instant,
    ) -> Result<(), Duration> {
        let full = rate as f64;
        let bucket = self.0.entry(token).or_insert(Bucket {
            level: full,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.level = (bucket.level + passed * full).min(full);
        bucket.at = now;
        let needed = (stanzas as f64).min(full);
        if bucket.level < needed {
            return Err(Duration::from_secs_f64((needed - bucket.level) / full));
        }
        bucket.level -= stanzas as f64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let (one, other) = (TokenId::of("one"), TokenId::of("other"));
        assert_eq!(rates.take(one, 10, 10, start), Ok(()));
        assert_eq!(
            rates.take(one, 1, 10, start),
            Err(Duration::from_millis(100))
        );
        assert_eq!(rates.take(other, 1, 10, start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(rates.take(one, 5, 10, later), Ok(()));
        assert!(rates.take(one, 1, 10, later).is_err());
    }

    #[test]
    fn more_than_a_burst_goes_through_and_is_paid_for() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let token = TokenId::of("one");
        assert_eq!(rates.take(token, 30, 10, start), Ok(()));
        let wait = rates.take(token, 1, 10, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(2100));
        assert_eq!(rates.take(token, 1, 10, start + wait), Ok(()));
    }
}
