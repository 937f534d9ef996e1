//! Two components for the Prosody XMPP server: web services behind JIDs.
//!
//! Prosody is written in Lua and has one thread. It loads this crate as a C module and a thin shim in
//! Lua beside it, `lua/mod_component_http.lua`, which hooks events, calls this library and sends what it
//! is given. This is the way of a stanza:
//!
//! 1. The shim gets an event and hands the stanza's table to [`glue`], which walks it once and makes a
//!    [`stanza::Stanza`] of it: owned data.
//! 2. [`delivery::Delivery`] begins an exchange for it, puts it into the lane of its conversation, and says
//!    when its turn comes. [`component_http::Driver`] hands it to the worker threads then. All of that is on
//!    Prosody's thread and takes microseconds.
//! 3. A worker makes the [`attempt`](component_http): it writes the JSON of [`mapping::request`],
//!    POSTs it by [`http`], and lets [`mapping::answer`] say which stanzas the answer stands for. What goes
//!    wrong there is a [`delivery::AttemptFailure`].
//! 4. What came of it waits in [`engine::Completions`], whose file descriptor wakes Prosody's event loop.
//!    The driver takes it, `delivery` ends the exchange, `glue` builds tables, and the shim sends them.
//!
//! A service may also speak first: [`push::Pushes`] is told of a request to Prosody's HTTP server, and of
//! what its worker makes of it.
//!
//! What an admin sees of all that, in the log, in metrics and in the shell, are folds over events: [`observe`].
//!
//! The other module, `lua/mod_client_proxy.lua`, needs no thread: [`client_proxy::Proxy`] says at once
//! with which addresses a request or its answer is sent on.
//!
//! The arrows point one way: shim, `glue`, `component_http` or `client_proxy`, `delivery`, `mapping`, `stanza`; and
//! `component_http`, `http`, `engine`. Only `glue` knows of Lua, and only with one of the features `lua51`
//! to `lua54` or `luajit`. Neither `http` nor `engine` knows of XMPP, and `engine`, which has the threads,
//! not of HTTP either. To read it, begin with [`delivery`], or with [`client_proxy`].
//!
//! What is public is for whoever measures it; all else is for Prosody.
#![deny(missing_docs)]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "who reads the documentation reads the code: it is made with all that is private"
)]
#![cfg_attr(
    not(feature = "lua"),
    allow(
        dead_code,
        unused_imports,
        reason = "glue is what calls most of it, so that only a build with it can tell"
    )
)]

mod ages;
pub mod client_proxy;
pub mod component_http;
mod delivery;
mod engine;
/// What each target in fuzz/ plays its input against.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::http::properties::{chunks, head, items};
    pub use crate::mapping::properties::answer;
    pub use crate::stanza::properties::{jid, xml};
}
#[cfg(feature = "lua")]
mod glue;
mod http;
mod ids;
pub mod mapping;
mod notes;
mod observe;
pub mod options;
mod panics;
mod push;
pub mod stanza;
mod timers;

#[cfg(feature = "lua")]
#[mlua::lua_module]
fn prosody_components(lua: &mlua::Lua) -> mlua::Result<mlua::Table> {
    glue::exports(lua)
}
