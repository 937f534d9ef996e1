//! TLS on a socket, by rustls.
//!
//! ureq's own keeps buffers of 8 KiB that bound the head of a response, reads the end of a TCP connection
//! as the end of a body, and does not see what is left inside rustls when a response has ended.

mod files;
mod handshake;
mod identity;
mod named;
#[cfg(test)]
mod peer;
mod records;
mod roots;
mod socket;

use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, time};

pub use self::files::{ClientFiles, TlsFile, TlsFileError, TlsFiles};
pub(super) use self::roots::Roots;
pub use self::roots::check_tls_files;
use self::socket::TlsSocket;
use super::broken::Broken;
use super::connection::Connection;
use super::socket::Socket;
use super::timeout;

/// Puts TLS on the connections of `https`.
#[derive(Debug)]
pub(super) struct TlsConnector(pub(super) Arc<Roots>);

impl Connector<Connection<Socket>> for TlsConnector {
    type Out = Either<Connection<Socket>, Connection<TlsSocket>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        connection: Option<Connection<Socket>>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(connection) = connection else {
            return Ok(None);
        };
        if !details.needs_tls() {
            return Ok(Some(Either::A(connection)));
        }
        let config = self.0.client_config().map_err(Broken::NoRoots)?;
        let name = server_name(details.uri)?;
        let session = ClientConnection::new(config, name).map_err(Broken::Handshake)?;
        let (now, timeout) = (Instant::now(), timeout::shortened(details.timeout));
        let begun = match details.now {
            time::Instant::Exact(begun) => begun,
            _ => now,
        };
        let deadline = (begun + *details.timeout.after).min(now + *timeout.after);
        let connection = connection.through(|socket| {
            let mut tls = TlsSocket::new(session, socket);
            tls.handshake(deadline, timeout)?;
            Ok(tls)
        })?;
        Ok(Some(Either::B(connection)))
    }
}

fn server_name(uri: &Uri) -> Result<ServerName<'static>, Error> {
    let host = uri.host().unwrap_or_default();
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let name = address.unwrap_or(host).to_owned();
    ServerName::try_from(name).map_err(|error| Error::BadUri(error.to_string()))
}
