//! How ureq gets a TCP connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectionDetails, Connector};
use ureq::{Error, Timeout};

use super::broken::Broken;
use super::connection::Connection;
use super::opening;
use super::proxy::Proxy;
use super::socket::Socket;
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
        if details.timeout.after.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        // To wait for a permit counts for the whole exchange, not as connecting.
        let end = Instant::now() + time_left(details);
        let permit = self.share.take(end)?;
        let deadline = end.min(Instant::now() + *details.timeout.after);
        let stream = opening::connect(details, deadline).map_err(|error| self.blame(error))?;
        stream.set_nodelay(true)?;
        let mut socket = Socket::new(stream, Some(permit));
        (details.register_shutdown)(socket.interrupt())?;
        if let Some(proxy) = &self.proxy {
            proxy.open_tunnel(&mut socket, details.uri, deadline, details.timeout)?;
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

/// What is left for the exchange.
fn time_left(details: &ConnectionDetails) -> Duration {
    let connecting = *details.timeout.after;
    match details.timeout.reason {
        Timeout::Global => connecting,
        _ => details.config.timeouts().global.unwrap_or(connecting),
    }
}
