//! What POSTs to one URL.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response as HttpResponse};
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body};

use super::connector::SocketConnector;
use super::endpoint::Endpoint;
use super::error::TransportError;
use super::headers::Headers;
use super::idle::IdleConnections;
use super::keep_alive::MAX_IDLE;
use super::post::{Caller, Post};
use super::proxy::Proxy;
use super::resolver::CachingResolver;
use super::response::Response;
use super::sign::Signer;
use super::timeout;
use super::tls::{Roots, TlsConnector, TlsFileError, TlsFiles};
use crate::engine::{Budget, Idle, Share};

/// How often a request is sent at most. A connection that the service closes at the moment of its use is
/// rare; several in a row are a service in trouble.
const ATTEMPTS: usize = 3;

/// What a response may be. Some services look at it, and send no stream unasked.
const ACCEPT: &str = "application/json,application/x-ndjson,application/jsonl,text/event-stream";

/// What the clients of a component have to know, beside where to POST.
#[derive(Clone, Debug)]
pub struct Config {
    /// What requests call themselves.
    pub user_agent: &'static str,
    /// What they have in their head beside what they need.
    pub headers: Headers,
    /// Who signs them, if they are signed.
    pub signer: Option<Signer>,
    /// For a whole request with its response at most, be that a stream.
    pub longest: Duration,
    /// For opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// Connections that are kept for later requests at most.
    pub connections: usize,
    /// Bytes of a response's body that are of use.
    pub response_limit: usize,
    /// A proxy that leads to the service, if one does.
    pub proxy: Option<Proxy>,
    /// Whom to trust over TLS, and who to be.
    pub tls_files: TlsFiles,
}

/// A web service's URL and the connections to it.
#[derive(Debug)]
pub struct Client {
    url: String,
    caller: Caller,
    agent: Agent,
    resolver: CachingResolver,
    share: Arc<Share>,
    idle: Arc<IdleConnections>,
}

impl Client {
    /// A client for each of the endpoints of a component. No connection is made yet.
    ///
    /// # Errors
    /// If a file for TLS cannot be used.
    pub fn of_component(
        endpoints: &[Endpoint],
        config: &Config,
    ) -> Result<Vec<Self>, TlsFileError> {
        let roots = Arc::new(Roots::new(&config.tls_files)?);
        let shares = Share::of_component(endpoints.len());
        let clients = endpoints.iter().zip(shares);
        Ok(clients
            .map(|(endpoint, share)| Client::new(endpoint, config, Arc::clone(&roots), share))
            .collect())
    }

