//! Names to addresses, remembered.
//!
//! ureq's own resolver asks before every request, even for one that goes over a connection from the
//! pool, and starts a thread each time to be able to stop waiting. This one asks once in a while.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::timeout;
use crate::engine::threads;

/// How long an answer counts as fresh. An older one is still used while a new one is fetched, and when
/// none is to be had.
const FRESH: Duration = Duration::from_secs(30);

/// How long after a look-up that failed the next one begins at the earliest: while there is no DNS, not
/// every request starts a thread.
const PAUSE: Duration = Duration::from_secs(1);

/// Resolves the one name of one service, or of the proxy that leads there. Copies share what they know.
#[derive(Clone, Debug, Default)]
pub(super) struct CachingResolver {
    cache: Arc<Cache>,
    /// The proxy's host and port, whose addresses are asked for in place of the service's.
    proxy: Option<String>,
}

#[derive(Debug, Default)]
struct Cache {
    known: Mutex<Known>,
    changed: Condvar,
}

/// What is known of the name. Nothing in here asks the clock or the system.
#[derive(Debug, Default)]
struct Known {
    found: Option<Found>,
    failed: Option<Failed>,
    looking: bool,
    closed: bool,
}

#[derive(Debug)]
struct Found {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

/// A look-up that came to nothing since one was successful.
#[derive(Debug)]
struct Failed {
    reason: String,
    at: Instant,
}

impl CachingResolver {
    /// Knows nothing yet.
    pub(super) fn new(proxy: Option<String>) -> Self {
        CachingResolver {
            cache: Arc::default(),
            proxy,
        }
    }

