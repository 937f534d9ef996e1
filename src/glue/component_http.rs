//! What `mod_component_http.lua` calls.

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::{
    AnyUserData, Function, IntoLuaMulti, Lua, MultiValue, Table, UserData, UserDataMethods,
};

use super::walk::{self, Captured};
use super::{build, options};
use crate::component_http::{Scope, Settings, client, local};
use crate::dispatch::{Batch, Dispatcher, Timers};
use crate::notes::Note;
use crate::options::{OptionError, Options};

/// When to try again after the system had no thread to give.
const RETRY: Duration = Duration::from_secs(1);

/// One loaded component.
///
/// Its state is borrowed for the time that pure Rust takes, never while Lua is called: there Prosody's
/// signal handlers may run, which are Lua too and call [`Component::stop`].
struct Component {
    state: RefCell<State>,
    stanza_mt: Table,
}

struct State {
    dispatcher: Dispatcher,
    /// Whether a timer is set that will drain.
    will_drain: bool,
    /// Timers that will expire.
    timers: Timers,
}

/// `component_http(host, is_virtual_host, get_option, stanza_mt)`: a component, or `nil` and what is
/// wrong with its options.
///
/// # Errors
/// If the arguments are of the wrong types.
pub fn new(
    lua: &Lua,
    (host, is_virtual_host, get_option, stanza_mt): (String, bool, Function, Table),
) -> mlua::Result<MultiValue> {
    match component(&host, is_virtual_host, &get_option, stanza_mt) {
        Ok(component) => component.into_lua_multi(lua),
        Err(problem) => (mlua::Nil, problem).into_lua_multi(lua),
    }
}

fn component(
    host: &str,
    is_virtual_host: bool,
    get_option: &Function,
    stanza_mt: Table,
) -> Result<Component, String> {
    let look_up = |name: &'static str| options::look_up(get_option, name);
    let scope = if is_virtual_host {
        Scope::VirtualHost
    } else {
        Scope::Component
    };
    let wrong = |error: OptionError| format!("{host}: {error}");
    let settings = Settings::read(host, scope, &Options::new(&look_up)).map_err(wrong)?;
    let client = client(&settings).map_err(wrong)?;
    let dispatcher = Dispatcher::new(settings, client)
        .map_err(|error| format!("{host}: no file descriptor: {error}"))?;
    let state = State {
        dispatcher,
        will_drain: false,
        timers: Timers::default(),
    };
    Ok(Component {
        state: RefCell::new(state),
        stanza_mt,
    })
}

impl UserData for Component {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("fd", |_, this, ()| {
            Ok(this.state.borrow().dispatcher.fd().as_raw_fd())
        });
        methods.add_method("events", |_, this, ()| Ok(this.settings().events()));
        methods.add_method("introduce", Component::introduce);
        methods.add_method("adopt", Component::adopt);
        methods.add_method("receive", Component::receive);
        methods.add_method("drain", Component::drain);
        methods.add_method("expire", Component::expire);
        methods.add_method("stop", Component::stop);
    }
}

impl Component {
    /// `component:introduce()`: what to log when the component has come up, as levels and lines in turn.
    fn introduce(lua: &Lua, this: &Self, (): ()) -> mlua::Result<Option<Table>> {
        let notes = this.state.borrow().dispatcher.introduction();
        build::notes(lua, &notes)
    }

    /// `component:receive(stanza)`: takes a stanza in. Returns nothing, or
    /// `stanzas, notes, failures, drain_after, expire_after`: what [`Component::reply`] makes of the
    /// batch, and in how many seconds to call `drain` and `expire`, if that is not under way.
    fn receive(lua: &Lua, this: &Self, stanza: Table) -> mlua::Result<MultiValue> {
        let settings = this.settings();
        let captured = walk::capture(lua, &stanza, |kind| settings.forwards(kind))?;
        let now = Instant::now();
        let mut batch = Batch::default();
        let (drain_after, expire_after) = this
            .state
            .borrow_mut()
            .receive(captured, &settings, now, &mut batch);
        if batch.is_empty() && drain_after.is_none() && expire_after.is_none() {
            return Ok(MultiValue::new());
        }
        let (stanzas, notes, failures) = this.reply(lua, &batch)?;
        (stanzas, notes, failures, drain_after, expire_after).into_lua_multi(lua)
    }

    /// `component:drain(by_timer)`: starts the threads if they are wanted, and takes what they have
    /// finished. Returns `stanzas, notes, failures, drain_after`.
    fn drain(lua: &Lua, this: &Self, by_timer: bool) -> mlua::Result<MultiValue> {
        let mut batch = Batch::default();
        let drain_after = this
            .state
            .borrow_mut()
            .drain(by_timer, Instant::now(), &mut batch);
        let (stanzas, notes, failures) = this.reply(lua, &batch)?;
        (stanzas, notes, failures, drain_after).into_lua_multi(lua)
    }