    fn new(endpoint: &Endpoint, config: &Config, roots: Arc<Roots>, share: Share) -> Self {
        let agent_config = Agent::config_builder()
            .user_agent(config.user_agent)
            .accept(ACCEPT)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Ours is none of ureq's, and none of the environment's.
            .proxy(None)
            .timeout_global(Some(config.longest))
            .timeout_resolve(Some(config.connect_timeout))
            .timeout_connect(Some(config.connect_timeout))
            .max_idle_age(MAX_IDLE)
            .max_idle_connections(config.connections)
            .max_idle_connections_per_host(config.connections)
            .build();
        let resolver = CachingResolver::new(config.proxy.as_ref().map(Proxy::host_and_port));
        let share = Arc::new(share);
        let socket = SocketConnector {
            body_limit: config.response_limit,
            proxy: config.proxy.clone(),
            share: Arc::clone(&share),
        };
        let connector = ().chain(socket).chain(TlsConnector(roots));
        let agent = Agent::with_parts(agent_config, connector, resolver.clone());
        let idle = Arc::new(IdleConnections {
            agent: agent.clone(),
            url: endpoint.url.clone(),
        });
        let known: Weak<dyn Idle> = Arc::downgrade(&idle) as _;
        share.on_shortage(known);
        Client {
            caller: Caller::new(endpoint, config.headers.clone(), config.signer.clone()),
            url: endpoint.url.clone(),
            agent,
            resolver,
            share,
            idle,
        }
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// Sends it again, on another connection, only if nothing of it reached the service.
    ///
    /// # Errors
    /// If there is no response.
    pub fn post(&self, post: &Post) -> Result<Response, TransportError> {
        let deadline = Instant::now() + post.timeout;
        let head = self.caller.head(post, SystemTime::now());
        let head = head.map_err(ureq::Error::from)?;
        let mut attempt = 1;
        loop {
            let result = timeout::within(deadline, || self.post_once(post, &head));
            match result.map_err(TransportError::from) {
                Err(TransportError::Undelivered(_)) if attempt < ATTEMPTS => attempt += 1,
                result => {
                    return result.map(|response| Response::new(response, deadline));
                }
            }
        }
    }

    fn post_once(&self, post: &Post, head: &HeaderMap) -> Result<HttpResponse<Body>, ureq::Error> {
        let mut request = self.agent.post(&self.url);
        // There are none if the URL is none, which is told when the request is sent.
        if let Some(headers) = request.headers_mut() {
            headers.extend(head.clone());
        }
        request.send(post.body)
    }

    /// How many connections there may be as things are, to all services of its component.
    pub fn budget(&self) -> Budget {
        self.share.budget()
    }

    /// The connections that are not in use.
    pub fn idle(&self) -> Arc<dyn Idle> {
        Arc::clone(&self.idle) as _
    }

    /// Closes all connections, those that are being opened too: requests under way fail, and so do new
    /// ones.
    pub fn shut_down(&self) {
        self.resolver.close();
        self.share.close();
        self.agent.clone().shutdown();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// What comes of a request to a service that answers like that, and the request.
    fn post(answer: &'static [u8]) -> (Result<Vec<u8>, TransportError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let service = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let request = read_request(&mut stream);
            stream.write_all(answer).unwrap();
            request
        });
        let result = post_to(&format!("http://me:secret@{address}/path"));
        (result, service.join().unwrap())
    }

    /// Reads a request whose body is `{}`.
    pub(in crate::http) fn read_request(stream: &mut TcpStream) -> String {
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        String::from_utf8(request).unwrap()
    }

    /// What POSTs to that URL.
    pub(in crate::http) fn client(url: &str) -> Client {
        let config = Config {
            user_agent: "test",
            headers: Headers::new([("X-Key", "käse")]).unwrap(),
            signer: None,
            longest: LONG,
            connect_timeout: LONG,
            connections: 1,
            response_limit: 5,
            proxy: None,
            tls_files: TlsFiles::default(),
        };
        let endpoint = Endpoint::parse(url).unwrap();
        Client::of_component(&[endpoint], &config)
            .unwrap()
            .remove(0)
    }

    fn post_to(url: &str) -> Result<Vec<u8>, TransportError> {
        let post = Post {
            id: "k1",
            body: b"{}",
            timeout: LONG,
        };
        let response = client(url).post(&post);
        response.and_then(|mut response| response.read(5))
    }

    #[test]
    fn a_request_has_an_id_and_credentials_and_brings_a_body() {
        let (body, request) = post(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(body.unwrap(), b"hello");
        for line in [
            "POST /path HTTP/1.1",
            "idempotency-key: k1",
            "webhook-id: k1",
            "x-key: käse",
            "authorization: Basic bWU6c2VjcmV0",
            "user-agent: test",
        ] {
            assert!(request.contains(&format!("{line}\r\n")), "{request}");
        }
    }

    #[test]
    fn what_is_known_of_a_request_that_brings_no_body() {
        let error = |answer| post(answer).0.unwrap_err();
        assert!(matches!(error(b""), TransportError::Lost(_)));
        assert!(matches!(
            error(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"),
            TransportError::Lost(_)
        ));
        assert!(matches!(
            error(b"SSH-2.0\r\n\r\n"),
            TransportError::NotHttp(_)
        ));
        let long = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!";
        assert_eq!(error(long), TransportError::TooLong(5));

        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let error = post_to(&format!("http://{address}/")).unwrap_err();
        assert!(matches!(error, TransportError::NoConnection(_)));
    }
}
