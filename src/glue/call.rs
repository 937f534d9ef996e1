//! Functions that a shim calls for each stanza that is only sent on.
//!
//! mlua makes a value of its own of each argument and each result, by way of another stack, and protects each
//! step. That costs more than all that is decided about such a stanza. So these use Lua's C API directly:
//! arguments are read where they lie, and results are pushed one after the other.
//!
//! An error of Lua (memory is the only one here) jumps over whatever is between it and the protected call around
//! the shim, and no destructor runs. So nothing that has one is within its reach.
#![allow(
    unsafe_code,
    reason = "Lua's C API: mlua's own makes a value of each argument and each result"
)]

use std::borrow::Cow;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::time::Duration;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, MultiValue};

use super::build::push_string;
use super::reference::{Dropped, Reference};
use super::weight::weight;
use crate::client_proxy::Held;
use crate::panics;

/// What a function does.
pub trait Call: 'static {
    /// Does it. The argument behind the strings is held if it is a table.
    fn call(&self, arguments: &Arguments<'_>, held: Option<Held<Reference>>) -> Returned;

    /// What was held before, and can be let go of.
    fn dropped(&self) -> &Dropped;
}

/// How many strings there are among the arguments, at most.
const STRINGS: c_int = 4;

/// How many results there are, at most.
const RESULTS: c_int = 5;

/// The arguments that a function was called with.
pub struct Arguments<'a> {
    state: *mut lua_State,
    call: PhantomData<&'a ()>,
}

/// What a function returns: `verdict, to, from, id, delay`, as far as it is there.
pub struct Returned {
    /// What becomes of the stanza.
    pub verdict: &'static str,
    /// With which addresses it is sent on.
    pub addresses: Option<[Option<String>; 3]>,
    /// In how long to call `timeout`.
    pub delay: Option<Duration>,
}

/// The function, for Lua.
///
/// # Errors
/// If Lua runs out of memory.
pub fn function<C: Call>(lua: &Lua, call: C) -> mlua::Result<Function> {
    let mut call = Some(call);
    // SAFETY: what is left on the stack is the function. A userdata is aligned for any type. An error of Lua leaves
    // the closure, which owns nothing; `call` is in either place.
    unsafe {
        lua.exec_raw((), |state| {
            let place = ffi::lua_newuserdata(state, size_of::<Option<C>>()).cast::<Option<C>>();
            place.write(None);
            ffi::lua_createtable(state, 0, 1);
            ffi::lua_pushcclosure(state, collect::<C>, 0);
            ffi::lua_setfield(state, -2, c"__gc".as_ptr());
            ffi::lua_setmetatable(state, -2);
            place.write(call.take());
            ffi::lua_pushcclosure(state, enter::<C>, 1);
        })
    }
}

/// Lua collects the userdata of a function.
unsafe extern "C-unwind" fn collect<C: Call>(state: *mut lua_State) -> c_int {
    // SAFETY: it is called with that userdata, which nobody has a reference into.
    unsafe { (*ffi::lua_touserdata(state, 1).cast::<Option<C>>()).take() };
    0
}

/// Lua calls a function.
unsafe extern "C-unwind" fn enter<C: Call>(state: *mut lua_State) -> c_int {
    // SAFETY: the upvalue is the userdata that `function` has made, which lives as long as the function. Lua gives a
    // function 20 slots beside its arguments.
    unsafe {
        let place: *const c_void = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        let Some(call) = &*place.cast::<Option<C>>() else {
            return 0; // Lua ends
        };
        call.dropped().let_go(state);
        let is_held = ffi::lua_type(state, STRINGS + 1) == ffi::LUA_TTABLE;
        let held = is_held.then(|| {
            let bytes = weight(state, STRINGS + 1);
            (Reference::keep(state, STRINGS + 1), bytes)
        });
        let outcome = ManuallyDrop::new(catch_unwind(AssertUnwindSafe(|| {
            let arguments = Arguments {
                state,
                call: PhantomData,
            };
            let held = held.map(|(index, bytes)| Held {
                stanza: Reference::new(index, call.dropped()),
                bytes,
            });
            call.call(&arguments, held)
        })));
        let results = match &*outcome {
            Ok(returned) => Some(push(state, returned)),
            Err(panic) => {
                push_string(state, panics::message(&**panic));
                None
            }
        };
        drop(ManuallyDrop::into_inner(outcome));
        results.unwrap_or_else(|| ffi::lua_error(state))
    }
}

impl Arguments<'_> {
    /// A string, the first of which is the first. What is not UTF-8 in it, which Prosody lets through before 0.11, is
    /// replaced.
    pub fn string(&self, number: c_int) -> Option<Cow<'_, str>> {
        let mut length = 0;
        // SAFETY: Lua's stack is as it was when the function was called, so that a string is on it for as long.
        unsafe {
            if ffi::lua_type(self.state, number) != ffi::LUA_TSTRING {
                return None;
            }
            let start = ffi::lua_tolstring(self.state, number, &raw mut length);
            let bytes = slice::from_raw_parts(start.cast(), length);
            Some(match str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => String::from_utf8_lossy(bytes),
            })
        }
    }

    /// Whether the argument behind the strings is `true`.
    pub fn flag(&self) -> bool {
        // SAFETY: as above.
        unsafe { ffi::lua_toboolean(self.state, STRINGS + 1) != 0 }
    }
}

impl Returned {
    /// A verdict and nothing else.
    pub fn verdict(verdict: &'static str) -> Self {
        Returned {
            verdict,
            addresses: None,
            delay: None,
        }
    }

    /// The same, by mlua.
    ///
    /// # Errors
    /// If Lua runs out of memory.
    pub fn to_lua(&self, lua: &Lua) -> mlua::Result<MultiValue> {
        // SAFETY: what is left on the stack are the results; the closure owns nothing.
        unsafe {
            lua.exec_raw((), |state| {
                ffi::luaL_checkstack(state, RESULTS, c"results".as_ptr());
                push(state, self);
            })
        }
    }
}

/// # Safety
/// `state` is valid, runs in protected mode, and has [`RESULTS`] free slots.
unsafe fn push(state: *mut lua_State, returned: &Returned) -> c_int {
    // SAFETY: as promised by the caller.
    unsafe {
        push_string(state, returned.verdict);
        let Some(addresses) = &returned.addresses else {
            return 1;
        };
        for address in addresses {
            match address {
                Some(address) => push_string(state, address),
                None => ffi::lua_pushnil(state),
            }
        }
        match returned.delay {
            Some(delay) => ffi::lua_pushnumber(state, delay.as_secs_f64()),
            None => return 4,
        }
    }
    RESULTS
}
