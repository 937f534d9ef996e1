//! What is left of a time-out. The clock of a request is kept here, for the thread that makes it.
//!
//! ureq has no way to change a request's time-outs once it is sent, nor one to reach the connection that
//! carries it. But an exchange stays on its worker from the first byte to the last. So ureq is told of a time
//! that is long enough for whatever comes, and all that waits for the service asks here how long it may.

use std::cell::Cell;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

thread_local! {
    static BOUND: Cell<Option<Bound>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Bound {
    until: Instant,
    is_of_stream: bool,
}

/// Lets `wait` wait for a service until then at most, all its waiting together.
pub(super) fn within<T>(until: Instant, wait: impl FnOnce() -> T) -> T {
    with(until, false, wait)
}

/// Lets `read` wait for the next part of a stream until then at most.
pub(super) fn within_stream<T>(until: Instant, read: impl FnOnce() -> T) -> T {
    with(until, true, read)
}

fn with<T>(until: Instant, is_of_stream: bool, wait: impl FnOnce() -> T) -> T {
    /// Ends it, be it by a panic.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            BOUND.set(None);
        }
    }
    BOUND.set(Some(Bound {
        until,
        is_of_stream,
    }));
    let _end = End;
    wait()
}

/// Whether a stream is read on this thread.
pub(super) fn is_of_stream() -> bool {
    BOUND.get().is_some_and(|bound| bound.is_of_stream)
}

/// What is left of the time of whoever waits on this thread, if it is bounded.
pub(super) fn left() -> Option<Duration> {
    let until = BOUND.get()?.until;
    Some(until.saturating_duration_since(Instant::now()))
}

/// What is left of a time-out, and of the time of whoever waits on this thread.
pub(super) fn shortened(mut timeout: NextTimeout) -> NextTimeout {
    if let Some(left) = left().filter(|left| *left < *timeout.after) {
        timeout.after = left.into();
        timeout.reason = Timeout::Global;
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

    fn with_left(limit: Duration) -> NextTimeout {
        let timeout = NextTimeout {
            after: LONG.into(),
            reason: Timeout::Connect,
            ..NextTimeout::default()
        };
        within(Instant::now() + limit, || shortened(timeout))
    }

    #[test]
    fn the_shorter_time_counts_and_only_inside() {
        let none = with_left(Duration::ZERO);
        assert_eq!(
            (*none.after, none.reason),
            (Duration::ZERO, Timeout::Global)
        );
        let long = with_left(2 * LONG);
        assert_eq!((*long.after, long.reason), (LONG, Timeout::Connect));
        assert_eq!(left(), None);
    }

    #[test]
    fn a_stream_is_known_for_one() {
        assert!(within_stream(Instant::now(), is_of_stream));
        assert!(!within(Instant::now(), is_of_stream) && !is_of_stream());
    }

    #[test]
    fn a_panic_ends_it_too() {
        let panicked = std::panic::catch_unwind(|| within(Instant::now(), || panic!("expected")));
        assert!(panicked.is_err());
        assert_eq!(left(), None);
    }
}
