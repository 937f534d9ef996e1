//! HTTP by ureq: the one room that names it.
//!
//! ureq does the protocol and the pool. Its resolver, its sockets and its TLS are replaced by ours, see
//! there for the reasons.

mod broken;
mod buffers;
mod chunks;
mod connection;
mod failure;
mod head;
mod patience;
mod resolver;
mod response;
mod socket;
mod tls;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Response as HttpResponse;
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body};

use self::broken::Broken;
use self::connection::MAX_IDLE;
use self::failure::failure;
use self::resolver::CachingResolver;
pub use self::response::Response;
use self::socket::SocketConnector;
use self::tls::{Roots, TlsConnector};
use super::exchange::ExchangeId;
use crate::component_http::{Failure, Settings};
use crate::options::OptionError;

/// What requests call themselves.
const USER_AGENT: &str = concat!(
    "mod_component_http/",
    env!("CARGO_PKG_VERSION"),
    " (prosody-components)"
);

/// How often a request is sent at most. A connection that the service closes at the moment of its use is
/// rare; several in a row are a service in trouble.
const ATTEMPTS: usize = 3;

/// A web service: its settings and the connections to it.
#[derive(Debug)]
pub struct Service {
    /// What the admin set.
    pub settings: Settings,
    config: Config,
    roots: Arc<Roots>,
    agent: Mutex<Agent>,
    /// Makes the ids of exchanges unique among components and restarts.
    nonce: String,
}

/// One request.
#[derive(Debug)]
pub struct Post<'a> {
    /// The exchange's number.
    pub id: ExchangeId,
    /// The JSON.
    pub body: &'a [u8],
    /// For the whole of it, the response's body included.
    pub timeout: Duration,
}

impl Service {
    /// The service of these settings. No connection is made yet.
    ///
    /// # Errors
    /// If a file that the settings name cannot be used, or the URL is not one for HTTP.
    pub fn new(settings: Settings) -> Result<Self, OptionError> {
        settings
            .endpoint
            .url
            .parse::<ureq::http::Uri>()
            .map_err(|_| {
                OptionError::new(
                    "component_post_url",
                    "is not a URL that can be used for HTTP",
                )
            })?;
        let config = Agent::config_builder()
            .user_agent(USER_AGENT)
            .accept("application/json")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(settings.timeout))
            .timeout_resolve(Some(settings.connect_timeout))
            .timeout_connect(Some(settings.connect_timeout))
            .max_idle_age(MAX_IDLE)
            .max_idle_connections(settings.concurrency)
            .max_idle_connections_per_host(settings.concurrency)
            .build();
        let roots = Arc::new(Roots::new(settings.ca_file.as_deref())?);
        let agent = Mutex::new(agent(&settings, &config, &roots));
        Ok(Service {
            settings,
            config,
            roots,
            agent,
            nonce: format!("{:016x}", rand::random::<u64>()),
        })
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// Sends it again, on another connection, only if nothing of it reached the service.
    ///
    /// # Errors
    /// If there is no response.
    pub fn post(&self, post: &Post) -> Result<Response, Failure> {
        let deadline = Instant::now() + post.timeout;
        let mut attempt = 1;
        loop {
            match self.post_once(post, deadline) {
                Err(error) if Broken::is_undelivered(&error) && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                result => return result.map(Response::new).map_err(failure),
            }
        }
    }

    fn post_once(&self, post: &Post, deadline: Instant) -> Result<HttpResponse<Body>, ureq::Error> {
        let agent = self
            .agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let endpoint = &self.settings.endpoint;
        let mut request = agent
            .post(&endpoint.url)
            .header("content-type", "application/json")
            .header("idempotency-key", format!("{}-{}", self.nonce, post.id));
        if let Some(authorization) = &endpoint.authorization {
            request = request.header("authorization", authorization);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        // The agent's own time-out serves whoever has the whole time before him.
        if self.settings.timeout - left.min(self.settings.timeout) > Duration::from_millis(5) {
            request = request.config().timeout_global(Some(left)).build();
        }
        request.send(post.body)
    }

    /// Closes the connections that are not in use.
    pub fn close_idle(&self) {
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) =
            agent(&self.settings, &self.config, &self.roots);
    }

    /// Closes all connections: requests under way fail, and so do new ones.
    pub fn shut_down(&self) {
        self.agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .shutdown();
    }
}

fn agent(settings: &Settings, config: &Config, roots: &Arc<Roots>) -> Agent {
    let connector = ()
        .chain(SocketConnector {
            body_limit: settings.response_limit,
        })
        .chain(TlsConnector(Arc::clone(roots)));
    Agent::with_parts(config.clone(), connector, CachingResolver::default())
}
