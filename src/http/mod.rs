//! HTTP by ureq: the one room that names it.
//!
//! A [`Client`] POSTs to one [`Endpoint`]. ureq does the protocol and keeps the connections. Its resolver,
//! its sockets and its TLS are replaced by ours, see there for the reasons.

mod broken;
mod buffers;
mod chunks;
mod client;
mod connection;
mod endpoint;
mod error;
mod head;
mod idle;
mod opening;
mod patience;
mod resolver;
mod response;
mod socket;
mod tcp;
mod tls;

pub use self::client::{Client, Config, Post};
pub use self::endpoint::Endpoint;
pub use self::error::TransportError;
