//! What `mod_client_proxy.lua` calls.

mod relay;
mod store;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{
    AnyUserData, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Table, UserData, UserDataMethods,
};

use super::effects::Effects;
use super::observe;
use super::options;
use super::reference::{Dropped, Reference};
use super::walk::{self, Captured};
use crate::client_proxy::availability::Availability;
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::settings::Settings;
use crate::client_proxy::{Effect, Proxy, status};
use crate::mapping::fields;
use crate::notes::Note;
use crate::options::Options;
use crate::stanza::Kind;
use crate::timers::Timers;
use relay::{Attribute, text};
use store::Store;

/// How many effects are carried out at a time, so that Prosody gets to see to others in between.
const BATCH: usize = 100;

/// One loaded component.
///
/// Its state is borrowed for the time that pure Rust takes, never while Lua is called: there Prosody's
/// signal handlers may run, which are Lua too and call [`Component::close`].
struct Component {
    settings: Settings,
    state: Rc<RefCell<State>>,
    dropped: Dropped,
    store: Store,
    /// Why the key could not be stored, if it could not.
    unsaved_key: Option<String>,
    stanza_mt: Table,
}

struct State {
    proxy: Proxy<Reference>,
    timers: Timers,
}

/// `client_proxy(host, get_option, read, write, stanza_mt)`: a component, or `nil` and what is wrong. The functions
/// that read and write are those of a [`Store`].
///
/// # Errors
/// If the arguments are of the wrong types.
pub fn new(
    lua: &Lua,
    (host, get_option, read, write, stanza_mt): (String, Function, Function, Function, Table),
) -> mlua::Result<MultiValue> {
    let component = settings(&host, &get_option).and_then(|settings| {
        let store = Store { read, write };
        let (key, unsaved_key) = store.obtain_key(lua).map_err(of_host(&host))?;
        let state = State {
            proxy: Proxy::new(settings.clone(), &key, Instant::now()),
            timers: Timers::default(),
        };
        Ok(Component {
            settings,
            state: Rc::new(RefCell::new(state)),
            dropped: Dropped::of(lua),
            store,
            unsaved_key,
            stanza_mt,
        })
    });
    match component {
        Ok(component) => component.into_lua_multi(lua),
        Err(problem) => (mlua::Nil, problem).into_lua_multi(lua),
    }
}

/// `check_client_proxy(host, get_option, read)`: what would keep a component from coming up, or `nil`.
///
/// # Errors
/// If the arguments are of the wrong types.
pub fn check(
    _: &Lua,
    (host, get_option, read): (String, Function, Function),
) -> mlua::Result<Option<String>> {
    let key = || store::read_key(&read).map_err(of_host(&host));
    Ok(settings(&host, &get_option).and_then(|_| key()).err())
}

fn of_host(host: &str) -> impl Fn(String) -> String {
    move |problem| format!("{host}: {problem}")
}

fn settings(host: &str, get_option: &Function) -> Result<Settings, String> {
    let look_up = |name: &'static str| options::look_up(get_option, name);
    Settings::read(host, &Options::new(&look_up)).map_err(|error| format!("{host}: {error}"))
}

impl UserData for Component {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("introduce", Component::introduce);
        methods.add_method("adopt", Component::adopt);
        relay::add_methods(methods);
        methods.add_method("receive", Component::receive);
        methods.add_method("poll", Component::poll);
        methods.add_method("timeout", Component::timeout);
        methods.add_method("close", Component::close);
        methods.add_method("families", |lua, _, ()| {
            observe::families(lua, status::families())
        });
        methods.add_method("readings", |lua, this, ()| {
            let readings = this.state.borrow_mut().proxy.readings();
            observe::readings(lua, readings)
        });
        methods.add_method("overview", |lua, this, ()| {
            let rows = this.state.borrow().proxy.overview();
            observe::overview(lua, rows)
        });
    }
}

/// What happens to a component. All of it returns [`Effects`].
impl Component {
    /// `proxy:introduce()`: the component has come up.
    fn introduce(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let unsaved_key = this.unsaved_key.as_ref().map(|reason| {
            Note::warn(format!(
                "requesters get other addresses after a restart, since the key cannot be stored: {reason}"
            ))
        });
        let introduction = this.settings.introduction();
        let effects = Effects {
            notes: unsaved_key.into_iter().chain([introduction]).collect(),
            delay: this.state.borrow_mut().delay(Instant::now()),
            ..Effects::default()
        };
        effects.to_lua(lua, &this.stanza_mt)
    }

