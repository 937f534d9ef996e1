//! A stanza sent on with other addresses: in its own table, or in a new one if others may use it still.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Table};

use super::build::push_string;
use crate::client_proxy::pending::Addresses;

/// Gives the stanza these addresses.
///
/// # Errors
/// If Lua runs out of memory.
pub fn readdress(lua: &Lua, stanza: &Table, addresses: &Addresses) -> mlua::Result<()> {
    // SAFETY: nothing is left on the stack. An error of Lua (memory is the only one) leaves the closure,
    // which owns nothing.
    unsafe {
        lua.exec_raw(stanza, |state| {
            ffi::lua_pushstring(state, c"attr".as_ptr());
            ffi::lua_rawget(state, STANZA);
            let attributes = ffi::lua_gettop(state);
            if ffi::lua_type(state, attributes) == ffi::LUA_TTABLE {
                set_addresses(state, attributes, addresses);
            }
            ffi::lua_settop(state, 0);
        })
    }
}

/// The stanza with these addresses, as a stanza table of its own that shares everything inside.
///
/// # Errors
/// If Lua runs out of memory.
pub fn readdressed(
    lua: &Lua,
    stanza: &Table,
    stanza_mt: &Table,
    addresses: &Addresses,
) -> mlua::Result<Table> {
    // SAFETY: what is left on the stack is one table. An error of Lua (memory is the only one) leaves
    // the closure, which owns nothing.
    unsafe {
        lua.exec_raw((stanza, stanza_mt), |state| {
            push_copy(state, addresses);
            ffi::lua_replace(state, STANZA);
            ffi::lua_settop(state, STANZA);
        })
    }
}

const STANZA: c_int = 1;
const METATABLE: c_int = 2;

/// # Safety
/// `state` is valid, runs in protected mode, and has the stanza at [`STANZA`] and its metatable at
/// [`METATABLE`].
unsafe fn push_copy(state: *mut lua_State, addresses: &Addresses) {
    // SAFETY: as promised by the caller. Nine slots are in use at most; Lua is asked for them, and raises
    // if it has none.
    unsafe {
        ffi::luaL_checkstack(state, 9, c"a stanza".as_ptr());
        let children = ffi::lua_rawlen(state, STANZA);
        ffi::lua_createtable(state, children as c_int, 3);
        let copy = ffi::lua_gettop(state);
        for key in [c"name", c"tags"] {
            push_field(state, key);
            ffi::lua_rawset(state, copy);
        }
        push_string(state, "attr");
        ffi::lua_createtable(state, 0, 8);
        push_attributes(state, copy + 2, addresses);
        ffi::lua_rawset(state, copy);
        for index in 1..=children {
            ffi::lua_rawgeti(state, STANZA, index as _);
            ffi::lua_rawseti(state, copy, index as _);
        }
        ffi::lua_pushvalue(state, METATABLE);
        ffi::lua_setmetatable(state, copy);
    }
}

/// Copies the stanza's attributes into the table at that place of the stack, but for the addresses.
///
/// # Safety
/// As for [`push_copy`], with six free slots.
unsafe fn push_attributes(state: *mut lua_State, to: c_int, addresses: &Addresses) {
    // SAFETY: as promised by the caller. `lua_next` raises only for a key that is not in the table.
    unsafe {
        push_field(state, c"attr");
        let attributes = ffi::lua_gettop(state);
        if ffi::lua_type(state, attributes) == ffi::LUA_TTABLE {
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, attributes) != 0 {
                ffi::lua_pushvalue(state, -2);
                ffi::lua_insert(state, -2);
                ffi::lua_rawset(state, to);
            }
        }
        ffi::lua_settop(state, to);
        set_addresses(state, to, addresses);
    }
}

/// # Safety
/// `state` is valid, runs in protected mode, has a table at that place of the stack, and two free slots.
unsafe fn set_addresses(state: *mut lua_State, attributes: c_int, addresses: &Addresses) {
    let Addresses { to, from, id } = addresses;
    for (key, value) in [("to", to), ("from", from), ("id", id)] {
        // SAFETY: as promised by the caller.
        unsafe {
            push_string(state, key);
            push_string(state, value);
            ffi::lua_rawset(state, attributes);
        }
    }
}

/// Pushes a key, and what the stanza has under it.
///
/// # Safety
/// As for [`push_copy`], with two free slots.
unsafe fn push_field(state: *mut lua_State, key: &CStr) {
    // SAFETY: as promised by the caller.
    unsafe {
        ffi::lua_pushstring(state, key.as_ptr());
        ffi::lua_pushvalue(state, -1);
        ffi::lua_rawget(state, STANZA);
    }
}
