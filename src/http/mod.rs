//! HTTP by ureq: the one room that names it.
//!
//! A [`Client`] POSTs to one [`Endpoint`]. ureq does the protocol and keeps the connections. Its resolver,
//! its sockets and its TLS are replaced by ours, see there for the reasons.

mod broken;
mod buffers;
mod chunks;
mod client;
mod connection;
mod connector;
mod credentials;
mod endpoint;
mod error;
mod head;
mod headers;
mod idle;
mod items;
mod keep_alive;
mod opening;
mod post;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod proxy;
mod resolver;
mod response;
#[cfg(test)]
mod script;
mod sign;
mod socket;
mod socket_timeouts;
mod stream;
mod tcp;
mod timeout;
mod tls;
mod wire;

pub use self::client::{Client, Config};
pub use self::endpoint::Endpoint;
pub use self::error::TransportError;
pub use self::headers::Headers;
pub use self::items::ItemFormat;
pub use self::post::Post;
pub use self::proxy::Proxy;
pub use self::sign::Signer;
pub use self::stream::{ItemStream, Next};
pub use self::tls::{ClientFiles, TlsFile, TlsFileError, TlsFiles, check_tls_files};