    /// Nobody waits for a look-up any more. One that is under way is left to its thread.
    pub(super) fn close(&self) {
        self.cache.lock().closed = true;
        self.cache.changed.notify_all();
    }
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Error::BadUri("no scheme or host".to_owned()));
        };
        let name = match &self.proxy {
            Some(proxy) => proxy.clone(),
            None => DefaultResolver::host_and_port(scheme, authority)
                .ok_or_else(|| Error::BadUri("no port".to_owned()))?,
        };
        let addresses = match name.parse() {
            Ok(address) => vec![address],
            Err(_) => self.cache.look_up(name, timeout::shortened(timeout))?,
        };
        let mut resolved = self.empty();
        // What ureq's type has room for.
        for address in addresses.into_iter().take(16) {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

impl Cache {
    fn look_up(
        self: &Arc<Self>,
        name: String,
        timeout: NextTimeout,
    ) -> Result<Vec<SocketAddr>, Error> {
        let mut known = self.lock();
        let now = Instant::now();
        // Who has no time only takes what is known.
        if known.is_due(now) && !timeout.after.is_zero() {
            // The system's resolver can take long and cannot be interrupted: a thread of its own takes
            // that upon itself, and may outlive whoever waits.
            let cache = Arc::clone(self);
            match threads::spawn("http-resolve", move || cache.fetch(&name)) {
                Ok(()) => known.looking = true,
                Err(error) => {
                    known.fail(
                        format!("the system has no thread for a look-up: {error}"),
                        now,
                    );
                }
            }
        }
        let (known, _) = self
            .changed
            .wait_timeout_while(known, *timeout.after, |known| known.answer().is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match known.answer() {
            Some(Ok(addresses)) => Ok(addresses.to_vec()),
            Some(Err(reason)) => Err(io::Error::other(reason.to_owned()).into()),
            None => Err(Error::Timeout(timeout.reason)),
        }
    }

    fn fetch(&self, name: &str) {
        let answer = name.to_socket_addrs().map(Vec::from_iter);
        let now = Instant::now();
        let mut known = self.lock();
        match answer {
            Ok(addresses) if !addresses.is_empty() => known.succeed(addresses, now),
            Ok(_) => known.fail("the name has no address".to_owned(), now),
            Err(error) => known.fail(error.to_string(), now),
        }
        drop(known);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether a look-up has to begin.
    fn is_due(&self, now: Instant) -> bool {
        let within = |at: Instant, time| now.saturating_duration_since(at) < time;
        let fresh = self
            .found
            .as_ref()
            .is_some_and(|found| within(found.at, FRESH));
        let pausing = self
            .failed
            .as_ref()
            .is_some_and(|failed| within(failed.at, PAUSE));
        !(self.looking || self.closed || fresh || pausing)
    }

    /// The addresses, or why there are none; nothing while that is being looked up.
    fn answer(&self) -> Option<Result<&[SocketAddr], &str>> {
        if self.closed {
            return Some(Err("the component is stopping"));
        }
        match (&self.found, &self.failed) {
            (Some(found), _) => Some(Ok(&found.addresses)),
            (None, Some(failed)) if !self.looking => Some(Err(&failed.reason)),
            _ => None,
        }
    }

    fn succeed(&mut self, addresses: Vec<SocketAddr>, now: Instant) {
        self.looking = false;
        self.failed = None;
        self.found = Some(Found { addresses, at: now });
    }

    fn fail(&mut self, reason: String, now: Instant) {
        self.looking = false;
        self.failed = Some(Failed { reason, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "the system has no thread for a look-up";

    fn addresses() -> Vec<SocketAddr> {
        vec![SocketAddr::from(([127, 0, 0, 1], 80))]
    }

    #[test]
    fn through_a_proxy_it_is_the_proxy_s_addresses() {
        let resolver = CachingResolver::new(Some("127.0.0.1:3128".to_owned()));
        let uri = "https://bot.test/".parse().unwrap();
        let found = resolver
            .resolve(&uri, &Config::default(), NextTimeout::default())
            .unwrap();
        assert_eq!(&found[..], ["127.0.0.1:3128".parse().unwrap()]);
    }

    #[test]
    fn a_name_is_looked_up_once_in_a_while_and_one_at_a_time() {
        let start = Instant::now();
        let mut known = Known::default();
        assert!(known.is_due(start));
        assert_eq!(known.answer(), None);
        known.looking = true;
        assert!(!known.is_due(start));
        known.succeed(addresses(), start);
        assert!(!known.is_due(start + FRESH - Duration::from_millis(1)));
        assert!(known.is_due(start + FRESH));
        assert_eq!(known.answer(), Some(Ok(&*addresses())));
    }

    #[test]
    fn an_old_answer_is_used_while_nothing_better_is_to_be_had() {
        let start = Instant::now();
        let mut known = Known::default();
        known.succeed(addresses(), start);
        known.looking = true;
        assert_eq!(known.answer(), Some(Ok(&*addresses())));
        known.fail(REFUSED.to_owned(), start + FRESH);
        assert_eq!(known.answer(), Some(Ok(&*addresses())));
    }

    #[test]
    fn after_a_failure_there_is_a_pause() {
        let start = Instant::now();
        let mut known = Known::default();
        known.fail(REFUSED.to_owned(), start);
        assert_eq!(known.answer(), Some(Err(REFUSED)));
        assert!(!known.is_due(start + PAUSE - Duration::from_millis(1)));
        assert!(known.is_due(start + PAUSE));
        known.looking = true;
        assert_eq!(
            known.answer(),
            None,
            "who comes now waits for the new look-up"
        );
        known.succeed(addresses(), start + PAUSE);
        assert_eq!(known.answer(), Some(Ok(&*addresses())));
    }

    #[test]
    fn nobody_waits_for_a_look_up_beyond_the_end() {
        let resolver = CachingResolver::default();
        resolver.cache.lock().looking = true;
        let waiting = std::thread::spawn({
            let cache = Arc::clone(&resolver.cache);
            move || {
                let timeout = NextTimeout {
                    after: Duration::from_secs(60).into(),
                    ..NextTimeout::default()
                };
                cache.look_up("a.test:80".to_owned(), timeout)
            }
        });
        resolver.close();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Io(_))));
    }
}
