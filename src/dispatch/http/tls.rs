//! TLS on a socket, by rustls.
//!
//! ureq's own keeps buffers of 8 KiB that bound the head of a response, reads the end of a TCP connection
//! as the end of a body, and does not see what is left inside rustls when a response has ended.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, NextTimeout, time};

use super::broken::Broken;
use super::connection::{Connection, Received, Wire, until};
use super::records::Records;
use super::roots::Roots;
use super::socket::Socket;

/// So many reads look for what came while the connection was not in use. Session tickets need one or two.
const LOOKS: usize = 16;

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
        let deadline = match details.now {
            time::Instant::Exact(now) => now,
            _ => Instant::now(),
        } + *details.timeout.after;
        let connection = connection.through(|socket| {
            let mut tls = TlsSocket::new(session, socket);
            tls.shake_hands(deadline, details.timeout)?;
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

/// A socket with TLS on it.
#[derive(Debug)]
pub(super) struct TlsSocket {
    session: ClientConnection,
    socket: Socket,
    records: Records,
    /// Whether the service has said that it sends no more (close_notify, RFC 8446 §6.1).
    ended: bool,
}

impl Wire for TlsSocket {
    const IS_SECRET: bool = true;

    fn begin_request(&mut self) {
        self.socket.begin_request();
    }

    fn send(&mut self, mut bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        while !bytes.is_empty() {
            let amount = io::Write::write(&mut self.session.writer(), bytes)?;
            bytes = &bytes[amount..];
            self.send_records(timeout)?;
        }
        Ok(())
    }

    fn receive(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error> {
        let deadline = Instant::now() + *timeout.after;
        while !self.ended {
            let mut any = false;
            let came = self.receive_records(until(deadline, timeout)?, &mut |bytes| {
                any = true;
                take(bytes);
            })?;
            if came == Received::End {
                return Ok(Received::Cut);
            }
            if any {
                return Ok(Received::Bytes);
            }
            self.send_records(timeout)?;
        }
        Ok(Received::End)
    }

    fn is_quiet(&mut self) -> bool {
        let mut buffer = [0; 1024];
        for _ in 0..LOOKS {
            let records = match self.socket.read_at_once(&mut buffer) {
                Ok(amount) if amount > 0 => &buffer[..amount],
                Err(Errno::EAGAIN) => return !self.ended && self.records.is_between(),
                _ => return false,
            };
            // Tickets for later sessions come at any time (RFC 8446 §4.6.1), and say nothing.
            let mut surplus = false;
            let read = self.decrypt(records, &mut |_| surplus = true);
            if read.is_err() || surplus {
                return false;
            }
        }
        false
    }

    fn closed_unheard(&mut self) -> Error {
        self.socket.closed_unheard()
    }
}

impl TlsSocket {
    fn new(session: ClientConnection, socket: Socket) -> Self {
        TlsSocket {
            session,
            socket,
            records: Records::default(),
            ended: false,
        }
    }

    fn shake_hands(&mut self, deadline: Instant, timeout: NextTimeout) -> Result<(), Error> {
        while self.session.is_handshaking() {
            self.send_records(until(deadline, timeout)?)?;
            let read = self.receive_records(until(deadline, timeout)?, &mut |_| {});
            if self.records.are_of_something_else() {
                return Err(Broken::NotTls.into());
            }
            match read {
                Ok(Received::Bytes) => {}
                Ok(Received::End | Received::Cut) => return Err(Broken::NoHandshake.into()),
                Err(error) => {
                    // The service may log why. It makes no difference whether it gets to know.
                    let _ = self.send_records(timeout);
                    return Err(in_handshake(error));
                }
            }
        }
        self.send_records(until(deadline, timeout)?)?;
        self.begin_request();
        Ok(())
    }

    /// Sends what rustls has to send.
    fn send_records(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let mut records = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut records)?;
        }
        self.socket.send(&records, timeout)
    }

    fn receive_records(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error> {
        let mut records = Vec::new();
        let came = self
            .socket
            .receive(timeout, &mut |bytes| records.extend_from_slice(bytes))?;
        self.decrypt(&records, take)
            .map_err(|error| Broken::Lost(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Ok(came)
    }

    /// Hands over what is in records, as far as they are complete.
    fn decrypt(
        &mut self,
        mut records: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), rustls::Error> {
        self.records.follow(records);
        while !records.is_empty() && !self.ended {
            // It takes no more than a record at a time, and cannot fail while its text is taken away.
            self.session
                .read_tls(&mut records)
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            self.ended = self.session.process_new_packets()?.peer_has_closed();
            let mut reader = self.session.reader();
            while let Ok(text @ [_, ..]) = reader.fill_buf() {
                take(text);
                let length = text.len();
                reader.consume(length);
            }
        }
        Ok(())
    }
}

/// What went wrong, when it was during the handshake.
fn in_handshake(error: Error) -> Error {
    let Error::Io(error) = error else {
        return error;
    };
    let cause = match Broken::of(&error) {
        Some(Broken::Lost(lost)) => lost.get_ref(),
        _ => None,
    };
    match cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(cause) => Broken::Handshake(cause.clone()).into(),
        None => Broken::NoHandshake.into(),
    }
}
