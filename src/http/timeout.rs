//! What is left of a time-out, and a shorter one for what is read on this thread.
//!
//! ureq has no way to change a request's time-outs once it is sent, nor one to reach the connection that
//! carries it. But an exchange stays on its worker from the first byte to the last.

use std::cell::Cell;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets `read` wait for a service no longer than that, all its waiting together.
pub(super) fn at_most<T>(limit: Duration, read: impl FnOnce() -> T) -> T {
    /// Ends it, be it by a panic.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            UNTIL.set(None);
        }
    }
    UNTIL.set(Some(Instant::now() + limit));
    let _end = End;
    read()
}

/// What is left of a time-out.
pub(super) fn shortened(mut timeout: NextTimeout) -> NextTimeout {
    if let Some(until) = UNTIL.get() {
        let left = until.saturating_duration_since(Instant::now());
        timeout.after = left.min(*timeout.after).into();
    }
    timeout
}

/// What is left of a time-out that ends then.
///
/// # Errors
/// If nothing is.
pub(super) fn until(deadline: Instant, timeout: NextTimeout) -> Result<NextTimeout, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(NextTimeout {
        after: left.into(),
        ..timeout
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn left(limit: Duration) -> Duration {
        let timeout = NextTimeout {
            after: LONG.into(),
            ..NextTimeout::default()
        };
        at_most(limit, || *shortened(timeout).after)
    }

    #[test]
    fn the_shorter_time_counts_and_only_inside() {
        assert_eq!(left(Duration::ZERO), Duration::ZERO);
        assert_eq!(left(2 * LONG), LONG);
        assert!(*shortened(NextTimeout::default()).after > LONG);
    }

    #[test]
    fn a_panic_ends_it_too() {
        let panicked = std::panic::catch_unwind(|| at_most(Duration::ZERO, || panic!("expected")));
        assert!(panicked.is_err());
        assert!(*shortened(NextTimeout::default()).after > LONG);
    }
}