    /// `proxy:receive(stanza, condition)`: takes a presence in, of type error with that condition; or a message, if
    /// messages are not carried.
    fn receive(
        lua: &Lua,
        this: &Self,
        (stanza, condition): (Table, Attribute),
    ) -> mlua::Result<MultiValue> {
        let captured = walk::capture(lua, &stanza, |kind| kind == Kind::Presence)?;
        let condition = condition.map(text);
        this.step(lua, |state, now| {
            state.receive(captured, condition.as_deref(), now);
        })
    }

    /// `proxy:poll()`: what follows from what has happened.
    fn poll(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |_, _| ())
    }

    /// `proxy:timeout()`: a timer has fired that was asked for by a `delay`.
    fn timeout(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let effects = this.step(lua, |state, now| {
            state.timers.fired();
            state.proxy.handle_timeout(now, &mut rand::rng());
        });
        this.dropped.release(lua)?;
        effects
    }

    /// `proxy:close()`: answers everything outstanding, a part at a time, and from now on every request. There is
    /// more as long as there is a `delay`; then it is to be called again.
    fn close(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |state, _| {
            // Nobody waits for a timer any more.
            state.timers = Timers::default();
            state.proxy.close();
        })
    }

    /// `new:adopt(old)`: goes on with what a component knows that was loaded before, by the options of
    /// this one. The old one is left with nothing to do, and its timers are gone.
    fn adopt(lua: &Lua, this: &Self, old: AnyUserData) -> mlua::Result<MultiValue> {
        let old = old.borrow::<Component>()?;
        this.step(lua, |new, now| {
            std::mem::swap(&mut new.proxy, &mut old.state.borrow_mut().proxy);
            new.proxy.reconfigure(this.settings.clone(), now);
        })
    }

    /// Lets something happen, and returns what follows from it.
    fn step(
        &self,
        lua: &Lua,
        happen: impl FnOnce(&mut State, Instant),
    ) -> mlua::Result<MultiValue> {
        let now = Instant::now();
        let polled: Vec<Effect<Reference>> = {
            let state = &mut *self.state.borrow_mut();
            happen(state, now);
            let next = std::iter::from_fn(|| state.proxy.poll_effect());
            next.take(BATCH).collect()
        };
        let mut effects = Effects::default();
        for effect in polled {
            self.begin(lua, effect, &mut effects, now)?;
        }
        {
            let state = &mut *self.state.borrow_mut();
            effects.delay = state.delay(now);
        }
        effects.to_lua(lua, &self.stanza_mt)
    }

    /// Reads and stores at once; all else is for the shim to carry out.
    fn begin(
        &self,
        lua: &Lua,
        effect: Effect<Reference>,
        effects: &mut Effects,
        now: Instant,
    ) -> mlua::Result<()> {
        match effect {
            Effect::Send(stanza) => effects.stanzas.push(stanza),
            Effect::SendAgain(held, Addresses { to, from, id }) => {
                effects.requests.push(held.value(lua)?);
                for text in [to, from, id] {
                    effects.requests.push(text.into_lua(lua)?);
                }
            }
            Effect::Log(note) => effects.notes.push(note),
            Effect::ReadSubscribers(part) => {
                let stored = self.store.read_subscribers(part);
                let proxy = &mut self.state.borrow_mut().proxy;
                proxy.subscribers_read(part, stored, now);
            }
            Effect::StoreSubscribers(part, subscriptions) => {
                if let Err(problem) = self.store.write_subscribers(lua, part, subscriptions) {
                    let proxy = &mut self.state.borrow_mut().proxy;
                    proxy.subscribers_unsaved(&problem, now);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// In what time a timer has to fire, if none does by then anyway.
    fn delay(&mut self, now: Instant) -> Option<Duration> {
        self.timers.set(self.proxy.poll_timeout(now), now)
    }

    fn receive(&mut self, captured: Captured, condition: Option<&str>, now: Instant) {
        let (presence, availability) = match captured {
            Captured::Head { envelope, .. } => return self.proxy.refuse_message(&envelope, now),
            Captured::Whole(stanza) => {
                let [show, priority] =
                    ["show", "priority"].map(|name| fields::child(&stanza, name));
                let availability = Availability::new(show, priority);
                (stanza.envelope, availability)
            }
            Captured::Unfit(envelope, _) => (envelope, Availability::new(None, None)),
            Captured::NotAStanza => return,
        };
        let (proxy, rng) = (&mut self.proxy, &mut rand::rng());
        proxy.presence(&presence, availability, condition, now, rng);
    }
}
