//! What the three programs of `make bench` share.
//!
//! `load` sends stanzas through Prosody and checks every reply, `echo-component` is the native
//! component to compare with, `backend` is the web service behind the HTTP components. The first
//! two speak XEP-0114 through [`stream`]; [`ledger`] is what `load` checks replies against, and
//! [`cpu`] reads from the kernel what a reply has cost Prosody.

pub mod cpu;
pub mod ledger;
pub mod messages;
pub mod pushes;
pub mod run;
pub mod service;
pub mod stanza;
pub mod stream;
pub mod target;
pub mod window;
