//! Two components for the Prosody XMPP server.
#![deny(missing_docs)]

pub mod stanza;
