//! What `mod_component_http.lua` calls.

mod admin;

use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use mlua::{
    AnyUserData, BString, Function, IntoLuaMulti, Lua, MultiValue, Table, UserData, UserDataMethods,
};

use super::effects::Effects;
use super::observe;
use super::options;
use super::push::{self, Pushing};
use super::walk::{self, Captured};
use crate::component_http::{Batch, Driver, Settings, check_tls_files, clients, local};
use crate::mapping::Scope;
use crate::notes::Note;
use crate::options::{OptionError, Options};
use crate::timers::Timers;

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
    /// If there are pushes.
    pushing: Option<Pushing>,
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
    let no_descriptor = |error| format!("{host}: no file descriptor: {error}");
    let (settings, of_pushes) = settings(host, is_virtual_host, get_option).map_err(wrong)?;
    let clients = clients(&settings).map_err(wrong)?;
    let pushing = of_pushes
        .map(|of_pushes| Pushing::new(of_pushes, &settings.rules()))
        .transpose()
        .map_err(no_descriptor)?;
    let driver = Driver::new(settings, clients).map_err(no_descriptor)?;
    let state = State {
        driver,
        timers: Timers::default(),
        pushing,
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
        .and_then(|(settings, _)| check_tls_files(&settings));
    Ok(checked.err().map(|error| format!("{host}: {error}")))
}

fn settings(
    host: &str,
    is_virtual_host: bool,
    get_option: &Function,
) -> Result<(Settings, Option<push::Settings>), OptionError> {
    let look_up = |name: &'static str| options::look_up(get_option, name);
    let scope = if is_virtual_host {
        Scope::VirtualHost
    } else {
        Scope::Component
    };
    let options = Options::new(&look_up);
    let settings = Settings::read(host, scope, &options)?;
    let of_pushes = push::Settings::read(&settings.rules(), &options)?;
    Ok((settings, of_pushes))
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
        methods.add_method("push_fd", |_, this, ()| {
            let pushing = &this.state.borrow().pushing;
            Ok(pushing.as_ref().map(|pushing| pushing.fd().as_raw_fd()))
        });
        methods.add_method("push", Component::push);
        methods.add_method("wake_push", Component::wake_push);
        methods.add_method("awaits", Component::awaits);
        methods.add_method("answer", Component::answer);
        admin::add_methods(methods);
    }
}

/// What happens to a component. All of it returns [`Effects`].
impl Component {
    /// `component:introduce()`: the component has come up.
    fn introduce(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let mut notes = this.state.borrow().driver.introduction();
        let pushing = &this.state.borrow().pushing;
        notes.extend(pushing.as_ref().map(Pushing::introduction));
        let effects = Effects {
            notes,
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
            if let Some(pushing) = &mut state.pushing {
                pushing.wake(now);
            }
        })
    }

    /// `component:push(…)`: takes a request of Prosody's HTTP server in, with the arguments that
    /// [`push::Arguments`] says. The response is kept until it is answered.
    fn push(lua: &Lua, this: &Self, arguments: push::Arguments) -> mlua::Result<MultiValue> {
        let (response, request) = push::request(arguments);
        this.step(lua, |state, now, _| {
            if let Some(pushing) = &mut state.pushing {
                pushing.admit(response, request, now);
            }
        })
    }

    /// `component:wake_push()`: the descriptor of pushes is readable.
    fn wake_push(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |state, now, _| {
            if let Some(pushing) = &mut state.pushing {
                pushing.wake(now);
            }
        })
    }

    /// `component:awaits(from, to, id)`: whether an iq with these is the answer to one that was pushed.
    fn awaits(
        _: &Lua,
        this: &Self,
        (from, to, id): (Option<BString>, Option<BString>, Option<BString>),
    ) -> mlua::Result<bool> {
        let state = this.state.borrow();
        Ok(match (&state.pushing, push::asked(from, to, id)) {
            (Some(pushing), Some(asked)) => pushing.awaits(&asked),
            _ => false,
        })
    }

    /// `component:answer(stanza)`: takes in the answer to an iq that was pushed.
    fn answer(lua: &Lua, this: &Self, stanza: Table) -> mlua::Result<MultiValue> {
        let captured = walk::capture(lua, &stanza, |_| true)?;
        this.step(lua, |state, now, _| {
            if let (Some(pushing), Captured::Whole(answer)) = (&mut state.pushing, captured) {
                pushing.answer(answer, now);
            }
        })
    }

    /// `component:close()`: concludes everything, for good, a part at a time. There is more as long as there
    /// is a `delay`; then it is to be called again.
    fn close(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |state, now, batch| {
            // Nobody waits for a timer any more.
            state.timers = Timers::default();
            state.driver.close(now, batch);
            if let Some(pushing) = &mut state.pushing {
                pushing.close(now);
            }
        })
    }

    /// `new:adopt(old)`: goes on with the exchanges of a component that was loaded before, by the
    /// options of this one. The old one is left with nothing to do. The descriptor is another one then, and
    /// the timers of the old one are gone.
    fn adopt(lua: &Lua, this: &Self, old: AnyUserData) -> mlua::Result<MultiValue> {
        let old = old.borrow::<Component>()?;
        this.step(lua, |new, _, _| {
            let old = &mut *old.state.borrow_mut();
            new.driver.adopt(&mut old.driver);
            if let (Some(new), Some(old)) = (&mut new.pushing, &mut old.pushing) {
                new.adopt(old);
            }
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
        let (delay, answered) = {
            let state = &mut *self.state.borrow_mut();
            happen(state, now, &mut batch);
            let answered = state.take_pushed(now, &mut batch);
            (state.timers.set(state.next_due(now), now), answered)
        };
        let effects = Effects {
            stanzas: batch.stanzas,
            notes: batch.notes,
            delay,
            responses: push::responses(lua, answered)?,
            ..Effects::default()
        };
        effects.to_lua(lua, &self.stanza_mt)
    }
}

impl State {
    /// When a timer has to fire, whatever else happens.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let pushing = self.pushing.as_ref();
        let of_pushes = pushing.and_then(|pushing| pushing.next_due(now));
        [self.driver.next_due(now), of_pushes]
            .into_iter()
            .flatten()
            .min()
    }

    /// Adds what pushes send and tell, and returns what is to be answered.
    fn take_pushed(&mut self, now: Instant, batch: &mut Batch) -> Vec<push::Answered> {
        let Some(pushing) = &mut self.pushing else {
            return Vec::new();
        };
        let (stanzas, notes, answered) = pushing.take();
        for stanza in &stanzas {
            self.driver.remember(stanza, now);
        }
        batch.stanzas.extend(stanzas);
        batch.notes.extend(notes);
        answered
    }

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
