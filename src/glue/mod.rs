//! Where Lua and Rust meet: the one room that names mlua.

mod build;
mod call;
mod client_proxy;
mod component_http;
mod effects;
mod observe;
mod options;
mod push;
mod reference;
mod walk;
mod weight;

use mlua::{Lua, MultiValue, Table, Value};

/// What the shims have in common. It comes with the library, so that it is there whichever way the modules
/// were installed, and always of the library's version.
const SHARED: &str = include_str!("../../lua/shared.lua");

/// The routes of pushes, which come with the library like that.
const PUSH: &str = include_str!("../../lua/push.lua");

/// What is counted, in the server's statistics, and what an admin may ask of a component in the server's shell.
const METRICS: &str = include_str!("../../lua/metrics.lua");
const SHELL: &str = include_str!("../../lua/shell.lua");

/// What `require "prosody_components"` returns.
///
/// # Errors
/// If Lua runs out of memory.
pub fn exports(lua: &Lua) -> mlua::Result<Table> {
    let exports = lua.create_table()?;
    exports.set("version", env!("CARGO_PKG_VERSION"))?;
    exports.set("shared", lua.create_function(shared)?)?;
    exports.set("push", lua.create_function(push_routes)?)?;
    exports.set("metrics", lua.create_function(metrics)?)?;
    exports.set("shell", lua.create_function(shell)?)?;
    exports.set("component_http", lua.create_function(component_http::new)?)?;
    exports.set(
        "check_component_http",
        lua.create_function(component_http::check)?,
    )?;
    exports.set("client_proxy", lua.create_function(client_proxy::new)?)?;
    exports.set(
        "check_client_proxy",
        lua.create_function(client_proxy::check)?,
    )?;
    Ok(exports)
}

/// `native:shared(module, require, prosody)`: the functions of `lua/shared.lua`, for that module.
fn shared(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    lua.load(SHARED).set_name("=shared.lua").call(arguments)
}

/// `native:metrics(module, require, families)`: what takes readings, as `lua/metrics.lua` says.
fn metrics(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    lua.load(METRICS).set_name("=metrics.lua").call(arguments)
}

/// `native:shell(module, require, component, carry_out)`: the commands of `lua/shell.lua`, for that module.
fn shell(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    lua.load(SHELL).set_name("=shell.lua").call(arguments)
}

/// `native:push(module, take)`: the functions of `lua/push.lua`, for that module.
fn push_routes(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    lua.load(PUSH).set_name("=push.lua").call(arguments)
}
