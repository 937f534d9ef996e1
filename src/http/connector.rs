//! How ureq gets a TCP connection.

use std::sync::Arc;
use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use super::broken::Broken;
use super::connection::Connection;
use super::opening;
use super::proxy::Proxy;
use super::socket::Socket;
use super::timeout;
use crate::engine::Share;

/// Opens connections.
#[derive(Debug)]
pub(super) struct SocketConnector {
    /// Bytes of a body that are of use.
    pub(super) body_limit: usize,
    /// What leads to the service; the addresses of connections are its own then.
    pub(super) proxy: Option<Proxy>,
    /// Of the descriptors that there are.
    pub(super) share: Arc<Share>,
}

impl Connector<()> for SocketConnector {
    type Out = Connection<Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let timeout = timeout::shortened(details.timeout);
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        // To wait for a permit counts for the whole exchange, not as connecting.
        let end = Instant::now() + timeout::left().unwrap_or(*timeout.after);
        let permit = self.share.take(end)?;
        let deadline = end.min(Instant::now() + *details.timeout.after);
        let stream = opening::connect(details, deadline, timeout.reason)
            .map_err(|error| self.blame(error))?;
        stream.set_nodelay(true)?;
        let mut socket = Socket::new(stream, Some(permit));
        (details.register_shutdown)(socket.interrupt())?;
        if let Some(proxy) = &self.proxy {
            proxy.open_tunnel(&mut socket, details.uri, deadline, timeout)?;
        }
        Ok(Some(Connection::new(socket, self.body_limit)))
    }
}

impl SocketConnector {
    /// Says of what fails that it was on the way to the proxy.
    fn blame(&self, error: Error) -> Error {
        match error {
            Error::Io(error) if self.proxy.is_some() => Broken::NoProxy(error).into(),
            error => error,
        }
    }
}
