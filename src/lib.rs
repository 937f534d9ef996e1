//! Two components for the Prosody XMPP server.
#![deny(missing_docs)]

pub mod client_proxy;
pub mod component_http;
pub mod dispatch;
pub mod options;
pub mod stanza;