    /// `component:expire()`: concludes the iqs whose time is over. Returns
    /// `stanzas, notes, failures, expire_after`.
    fn expire(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let mut batch = Batch::default();
        let expire_after = this.state.borrow_mut().expire(Instant::now(), &mut batch);
        let (stanzas, notes, failures) = this.reply(lua, &batch)?;
        (stanzas, notes, failures, expire_after).into_lua_multi(lua)
    }

    /// `component:stop(in_parts)`: concludes everything, for good. Returns
    /// `stanzas, notes, failures, more`; there is more, to be asked for soon, only if it may be `in_parts`.
    fn stop(lua: &Lua, this: &Self, in_parts: bool) -> mlua::Result<MultiValue> {
        let mut batch = Batch::default();
        let mut more = true;
        while more {
            let dispatcher = &mut this.state.borrow_mut().dispatcher;
            more = dispatcher.stop(Instant::now(), &mut batch);
            if in_parts {
                break;
            }
        }
        let (stanzas, notes, failures) = this.reply(lua, &batch)?;
        (stanzas, notes, failures, more).into_lua_multi(lua)
    }

    /// `new:adopt(old)`: goes on with the exchanges of a component that was loaded before, by the
    /// options of this one. `drain` and `expire` have to be called then, since the timers of the old
    /// one are gone. The old one is left with nothing to do.
    fn adopt(_: &Lua, this: &Self, old: AnyUserData) -> mlua::Result<()> {
        let old = old.borrow::<Component>()?;
        let (new, old) = (&mut *this.state.borrow_mut(), &mut *old.state.borrow_mut());
        new.dispatcher.adopt(&mut old.dispatcher);
        new.will_drain = true;
        let now = Instant::now();
        new.timers.set(Some(now), now);
        Ok(())
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(self.state.borrow().dispatcher.settings())
    }

    /// A list of stanza tables, a list of log levels and lines in turn, and the number of stanzas that
    /// were not accepted; `nil` for an empty list.
    fn reply(
        &self,
        lua: &Lua,
        batch: &Batch,
    ) -> mlua::Result<(Option<Table>, Option<Table>, usize)> {
        let stanzas = build::stanzas(lua, &self.stanza_mt, &batch.stanzas)?;
        let notes = build::notes(lua, &batch.notes)?;
        Ok((stanzas, notes, batch.failures))
    }
}

impl State {
    fn receive(
        &mut self,
        captured: Captured,
        settings: &Settings,
        now: Instant,
        batch: &mut Batch,
    ) -> (Option<f64>, Option<f64>) {
        match captured {
            Captured::NotAStanza => {
                batch.notes.push(Note::debug(
                    "ignored something that is not a stanza with a sender",
                ));
            }
            Captured::Head { envelope, payload } => {
                batch.stanzas = local::answer(&envelope, payload.as_ref(), settings);
            }
            Captured::Unfit(envelope, failure) => {
                self.dispatcher.fail(&envelope, failure, now, batch)
            }
            Captured::Whole(stanza) if settings.wants(&stanza) => {
                self.dispatcher.submit(stanza, now, batch);
            }
            Captured::Whole(_) => {}
        }
        let wanted = self.dispatcher.is_resting().then_some(Duration::ZERO);
        (self.drain_after(wanted), self.expire_after(now))
    }

    fn drain(&mut self, by_timer: bool, now: Instant, batch: &mut Batch) -> Option<f64> {
        if by_timer {
            self.will_drain = false;
        }
        let again = if !self.dispatcher.start(now, batch) {
            Some(RETRY)
        } else if self.dispatcher.drain(now, batch) {
            Some(Duration::ZERO)
        } else {
            None
        };
        self.drain_after(again)
    }

    fn expire(&mut self, now: Instant, batch: &mut Batch) -> Option<f64> {
        self.timers.fired();
        self.dispatcher.expire(now, batch);
        self.expire_after(now)
    }

    fn drain_after(&mut self, wanted: Option<Duration>) -> Option<f64> {
        let wanted = wanted.filter(|_| !self.will_drain)?;
        self.will_drain = true;
        Some(wanted.as_secs_f64())
    }

    fn expire_after(&mut self, now: Instant) -> Option<f64> {
        let wanted = self.timers.set(self.dispatcher.next_deadline(), now);
        wanted.map(|wanted| wanted.as_secs_f64())
    }
}
