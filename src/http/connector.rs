//! How ureq gets a TCP connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectionDetails, Connector};
use ureq::{Error, Timeout};

use super::connection::Connection;
use super::opening;
use super::socket::Socket;
use crate::engine::Share;

/// Opens connections.
#[derive(Debug)]
pub(super) struct SocketConnector {
    /// Bytes of a body that are of use.
    pub(super) body_limit: usize,
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
        let stream = opening::connect(details, end.min(Instant::now() + *details.timeout.after))?;
        stream.set_nodelay(true)?;
        let socket = Socket::new(stream, Some(permit));
        (details.register_shutdown)(socket.interrupt())?;
        Ok(Some(Connection::new(socket, self.body_limit)))
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
