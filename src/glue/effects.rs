//! What follows from something that has happened to a component of either module.

use std::time::Duration;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::build;
use crate::notes::Note;
use crate::stanza::Element;

/// Whatever happens to a component, what follows from it is returned to the shim in one form, which
/// `carry_out` of `lua/shared.lua` takes: `stanzas, requests, notes, delay, responses`.
#[derive(Default)]
pub struct Effects {
    /// Stanzas to send.
    pub stanzas: Vec<Element>,
    /// Stanzas that were received earlier and are sent on now, each followed by its addresses `to`, `from`
    /// and `id`.
    pub requests: Vec<Value>,
    /// Lines to log, as levels and lines in turn.
    pub notes: Vec<Note>,
    /// In how long to call `timeout`, beside the timers that are set already.
    pub delay: Option<Duration>,
    /// What to answer to pushes, after all else is done: see [`responses`](super::push::responses).
    pub responses: Option<Table>,
}

impl Effects {
    /// The values to return: each list or `nil`, the delay in seconds or `nil`, and none for no effect.
    ///
    /// # Errors
    /// If Lua runs out of memory.
    pub fn to_lua(&self, lua: &Lua, stanza_mt: &Table) -> mlua::Result<MultiValue> {
        if self.is_empty() {
            return Ok(MultiValue::new());
        }
        let requests = match self.requests.as_slice() {
            [] => None,
            requests => Some(lua.create_sequence_from(requests)?),
        };
        let effects = (
            build::stanzas(lua, stanza_mt, &self.stanzas)?,
            requests,
            build::notes(lua, &self.notes)?,
            self.delay.map(|delay| delay.as_secs_f64()),
            self.responses.as_ref(),
        );
        effects.into_lua_multi(lua)
    }

    fn is_empty(&self) -> bool {
        self.stanzas.is_empty()
            && self.requests.is_empty()
            && self.notes.is_empty()
            && self.delay.is_none()
            && self.responses.is_none()
    }
}
