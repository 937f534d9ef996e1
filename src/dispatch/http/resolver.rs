//! Names to addresses, remembered.
//!
//! ureq's own resolver asks before every request, even for one that goes over a connection from the
//! pool, and starts a thread each time to be able to stop waiting. This one asks once in a while.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::dispatch::threads;

/// How long an answer counts as fresh. An older one is still used while a new one is fetched, and when
/// none is to be had.
const FRESH: Duration = Duration::from_secs(30);

/// Resolves the one name of one service.
#[derive(Debug, Default)]
pub(super) struct CachingResolver(Arc<Cache>);

#[derive(Debug, Default)]
struct Cache {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    since: Option<Instant>,
    /// Why the last look-up found nothing.
    error: Option<String>,
    looking: bool,
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
        let name = DefaultResolver::host_and_port(scheme, authority)
            .ok_or_else(|| Error::BadUri("no port".to_owned()))?;
        let addresses = match name.parse() {
            Ok(address) => vec![address],
            Err(_) => self.0.look_up(name, timeout)?,
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
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.since.is_some_and(|since| since.elapsed() < FRESH) {
            return Ok(known.addresses.clone());
        }
        if !known.looking {
            // The system's resolver can take long and cannot be interrupted: a thread of its own takes
            // that upon itself, and may outlive whoever waits.
            let cache = Arc::clone(self);
            threads::spawn("http-resolve", move || cache.fetch(&name))?;
            known.looking = true;
        }
        if known.since.is_some() {
            return Ok(known.addresses.clone());
        }
        let (known, waited) = self
            .changed
            .wait_timeout_while(known, *timeout.after, |known| known.looking)
            .unwrap_or_else(PoisonError::into_inner);
        match &known.error {
            _ if waited.timed_out() => Err(Error::Timeout(timeout.reason)),
            Some(error) => Err(std::io::Error::other(error.clone()).into()),
            None => Ok(known.addresses.clone()),
        }
    }

    fn fetch(&self, name: &str) {
        let answer = name.to_socket_addrs().map(Vec::from_iter);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.looking = false;
        match answer {
            Ok(addresses) if !addresses.is_empty() => {
                *known = Known {
                    addresses,
                    since: Some(Instant::now()),
                    ..Known::default()
                };
            }
            Ok(_) => known.error = Some("the name has no address".to_owned()),
            Err(error) => known.error = Some(error.to_string()),
        }
        self.changed.notify_all();
    }
}
