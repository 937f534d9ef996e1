//! HTTP by ureq: the one room that names it.
//!
//! ureq does the protocol and the pool. Its resolver, its sockets and its TLS are replaced by ours, see
//! there for the reasons.

mod broken;
mod buffers;
mod chunks;
mod connection;
mod head;
mod patience;
mod resolver;
mod socket;
mod tls;

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::{HeaderValue, Response as HttpResponse, Version};
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body, Timeout};

use self::broken::Broken;
use self::connection::MAX_IDLE;
use self::head::Framing;
use self::resolver::CachingResolver;
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

/// A body that nobody wants is read up to that many bytes, so that its connection can be used again.
const DISCARD_LIMIT: u64 = 16 * 1024;

/// How long a body that nobody wants is waited for, to the same end.
const DISCARD_TIME: Duration = Duration::from_millis(50);

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
                result => return result.map(Response).map_err(failure),
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

/// The response to a request.
#[derive(Debug)]
pub struct Response(HttpResponse<Body>);

impl Response {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Its `Content-Type`, whatever its parameters are written in.
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        let value = self.0.headers().get("content-type")?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    /// Its body, but no more than one byte over the limit.
    ///
    /// # Errors
    /// If the connection fails or the time is over before the body has ended.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let mut reader = self.0.body_mut().as_reader().take(limit as u64 + 1);
        reader
            .read_to_end(&mut body)
            .map_err(|error| failure(error.into()))?;
        if body.is_empty() && self.is_until_close() {
            return Err(ended_without_a_body());
        }
        Ok(body)
    }

    /// Reads a body that nobody wants, so that the connection can be used again. Waits no longer than a
    /// moment, and how that ends does not matter: the response has been judged by its head.
    ///
    /// # Errors
    /// If all that came is the end of the connection, where a body or its length should have been: that
    /// is how a service ends that has been stopped in between.
    pub fn discard(&mut self) -> Result<(), Failure> {
        let until_close = self.is_until_close();
        let limit = if until_close { 1 } else { DISCARD_LIMIT };
        let mut body = self.0.body_mut().as_reader().take(limit);
        let read = patience::at_most(DISCARD_TIME, || io::copy(&mut body, &mut io::sink()));
        match read.map_err(|error| failure(error.into())) {
            Ok(0) if until_close => Err(ended_without_a_body()),
            Err(error @ Failure::ConnectionLost(_)) if until_close => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the body ends with the connection.
    fn is_until_close(&self) -> bool {
        let headers = self.0.headers();
        let fields = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let is_http_1_1 = self.0.version() == Version::HTTP_11;
        Framing::of(self.status(), is_http_1_1, fields) == Some(Framing::UntilClose)
    }
}

fn ended_without_a_body() -> Failure {
    Failure::ConnectionLost("it ended where a body or its length should have been".to_owned())
}

/// Sorts ureq's errors into ours.
fn failure(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Failure::NoConnection(
            "it took longer than component_post_connect_timeout allows".to_owned(),
        ),
        ureq::Error::Timeout(_) => Failure::TimedOut,
        ureq::Error::Protocol(error) => Failure::NotHttp(error.to_string()),
        error @ (ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyStalled) => {
            Failure::NotHttp(error.to_string())
        }
        ureq::Error::Io(error) => match Broken::of(&error) {
            Some(broken) => broken_failure(broken),
            None => io_failure(&error),
        },
        other => Failure::NoConnection(other.to_string()),
    }
}

fn broken_failure(broken: &Broken) -> Failure {
    let reason = broken.to_string();
    match broken {
        Broken::Lost(_) | Broken::Unasked => Failure::ConnectionLost(reason),
        Broken::TooLong(_) | Broken::Chunks => Failure::NotHttp(reason),
        Broken::NeverDelivered
        | Broken::NotTls
        | Broken::NoHandshake
        | Broken::Handshake(_)
        | Broken::NoRoots(_) => Failure::NoConnection(reason),
    }
}

fn io_failure(error: &io::Error) -> Failure {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error.kind() {
        TimedOut => Failure::TimedOut,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            Failure::ConnectionLost(error.to_string())
        }
        _ => Failure::NoConnection(error.to_string()),
    }
}
