//! The connections that wait in ureq's pool for their next request.

use std::time::Duration;

use ureq::Agent;

use crate::engine::Idle;

/// Those of one service.
#[derive(Debug)]
pub(super) struct IdleConnections {
    pub(super) agent: Agent,
    pub(super) url: String,
}

impl Idle for IdleConnections {
    /// ureq does it for a request that takes none of them, and this one has no time to open another. That
    /// it had no time at all would be seen before ureq looks at its pool.
    fn close(&self) {
        // Fails, as it has to.
        let _ = self
            .agent
            .get(&self.url)
            .config()
            .max_idle_age(Duration::ZERO)
            .timeout_resolve(Some(Duration::ZERO))
            .timeout_connect(Some(Duration::ZERO))
            .build()
            .call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::thread;

    use ureq::unversioned::transport::Connector;

    use super::super::connector::SocketConnector;
    use super::super::resolver::CachingResolver;
    use crate::engine::Share;

    /// Answers one request, and returns the connection, which stays open.
    fn answer(listener: &TcpListener) -> TcpStream {
        let mut stream = listener.accept().unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        stream
    }

    #[test]
    fn what_is_not_in_use_is_closed_and_no_request_is_made_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let socket = SocketConnector {
            body_limit: 0,
            proxy: None,
            share: Arc::new(Share::of_component(1).remove(0)),
        };
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        let resolver = CachingResolver::default();
        let agent = Agent::with_parts(config, ().chain(socket), resolver);
        let idle = IdleConnections {
            agent: agent.clone(),
            url: url.clone(),
        };
        let service = thread::spawn(move || {
            let mut rest = Vec::new();
            answer(&listener).read_to_end(&mut rest).unwrap();
            answer(&listener);
            rest
        });
        agent.get(&url).call().unwrap();
        idle.close();
        // Over a connection of its own, or the service would wait for the end of the first one.
        agent.get(&url).call().unwrap();
        assert!(service.join().unwrap().is_empty());
    }
}
