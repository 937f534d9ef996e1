//! What `mod_component_http.lua` calls.

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use mlua::{
    AnyUserData, Function, IntoLuaMulti, Lua, MultiValue, Table, UserData, UserDataMethods,
};

use super::effects::Effects;
use super::options;
use super::walk::{self, Captured};
use crate::component_http::{Batch, Driver, Settings, check_tls_files, client, local};
use crate::mapping::Scope;
use crate::notes::Note;
use crate::options::{OptionError, Options};
use crate::timers::Timers;

/// The counter of stanzas that were not accepted.
const FAILURES: &str = "failures";

/// One loaded component.
///
/// Its state is borrowed for the time that pure Rust takes, never while Lua is called: there Prosody's
/// signal handlers may run, which are Lua too and call [`Component::close`].
struct Component {
    state: RefCell<State>,
    stanza_mt: Table,
}

struct State {
    driver: Driver,
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
    let wrong = |error: OptionError| format!("{host}: {error}");
    let settings = settings(host, is_virtual_host, get_option).map_err(wrong)?;
    let client = client(&settings).map_err(wrong)?;
    let driver = Driver::new(settings, client)
        .map_err(|error| format!("{host}: no file descriptor: {error}"))?;
    let state = State {
        driver,
        timers: Timers::default(),
    };
    Ok(Component {
        state: RefCell::new(state),
        stanza_mt,
    })
}

/// `check_component_http(host, is_virtual_host, get_option)`: what is wrong with the options, or `nil`.
///
/// # Errors
/// If the arguments are of the wrong types.
pub fn check(
    _: &Lua,
    (host, is_virtual_host, get_option): (String, bool, Function),
) -> mlua::Result<Option<String>> {
    let checked = settings(&host, is_virtual_host, &get_option)
        .and_then(|settings| check_tls_files(&settings));
    Ok(checked.err().map(|error| format!("{host}: {error}")))
}

fn settings(
    host: &str,
    is_virtual_host: bool,
    get_option: &Function,
) -> Result<Settings, OptionError> {
    let look_up = |name: &'static str| options::look_up(get_option, name);
    let scope = if is_virtual_host {
        Scope::VirtualHost
    } else {
        Scope::Component
    };
    Settings::read(host, scope, &Options::new(&look_up))
}

impl UserData for Component {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("fd", |_, this, ()| {
            Ok(this.state.borrow().driver.fd().as_raw_fd())
        });
        methods.add_method("events", |_, this, ()| Ok(this.settings().events()));
        methods.add_method("introduce", Component::introduce);
        methods.add_method("adopt", Component::adopt);
        methods.add_method("receive", Component::receive);
        methods.add_method("wake", Component::wake);
        methods.add_method("timeout", Component::timeout);
        methods.add_method("close", Component::close);
    }
}

/// What happens to a component. All of it returns [`Effects`].
impl Component {
    /// `component:introduce()`: the component has come up.
    fn introduce(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let effects = Effects {
            notes: this.state.borrow().driver.introduction(),
            counts: vec![(FAILURES, 0)],
            ..Effects::default()
        };
        effects.to_lua(lua, &this.stanza_mt)
    }

    /// `component:receive(stanza)`: takes a stanza in.
    fn receive(lua: &Lua, this: &Self, stanza: Table) -> mlua::Result<MultiValue> {
        let settings = this.settings();
        let captured = walk::capture(lua, &stanza, |kind| settings.forwards(kind))?;
        this.step(lua, |state, now, batch| {
            state.receive(captured, &settings, now, batch);
        })
    }

    /// `component:wake()`: the descriptor is readable.
    fn wake(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |state, now, batch| state.driver.wake(now, batch))
    }

    /// `component:timeout()`: a timer has fired that was asked for by a `delay`.
    fn timeout(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |state, now, batch| {
            state.timers.fired();
            state.driver.wake(now, batch);
        })
    }

    /// `component:close()`: concludes everything, for good, a part at a time. There is more as long as there
    /// is a `delay`; then it is to be called again.
    fn close(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |state, now, batch| {
            // Nobody waits for a timer any more.
            state.timers = Timers::default();
            state.driver.close(now, batch);
        })
    }

    /// `new:adopt(old)`: goes on with the exchanges of a component that was loaded before, by the
    /// options of this one. The old one is left with nothing to do. The descriptor is another one then, and
    /// the timers of the old one are gone.
    fn adopt(lua: &Lua, this: &Self, old: AnyUserData) -> mlua::Result<MultiValue> {
        let old = old.borrow::<Component>()?;
        this.step(lua, |new, _, _| {
            new.driver.adopt(&mut old.state.borrow_mut().driver);
        })
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(self.state.borrow().driver.settings())
    }

    /// Lets something happen, and returns what follows from it.
    fn step(
        &self,
        lua: &Lua,
        happen: impl FnOnce(&mut State, Instant, &mut Batch),
    ) -> mlua::Result<MultiValue> {
        let (now, mut batch) = (Instant::now(), Batch::default());
        let delay = {
            let state = &mut *self.state.borrow_mut();
            happen(state, now, &mut batch);
            state.timers.set(state.driver.next_due(now), now)
        };
        let failures = (batch.failures > 0).then_some((FAILURES, batch.failures as u64));
        let effects = Effects {
            stanzas: batch.stanzas,
            notes: batch.notes,
            counts: failures.into_iter().collect(),
            delay,
            ..Effects::default()
        };
        effects.to_lua(lua, &self.stanza_mt)
    }
}

impl State {
    fn receive(
        &mut self,
        captured: Captured,
        settings: &Settings,
        now: Instant,
        batch: &mut Batch,
    ) {
        match captured {
            Captured::NotAStanza => {
                batch.notes.push(Note::debug(
                    "ignored something that is not a stanza with a sender",
                ));
            }
            Captured::Head { envelope, payload } => {
                batch.stanzas = local::answer(&envelope, payload.as_ref(), settings);
            }
            Captured::Unfit(envelope, refusal) => {
                self.driver.refuse(envelope, refusal, now, batch);
            }
            Captured::Whole(stanza) if settings.wants(&stanza) => {
                self.driver.admit(stanza, now, batch);
            }
            Captured::Whole(_) => {}
        }
    }
}
