//! Stanza tables that Lua keeps for us until we let go of them.
#![allow(
    unsafe_code,
    reason = "Lua's C API: mlua's own lets go of what it has kept only when it is told to, and then of all at once"
)]

use std::cell::RefCell;
use std::ffi::c_int;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Value};

/// A table in Lua's registry, for as long as one of the clones lives, and a little longer.
#[derive(Clone, Debug)]
pub struct Reference(Rc<Entry>);

#[derive(Debug)]
struct Entry {
    index: c_int,
    dropped: Dropped,
}

/// The tables that nobody refers to any more, and that Lua still keeps: each stanza costs Lua's garbage collector
/// until it lets go of it, so that is done often.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Rc<RefCell<Vec<c_int>>>);

impl Reference {
    /// Keeps the table at that place of the stack, and gives the index in the registry.
    ///
    /// # Safety
    /// `state` is valid, runs in protected mode and has a free slot. An error of Lua (memory is the only one) jumps
    /// over the caller.
    pub unsafe fn keep(state: *mut lua_State, table: c_int) -> c_int {
        // SAFETY: as promised by the caller.
        unsafe {
            ffi::lua_pushvalue(state, table);
            ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX)
        }
    }

    /// What is kept at that index.
    pub fn new(index: c_int, dropped: &Dropped) -> Self {
        let dropped = dropped.clone();
        Reference(Rc::new(Entry { index, dropped }))
    }

    /// The table.
    ///
    /// # Errors
    /// If Lua runs out of memory.
    pub fn value(&self, lua: &Lua) -> mlua::Result<Value> {
        let index = self.0.index.into();
        // SAFETY: what is left on the stack is one value; the closure owns nothing.
        unsafe {
            lua.exec_raw((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, index);
            })
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.dropped.0.borrow_mut().push(self.index);
    }
}

impl Dropped {
    /// Those of this Lua.
    pub fn of(lua: &Lua) -> Self {
        let known = lua.app_data_ref::<Dropped>().map(|dropped| dropped.clone());
        known.unwrap_or_else(|| {
            let dropped = Dropped::default();
            lua.set_app_data(dropped.clone());
            dropped
        })
    }

    /// Makes Lua let go of them.
    ///
    /// # Errors
    /// If Lua runs out of memory.
    pub fn release(&self, lua: &Lua) -> mlua::Result<()> {
        // SAFETY: the stack is left as it was; the closure owns nothing.
        unsafe { lua.exec_raw((), |state| self.let_go(state)) }
    }

    /// Makes Lua let go of them, where its C API is used.
    ///
    /// # Safety
    /// `state` is valid, and has two free slots.
    pub unsafe fn let_go(&self, state: *mut lua_State) {
        for index in self.0.borrow_mut().drain(..) {
            // SAFETY: as promised by the caller. What is there already is only written over, which raises no error.
            unsafe { ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, index) };
        }
    }
}
