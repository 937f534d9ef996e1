//! How many bytes a stanza has, without writing it.
#![allow(
    unsafe_code,
    reason = "Lua's C API, as in `walk`: a look at each table through mlua would cost more than all the rest"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::stanza::MAX_DEPTH;

/// So many elements and texts are looked at.
const MAX_NODES: usize = 50_000;

/// The bytes of the names, values and texts of the stanza at that place of the stack, which is about what it has as
/// XML. More than any bound for one with more levels than are forwarded, or of more parts than can be looked at in a
/// moment.
///
/// # Safety
/// `state` is valid, runs in protected mode, and has two free slots. An error of Lua (memory is the only one) jumps
/// over the caller.
pub unsafe fn weight(state: *mut lua_State, stanza: c_int) -> usize {
    // SAFETY: as promised by the caller. The walk leaves the stack as it found it, and owns nothing that an error
    // could jump over.
    unsafe {
        let top = ffi::lua_gettop(state);
        for key in ["name", "attr"] {
            ffi::lua_pushlstring(state, key.as_ptr().cast(), key.len());
        }
        let mut weight = Weight {
            bytes: 0,
            nodes: 0,
            is_bounded: true,
            name_key: top + 1,
            attr_key: top + 2,
        };
        weight.element(state, stanza, 1);
        ffi::lua_settop(state, top);
        if weight.is_bounded {
            weight.bytes
        } else {
            usize::MAX
        }
    }
}

struct Weight {
    bytes: usize,
    nodes: usize,
    is_bounded: bool,
    /// Where the keys that every element is asked for stand on the stack.
    name_key: c_int,
    attr_key: c_int,
}

impl Weight {
    /// # Safety
    /// As for [`weight`], with the keys and the element's table on the stack.
    unsafe fn element(&mut self, state: *mut lua_State, element: c_int, depth: usize) {
        // SAFETY: as promised by the caller; every slot pushed is popped again. A level takes one, and three
        // more while something is looked up.
        unsafe {
            if depth > MAX_DEPTH || ffi::lua_checkstack(state, 6) == 0 {
                self.is_bounded = false;
                return;
            }
            ffi::lua_pushvalue(state, self.name_key);
            ffi::lua_rawget(state, element);
            self.text(state);
            self.attributes(state, element);
            for index in 1..=ffi::lua_rawlen(state, element) {
                self.nodes += 1;
                if self.nodes > MAX_NODES {
                    self.is_bounded = false;
                    return;
                }
                ffi::lua_rawgeti(state, element, index as _);
                let child = ffi::lua_gettop(state);
                if ffi::lua_type(state, child) == ffi::LUA_TTABLE {
                    self.element(state, child, depth + 1);
                    ffi::lua_settop(state, child - 1);
                } else {
                    self.text(state);
                }
            }
        }
    }

    /// # Safety
    /// As for [`element`](Self::element).
    unsafe fn attributes(&mut self, state: *mut lua_State, element: c_int) {
        // SAFETY: as promised by the caller. `lua_next` raises only for a key that is not in the table.
        unsafe {
            ffi::lua_pushvalue(state, self.attr_key);
            ffi::lua_rawget(state, element);
            let attributes = ffi::lua_gettop(state);
            if ffi::lua_type(state, attributes) == ffi::LUA_TTABLE {
                ffi::lua_pushnil(state);
                while ffi::lua_next(state, attributes) != 0 {
                    self.text(state);
                    // The key stays, for the next one.
                    ffi::lua_pushvalue(state, attributes + 1);
                    self.text(state);
                }
            }
            ffi::lua_settop(state, attributes - 1);
        }
    }

    /// Weighs what is on top of the stack, if it is a string, and takes it off.
    ///
    /// # Safety
    /// As for [`element`](Self::element), with one value more.
    unsafe fn text(&mut self, state: *mut lua_State) {
        // SAFETY: as promised by the caller.
        unsafe {
            if ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
                self.bytes += ffi::lua_rawlen(state, -1);
            }
            ffi::lua_settop(state, -2);
        }
    }
}
