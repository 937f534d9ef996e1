//! Where Lua and Rust meet: the one room that names mlua.

mod build;
mod client_proxy;
mod component_http;
mod options;
mod walk;

use mlua::{Lua, Table};

/// What `require "prosody_components"` returns.
///
/// # Errors
/// If Lua runs out of memory.
pub fn exports(lua: &Lua) -> mlua::Result<Table> {
    let exports = lua.create_table()?;
    exports.set("version", env!("CARGO_PKG_VERSION"))?;
    exports.set("component_http", lua.create_function(component_http::new)?)?;
    exports.set("client_proxy", lua.create_function(client_proxy::new)?)?;
    exports.set(
        "client_proxy_key",
        lua.create_function(client_proxy::new_key)?,
    )?;
    Ok(exports)
}
