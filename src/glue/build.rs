//! What the shims are given: stanza tables made of [`Element`]s, and lines for the log.
#![allow(
    unsafe_code,
    reason = "Lua's C API: mlua's own makes a protected call for each field of a table"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Table, Variadic};

use crate::notes::Note;
use crate::push::Response;
use crate::stanza::{Element, Node};

/// A list of stanza tables, each with the metatable of `util.stanza`; none for no stanza.
///
/// # Errors
/// If Lua runs out of memory.
pub fn stanzas(lua: &Lua, metatable: &Table, elements: &[Element]) -> mlua::Result<Option<Table>> {
    if elements.is_empty() {
        return Ok(None);
    }
    // SAFETY: what is left on the stack is one table. An error of Lua (memory is the only one) leaves
    // the closure, which owns nothing.
    unsafe {
        lua.exec_raw(metatable, |state| {
            ffi::lua_createtable(state, elements.len() as c_int, 0);
            for (index, element) in (1..).zip(elements) {
                push_element(state, element);
                ffi::lua_rawseti(state, LIST, index);
            }
            ffi::lua_remove(state, METATABLE);
        })
    }
}

/// A list of levels and lines for the log in turn; none for no note.
///
/// # Errors
/// If Lua runs out of memory.
pub fn notes(lua: &Lua, notes: &[Note]) -> mlua::Result<Option<Table>> {
    if notes.is_empty() {
        return Ok(None);
    }
    // SAFETY: what is left on the stack is one table. An error of Lua (memory is the only one) leaves the
    // closure, which owns nothing.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::lua_createtable(state, 2 * notes.len() as c_int, 0);
            for (index, note) in (1..).step_by(2).zip(notes) {
                push_string(state, note.level.as_str());
                ffi::lua_rawseti(state, 1, index);
                push_string(state, &note.text);
                ffi::lua_rawseti(state, 1, index + 1);
            }
        })
    }
}

/// A list of the tables, each followed by what [`push::responses`](super::push::responses) says of its response.
///
/// # Errors
/// If Lua runs out of memory.
pub fn responses(lua: &Lua, open: Variadic<Table>, responses: &[Response]) -> mlua::Result<Table> {
    const STRIDE: usize = 6;
    // SAFETY: what is left on the stack is one table. An error of Lua (memory is the only one) leaves the
    // closure, which owns nothing.
    unsafe {
        lua.exec_raw(open, |state| {
            ffi::luaL_checkstack(state, 3, c"responses".as_ptr());
            ffi::lua_createtable(state, (STRIDE * responses.len()) as c_int, 0);
            let list = ffi::lua_gettop(state);
            for (number, response) in responses.iter().enumerate() {
                let first = (STRIDE * number + 1) as ffi::lua_Integer;
                ffi::lua_pushvalue(state, number as c_int + 1);
                ffi::lua_rawseti(state, list, first);
                ffi::lua_pushinteger(state, response.status.into());
                ffi::lua_rawseti(state, list, first + 1);
                push_string(state, response.content_type);
                ffi::lua_rawseti(state, list, first + 2);
                push_bytes(state, &response.body);
                ffi::lua_rawseti(state, list, first + 3);
                push_header(state, response.header.as_ref());
                ffi::lua_rawseti(state, list, first + 5);
                ffi::lua_rawseti(state, list, first + 4);
            }
            ffi::lua_replace(state, 1);
            ffi::lua_settop(state, 1);
        })
    }
}

const METATABLE: c_int = 1;
const LIST: c_int = 2;

/// # Safety
/// `state` is valid, runs in protected mode, and has the metatable at [`METATABLE`].
unsafe fn push_element(state: *mut lua_State, element: &Element) {
    // SAFETY: as promised by the caller. An element takes five slots while its children are built, and
    // the nesting is limited by `MAX_DEPTH`; Lua is asked for them, and raises if it has none.
    unsafe {
        ffi::luaL_checkstack(state, 8, c"a stanza's nesting".as_ptr());
        ffi::lua_createtable(state, element.children.len() as c_int, 3);
        let table = ffi::lua_gettop(state);
        push_string(state, "name");
        push_string(state, &element.name);
        ffi::lua_rawset(state, table);

        push_string(state, "attr");
        ffi::lua_createtable(state, 0, element.attrs.len() as c_int);
        for (key, value) in &element.attrs {
            push_string(state, key);
            push_string(state, value);
            ffi::lua_rawset(state, table + 2);
        }
        ffi::lua_rawset(state, table);

        push_string(state, "tags");
        ffi::lua_createtable(state, element.elements().count() as c_int, 0);
        let (tags, mut tag) = (table + 2, 0);
        for (index, child) in (1..).zip(&element.children) {
            match child {
                Node::Text(text) => push_string(state, text),
                Node::Element(child) => {
                    push_element(state, child);
                    tag += 1;
                    ffi::lua_pushvalue(state, -1);
                    ffi::lua_rawseti(state, tags, tag);
                }
            }
            ffi::lua_rawseti(state, table, index);
        }
        ffi::lua_rawset(state, table);

        ffi::lua_pushvalue(state, METATABLE);
        ffi::lua_setmetatable(state, table);
    }
}

/// Pushes two values: a name as Prosody has it and the value, or false for each.
///
/// # Safety
/// `state` is valid, runs in protected mode, and has two free slots.
unsafe fn push_header(state: *mut lua_State, header: Option<&(&'static str, String)>) {
    // SAFETY: as promised by the caller.
    unsafe {
        match header {
            Some((name, value)) => {
                push_string(state, name);
                push_string(state, value);
            }
            None => {
                ffi::lua_pushboolean(state, 0);
                ffi::lua_pushboolean(state, 0);
            }
        }
    }
}

/// Pushes a string.
///
/// # Safety
/// `state` is valid, runs in protected mode, and has a free slot.
pub unsafe fn push_string(state: *mut lua_State, text: &str) {
    // SAFETY: as promised by the caller.
    unsafe { push_bytes(state, text.as_bytes()) }
}

/// # Safety
/// `state` is valid, runs in protected mode, and has a free slot.
unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: as promised by the caller; Lua copies the bytes.
    unsafe {
        ffi::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len());
    }
}
