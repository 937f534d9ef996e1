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
mod idle;
mod opening;
mod patience;
mod resolver;
mod response;
mod socket;
mod tls;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ureq::http::Response as HttpResponse;
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body};

use self::broken::Broken;
use self::connection::MAX_IDLE;
use self::failure::failure;
use self::idle::IdleConnections;
use self::resolver::CachingResolver;
pub use self::response::Response;
use self::socket::SocketConnector;
use self::tls::{Roots, TlsConnector};
use super::exchange::ExchangeId;
use super::permits::{Idle, Share};
use crate::component_http::{Failure, Settings};
use crate::notes::Note;
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
    agent: Agent,
    resolver: CachingResolver,
    share: Arc<Share>,
    idle: Arc<IdleConnections>,
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
        let resolver = CachingResolver::default();
        let share = Arc::new(Share::new());
        let socket = SocketConnector {
            body_limit: settings.response_limit,
            share: Arc::clone(&share),
        };
        let roots = Roots::new(settings.ca_file.as_deref())?;
        let connector = ().chain(socket).chain(TlsConnector(roots));
        let agent = Agent::with_parts(config, connector, resolver.clone());
        let idle = Arc::new(IdleConnections {
            agent: agent.clone(),
            url: settings.endpoint.url.clone(),
        });
        let known: Weak<dyn Idle> = Arc::downgrade(&idle) as _;
        share.on_shortage(known);
        Ok(Service {
            settings,
            agent,
            resolver,
            share,
            idle,
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
        let endpoint = &self.settings.endpoint;
        let mut request = self
            .agent
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

    /// What an admin has to know if the process may not open as many files as the settings ask for.
    pub fn shortage(&self) -> Option<Note> {
        let (concurrency, budget) = (self.settings.concurrency, self.share.budget());
        if concurrency <= budget.most() {
            return None;
        }
        Some(Note::warn(format!(
            "component_post_concurrency is {concurrency}, but of the files that Prosody may have open no more \
             than {} can be connections of this component: raise the limit with LimitNOFILE={} in Prosody's \
             systemd unit, elsewhere with ulimit -n",
            budget.most(),
            budget.limit_for(concurrency),
        )))
    }

    /// Closes the connections that are not in use.
    pub fn close_idle(&self) {
        self.idle.close();
    }

    /// Closes all connections, those that are being opened too: requests under way fail, and so do new
    /// ones.
    pub fn shut_down(&self) {
        self.resolver.close();
        self.share.close();
        self.agent.clone().shutdown();
    }
}
