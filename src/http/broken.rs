//! How a connection fails, as far as ureq has no error for it.

use std::{error, fmt, io};

use rustls::AlertDescription;
use ureq::Error;

use super::proxy::TunnelError;

/// Why a connection is of no use any more. Travels through ureq inside an [`io::Error`] of a kind that
/// ureq never takes for the regular end of a response.
#[derive(Debug)]
pub(super) enum Broken {
    /// Happens when the service has closed the connection before anything of the request reached it, or
    /// has sent what nobody asked for, so that the request is not even written.
    NeverDelivered,
    /// Happens when the connection ends and the service may have seen the request.
    Lost(io::Error),
    /// Happens when something comes though nothing of the request has arrived: it belongs to the response
    /// before. The request may arrive yet.
    Unasked,
    /// Happens when what comes back is longer than that many bytes, which is more than the body may be
    /// long and all that comes with it.
    TooLong(u64),
    /// Happens when chunks do not follow each other as they should (RFC 9112 §7.1).
    Chunks,
    /// Happens when no connection to the proxy comes about.
    NoProxy(io::Error),
    /// Happens when a proxy does not lead to the service.
    Tunnel(TunnelError),
    /// Happens when the service does not take the certificate that it has asked for, or misses one. With
    /// TLS 1.3 it says so only after the handshake, but reads no request before that.
    ClientCertificate(AlertDescription),
    /// Happens when the answer to a TLS handshake is something else, as from a port for plain HTTP.
    NotTls,
    /// Happens when the service closes the connection in place of a TLS handshake.
    NoHandshake,
    /// Happens when the handshake fails: no common version, a certificate that is not trusted.
    Handshake(rustls::Error),
    /// Happens when the system's certificate authorities cannot be had.
    NoRoots(rustls::Error),
}

impl Broken {
    /// What an error is about, if it is one of these.
    pub(super) fn of(error: &io::Error) -> Option<&Broken> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        Error::Io(io::Error::other(broken))
    }
}

impl error::Error for Broken {}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::NeverDelivered => f.write_str("closed by the service"),
            Broken::Lost(error) => error.fmt(f),
            Broken::Unasked => f.write_str("it brought more than the response before"),
            Broken::TooLong(limit) => write!(
                f,
                "with what is beside its body it has more than {limit} bytes"
            ),
            Broken::Chunks => f.write_str("the chunks of its body are broken"),
            Broken::NoProxy(error) => write!(f, "no connection to the proxy: {error}"),
            Broken::Tunnel(error) => error.fmt(f),
            Broken::ClientCertificate(AlertDescription::CertificateRequired) => {
                f.write_str("the service asks for a client certificate")
            }
            Broken::ClientCertificate(alert) => {
                write!(
                    f,
                    "the service does not take the client certificate: {alert:?}"
                )
            }
            Broken::NotTls => f.write_str("the service does not speak TLS (is it http://?)"),
            Broken::NoHandshake => f.write_str(
                "the service closed the connection in place of a TLS handshake (is it http://?)",
            ),
            Broken::Handshake(error) | Broken::NoRoots(error) => error.fmt(f),
        }
    }
}
