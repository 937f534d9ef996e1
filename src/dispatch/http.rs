//! HTTP by ureq: the one room that names it.
//!
//! ureq does the protocol, TLS and the pool. Its resolver and its socket are replaced by ours, see
//! there for the reasons.

mod buffers;
mod idle;
mod opening;
mod resolver;
mod socket;

use std::fs;
use std::io::{self, Read};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ureq::http::Response as HttpResponse;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body, Timeout};

use self::idle::IdleConnections;
use self::resolver::CachingResolver;
use self::socket::{NeverDelivered, SharedTls, SocketConnector};
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

/// How long an unused connection is kept. Below the five seconds after which common servers close
/// theirs, so that a request seldom meets a connection that is being closed.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// Bytes of each of the two buffers that a connection with TLS has beside [`buffers`].
const BUFFER_SIZE: usize = 8 * 1024;

/// A body that nobody wants is read up to that many bytes, so that its connection can be used again.
const DISCARD_LIMIT: u64 = 16 * 1024;

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
            .input_buffer_size(BUFFER_SIZE)
            .output_buffer_size(BUFFER_SIZE)
            .tls_config(tls_config(&settings)?)
            .build();
        let resolver = CachingResolver::default();
        let share = Arc::new(Share::new());
        let socket = SocketConnector {
            share: Arc::clone(&share),
        };
        let connector = ().chain(socket).chain(SharedTls::default());
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
                Err(ureq::Error::Io(error)) if NeverDelivered::is(&error) && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                result => return result.map(Response).map_err(failure),
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

fn tls_config(settings: &Settings) -> Result<TlsConfig, OptionError> {
    let provider = rustls::crypto::ring::default_provider();
    Ok(TlsConfig::builder()
        .root_certs(root_certs(settings)?)
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build())
}

fn root_certs(settings: &Settings) -> Result<RootCerts, OptionError> {
    let Some(path) = &settings.ca_file else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let problem = |text: String| OptionError::new("component_post_ca_file", text);
    let pem = fs::read(path)
        .map_err(|error| problem(format!("names a file that cannot be read: {error}")))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect::<Result<_, _>>()
        .map_err(|error| problem(format!("names a file that is not PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(problem("names a PEM file without a certificate".into()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// The response to a request.
#[derive(Debug)]
pub struct Response(HttpResponse<Body>);

impl Response {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Its `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.0.headers().get("content-type")?.to_str().ok()
    }

    /// Its body, but no more than one byte over the limit.
    ///
    /// # Errors
    /// If the connection fails or the time is over before the body has ended.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let mut reader = self.0.body_mut().as_reader().take(limit as u64 + 1);
        match reader.read_to_end(&mut body) {
            Ok(_) => Ok(body),
            Err(error) => Err(failure(error.into())),
        }
    }

    /// Reads a short body and throws it away, so that the connection can be used again. How that ends
    /// does not matter: the response has been judged already.
    pub fn discard(&mut self) {
        let body = self.0.body_mut();
        if body
            .content_length()
            .is_some_and(|length| length <= DISCARD_LIMIT)
        {
            let _ = io::copy(&mut body.as_reader(), &mut io::sink());
        }
    }
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
        ureq::Error::Io(error) => io_failure(&error),
        other => Failure::NoConnection(other.to_string()),
    }
}

fn io_failure(error: &io::Error) -> Failure {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error.kind() {
        TimedOut => Failure::TimedOut,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            Failure::ConnectionLost(error.to_string())
        }
        _ if error
            .get_ref()
            .is_some_and(|inner| inner.is::<socket::Lost>()) =>
        {
            Failure::ConnectionLost(error.to_string())
        }
        _ => Failure::NoConnection(error.to_string()),
    }
}
