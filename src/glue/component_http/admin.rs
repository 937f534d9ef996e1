//! What `lua/metrics.lua` and `lua/shell.lua` call.

use std::time::Instant;

use mlua::{BString, IntoLua, Lua, MultiValue, Table, UserDataMethods};

use super::{Component, State, observe, push};
use crate::component_http::Batch;
use crate::observe::FAMILIES;
use crate::stanza::jid;

/// Adds them.
pub fn add_methods<M: UserDataMethods<Component>>(methods: &mut M) {
    methods.add_method("families", families);
    methods.add_method("readings", readings);
    methods.add_method("overview", overview);
    methods.add_method("failures", failures);
    methods.add_method("bare", |_, _, address| Ok(bare(address)));
    methods.add_method("retry", |lua, this, ()| {
        ask(lua, this, |state, now, batch| {
            state.driver.retry(now, batch)
        })
    });
    methods.add_method("drop", |lua, this, jid: String| {
        ask(lua, this, |state, now, batch| {
            state.driver.drop_from(&jid, now, batch)
        })
    });
}

/// `component:families()`: what there is to measure.
fn families(lua: &Lua, this: &Component, (): ()) -> mlua::Result<Table> {
    let has_pushes = this.state.borrow().pushing.is_some();
    let of_pushes = if has_pushes { &push::FAMILIES[..] } else { &[] };
    observe::families(lua, FAMILIES.iter().chain(of_pushes))
}

/// `component:readings()`: what has been counted since the last call, and how it stands.
fn readings(lua: &Lua, this: &Component, (): ()) -> mlua::Result<Table> {
    let readings = {
        let state = &mut *this.state.borrow_mut();
        let threads = state.threads_of_pushes();
        let mut readings = state.driver.readings(threads, Instant::now());
        let of_pushes = state.pushing.as_mut().map(|pushing| pushing.readings());
        readings.extend(of_pushes.unwrap_or_default());
        readings
    };
    observe::readings(lua, readings)
}

/// `component:overview()`: how it stands.
fn overview(lua: &Lua, this: &Component, (): ()) -> mlua::Result<Table> {
    let rows = {
        let state = this.state.borrow();
        let threads = state.threads_of_pushes();
        state.driver.overview(threads, Instant::now())
    };
    observe::overview(lua, rows)
}

/// `component:failures()`: the last stanzas that were not accepted.
fn failures(lua: &Lua, this: &Component, (): ()) -> mlua::Result<Table> {
    let failures: Vec<_> = this.state.borrow().driver.failures().cloned().collect();
    observe::failures(lua, &failures, Instant::now())
}

/// `component:bare(jid)`: the bare JID of an address, prepared; `nil` if it is none.
fn bare(address: BString) -> Option<String> {
    let address = String::from_utf8(address.into()).ok()?;
    let prepared = jid::prepare(&address).ok()?;
    Some(jid::bare(&prepared).to_owned())
}

/// `component:retry()`, `component:drop(jid)`: does what an admin asks for. Returns how many stanzas it is about, and
/// then [`Effects`](super::Effects).
fn ask(
    lua: &Lua,
    this: &Component,
    happen: impl FnOnce(&mut State, Instant, &mut Batch) -> usize,
) -> mlua::Result<MultiValue> {
    let mut count = 0;
    let mut results = this.step(lua, |state, now, batch| {
        count = happen(state, now, batch);
    })?;
    results.push_front(count.into_lua(lua)?);
    Ok(results)
}

impl State {
    fn threads_of_pushes(&self) -> usize {
        self.pushing.as_ref().map_or(0, |pushing| pushing.threads())
    }
}
