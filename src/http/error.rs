//! How a request can fail to bring a response.

use std::io;

use ureq::{Error, Timeout};

use super::broken::Broken;

/// Every way in which there is no response, or not the whole of it, and whether the service may have
/// carried out the request all the same. The reasons are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// Happens when no connection comes about: name, address, port, proxy, TLS. Nothing of the request has
    /// reached the service.
    NoConnection(String),
    /// Happens when it takes longer than that is allowed to take to open a connection. Nothing of the
    /// request has reached the service.
    NoConnectionInTime,
    /// Happens when the service closes each connection before anything of the request has reached it.
    Undelivered(String),
    /// Happens when the time for the whole of it is over. The request may have been carried out.
    TimedOut,
    /// Happens when the connection ends before the response does. The request may have been carried out.
    Lost(String),
    /// Happens when what comes back is not HTTP. The request may have been carried out.
    NotHttp(String),
    /// Happens when the body of the response has more bytes than that. The request has been answered.
    TooLong(usize),
}

impl From<Error> for TransportError {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                TransportError::NoConnectionInTime
            }
            Error::Timeout(_) => TransportError::TimedOut,
            Error::Protocol(error) => TransportError::NotHttp(error.to_string()),
            error @ (Error::LargeResponseHeader(..) | Error::BodyStalled) => {
                TransportError::NotHttp(error.to_string())
            }
            Error::Io(error) => error.into(),
            other => TransportError::NoConnection(other.to_string()),
        }
    }
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof,
        };
        if let Some(broken) = Broken::of(&error) {
            return broken.into();
        }
        match error.kind() {
            TimedOut => TransportError::TimedOut,
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
                TransportError::Lost(error.to_string())
            }
            _ => TransportError::NoConnection(error.to_string()),
        }
    }
}

impl From<&Broken> for TransportError {
    fn from(broken: &Broken) -> Self {
        let reason = broken.to_string();
        match broken {
            Broken::NeverDelivered => TransportError::Undelivered(reason),
            Broken::Lost(_) | Broken::Unasked => TransportError::Lost(reason),
            Broken::TooLong(_) | Broken::Chunks => TransportError::NotHttp(reason),
            Broken::NoProxy(_)
            | Broken::Tunnel(_)
            | Broken::NotTls
            | Broken::NoHandshake
            | Broken::Handshake(_)
            | Broken::ClientCertificate(_)
            | Broken::NoRoots(_) => TransportError::NoConnection(reason),
        }
    }
}
