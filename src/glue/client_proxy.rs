//! What `mod_client_proxy.lua` calls.

mod key;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use mlua::{
    AnyUserData, BString, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, RegistryKey, Table,
    UserData, UserDataMethods, Value,
};

pub use key::generate as new_key;

use super::walk::{self, Captured};
use super::{build, options};
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::resources::Availability;
use crate::client_proxy::settings::Settings;
use crate::client_proxy::{Action, Origin, Proxy, Unreachable, Verdict};
use crate::mapping::fields;
use crate::options::Options;
use crate::stanza::{Envelope, Kind};

/// How many actions are carried out at a time, so that Prosody gets to see to others in between.
const BATCH: usize = 100;

/// A stanza table that Lua keeps for us.
type Held = Rc<RegistryKey>;

/// One loaded component.
///
/// Its state is borrowed for the time that pure Rust takes, never while Lua is called: there Prosody's
/// signal handlers may run, which are Lua too and call [`Component::close`].
struct Component {
    settings: Settings,
    state: RefCell<State>,
    stanza_mt: Table,
}

struct State {
    proxy: Proxy<Held>,
    /// Whether a timer is set that will drain.
    will_drain: bool,
}

/// `client_proxy(host, get_option, stanza_mt, stored_key)`: a component, or `nil` and what is wrong.
/// `stored_key` is asked for the key, made by [`key::generate`], when the options turn out to be right. It returns
/// whatever is stored, or `nil` and why nothing could be read.
///
/// # Errors
/// If the arguments are of the wrong types.
pub fn new(
    lua: &Lua,
    (host, get_option, stanza_mt, stored_key): (String, Function, Table, Function),
) -> mlua::Result<MultiValue> {
    let look_up = |name: &'static str| options::look_up(&get_option, name);
    let settings = match Settings::read(&host, &Options::new(&look_up)) {
        Ok(settings) => settings,
        Err(error) => return (mlua::Nil, format!("{host}: {error}")).into_lua_multi(lua),
    };
    let key = match key::read(&stored_key) {
        Ok(key) => key,
        Err(problem) => return (mlua::Nil, format!("{host}: {problem}")).into_lua_multi(lua),
    };
    let proxy = Proxy::new(settings.clone(), &key, Instant::now());
    let component = Component {
        settings,
        state: RefCell::new(State {
            proxy,
            will_drain: false,
        }),
        stanza_mt,
    };
    component.into_lua_multi(lua)
}

impl UserData for Component {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("introduce", Component::introduce);
        methods.add_method("adopt", Component::adopt);
        methods.add_method("iq", Component::iq);
        methods.add_method("error", Component::error);
        methods.add_method("receive", Component::receive);
        methods.add_method("drain", Component::drain);
        methods.add_method("tick", Component::tick);
        methods.add_method("counts", Component::counts);
        methods.add_method("unsent", Component::unsent);
        methods.add_method("close", Component::close);
    }
}

/// The attribute of a stanza.
type Attribute = Option<BString>;

impl Component {
    /// `proxy:iq(type, to, from, id, stanza)`: takes an iq in. The stanza itself is wanted only if it may be
    /// sent more than once, which is for a get. Returns the addresses `to, from, id` with which it is to be
    /// sent on. If it is not, returns `nil`, and `true` unless nobody here waits for it; then `drain` is to
    /// be called.
    ///
    /// Nothing but these strings crosses the border, which costs less than a walk over the table.
    fn iq(
        lua: &Lua,
        this: &Self,
        (type_, to, from, id, stanza): (Attribute, Attribute, Attribute, Attribute, Option<Table>),
    ) -> mlua::Result<MultiValue> {
        let Some(envelope) = envelope(type_, to, from, id) else {
            return (mlua::Nil, true).into_lua_multi(lua);
        };
        let held = match stanza {
            Some(stanza) => Some(Rc::new(lua.create_registry_value(stanza)?)),
            None => None,
        };
        let verdict = this.state.borrow_mut().iq(envelope, held);
        outcome(lua, verdict)
    }

    /// `proxy:error(origin, condition, to, from, id)`: takes in an iq of type error that came from no stream,
    /// but from a `"host"` of this server or a failed `"connection"` to another one. Returns what `iq`
    /// returns.
    fn error(
        lua: &Lua,
        this: &Self,
        (origin, condition, to, from, id): (String, Attribute, Attribute, Attribute, Attribute),
    ) -> mlua::Result<MultiValue> {
        let origin = match origin.as_str() {
            "host" => Origin::Host,
            "connection" => Origin::Connection,
            _ => Origin::Stream,
        };
        let condition = condition.map(text);
        let unreachable = Unreachable::from_error(origin, condition.as_deref());
        let Some(envelope) = envelope(Some("error".into()), to, from, id) else {
            return (mlua::Nil, true).into_lua_multi(lua);
        };
        let verdict = this.state.borrow_mut().error(envelope, unreachable);
        outcome(lua, verdict)
    }

    /// `proxy:introduce()`: what to log when the component has come up, as levels and lines in turn.
    fn introduce(lua: &Lua, this: &Self, (): ()) -> mlua::Result<Option<Table>> {
        build::notes(lua, &[this.settings.introduction()])
    }

    /// `proxy:receive(stanza)`: takes a message or a presence in. `drain` is to be called then.
    fn receive(lua: &Lua, this: &Self, stanza: Table) -> mlua::Result<()> {
        let captured = walk::capture(lua, &stanza, |kind| kind == Kind::Presence)?;
        this.state.borrow_mut().receive(captured);
        Ok(())
    }

    /// `proxy:drain(by_timer)`: the next things to do. Returns `stanzas, requests, notes, drain_after`:
    /// stanzas of the proxy's own; requests that are sent once more, each followed by its addresses `to`,
    /// `from` and `id`; levels and lines for the log in turn (each list or `nil`); and in how many seconds
    /// to call again, if that is not under way.
    fn drain(lua: &Lua, this: &Self, by_timer: bool) -> mlua::Result<MultiValue> {
        let (actions, drain_after) = this.state.borrow_mut().drain(by_timer);
        let [stanzas, requests, notes] = this.tables(lua, actions)?;
        (stanzas, requests, notes, drain_after).into_lua_multi(lua)
    }

    /// `proxy:tick()`: does what is due. Returns in how many seconds to call again, if ever. `drain` is to be
    /// called then.
    fn tick(lua: &Lua, this: &Self, (): ()) -> mlua::Result<Option<f64>> {
        // Lets go of the stanzas that are not held any more.
        lua.expire_registry_values();
        let state = &mut *this.state.borrow_mut();
        let next = state.proxy.tick(Instant::now(), &mut rand::rng());
        Ok(next.map(|next| next.as_secs_f64()))
    }

    /// `proxy:counts()`: what became of the requests since the last call, as a table from the names of the
    /// counters to numbers.
    fn counts(lua: &Lua, this: &Self, (): ()) -> mlua::Result<Table> {
        let counts = this.state.borrow_mut().proxy.take_counts();
        lua.create_table_from(counts)
    }

    /// `proxy:unsent(type, to, from, id)`: an iq could not be sent on with these addresses. Returns in how
    /// many seconds to call `drain`, if that is not under way.
    fn unsent(
        _: &Lua,
        this: &Self,
        (type_, to, from, id): (Attribute, Attribute, Attribute, Attribute),
    ) -> mlua::Result<Option<f64>> {
        let envelope = envelope(type_, to, from, id);
        Ok(this.state.borrow_mut().unsent(envelope))
    }

    /// `proxy:close()`: answers everything outstanding, and from now on every request. Returns
    /// `stanzas, requests, notes`, as `drain`.
    fn close(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let actions = this.state.borrow_mut().close();
        let [stanzas, requests, notes] = this.tables(lua, actions)?;
        (stanzas, requests, notes).into_lua_multi(lua)
    }

    /// `new:adopt(old)`: goes on with what a component knows that was loaded before, by the options of
    /// this one. The old one is left with nothing to do.
    fn adopt(_: &Lua, this: &Self, old: AnyUserData) -> mlua::Result<()> {
        let old = old.borrow::<Component>()?;
        let (new, old) = (&mut *this.state.borrow_mut(), &mut *old.state.borrow_mut());
        std::mem::swap(&mut new.proxy, &mut old.proxy);
        new.proxy.reconfigure(this.settings.clone(), Instant::now());
        Ok(())
    }

    /// Actions as lists: the proxy's own stanzas, requests that are sent once more, and levels and lines
    /// for the log in turn.
    fn tables(&self, lua: &Lua, actions: Vec<Action<Held>>) -> mlua::Result<[Option<Table>; 3]> {
        let (mut own, mut again, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Send(element) => own.push(element),
                Action::SendAgain(held, Addresses { to, from, id }) => {
                    again.push(lua.registry_value::<Value>(&held)?);
                    for text in [to, from, id] {
                        again.push(text.into_lua(lua)?);
                    }
                }
                Action::Log(note) => notes.push(note),
            }
        }
        let again = match again.as_slice() {
            [] => None,
            again => Some(lua.create_sequence_from(again)?),
        };
        let own = build::stanzas(lua, &self.stanza_mt, &own)?;
        Ok([own, again, build::notes(lua, &notes)?])
    }
}

impl State {
    fn iq(&mut self, envelope: Envelope, held: Option<Held>) -> Verdict {
        let now = Instant::now();
        self.proxy.iq(envelope, held, now, &mut rand::rng())
    }

    fn error(&mut self, envelope: Envelope, unreachable: Option<Unreachable>) -> Verdict {
        let Some(unreachable) = unreachable else {
            return self.iq(envelope, None);
        };
        let now = Instant::now();
        self.proxy
            .undeliverable(envelope, unreachable, now, &mut rand::rng())
    }

    fn receive(&mut self, captured: Captured) {
        let (presence, availability) = match captured {
            Captured::Head { envelope, .. } => {
                return self.proxy.message(&envelope, Instant::now());
            }
            Captured::Whole(stanza) => {
                let [show, priority] =
                    ["show", "priority"].map(|name| fields::child(&stanza, name));
                let availability = Availability::new(show, priority);
                (stanza.envelope, availability)
            }
            Captured::Unfit(envelope, _) => (envelope, Availability::new(None, None)),
            Captured::NotAStanza => return,
        };
        let now = Instant::now();
        self.proxy
            .presence(&presence, availability, now, &mut rand::rng());
    }

    fn drain(&mut self, by_timer: bool) -> (Vec<Action<Held>>, Option<f64>) {
        if by_timer {
            self.will_drain = false;
        }
        let next = std::iter::from_fn(|| self.proxy.next_action());
        let actions = next.take(BATCH).collect();
        (actions, self.drain_after())
    }

    fn unsent(&mut self, envelope: Option<Envelope>) -> Option<f64> {
        if let Some(Envelope {
            to,
            from,
            type_: Some(type_),
            id: Some(id),
            ..
        }) = envelope
        {
            self.proxy.unsent(&type_, Addresses { to, from, id });
        }
        self.drain_after()
    }

    fn close(&mut self) -> Vec<Action<Held>> {
        self.proxy.end();
        std::iter::from_fn(|| self.proxy.next_action()).collect()
    }

    fn drain_after(&mut self) -> Option<f64> {
        if self.will_drain || !self.proxy.has_actions() {
            return None;
        }
        self.will_drain = true;
        Some(0.0)
    }
}

fn outcome(lua: &Lua, verdict: Verdict) -> mlua::Result<MultiValue> {
    match verdict {
        Verdict::Relayed(Addresses { to, from, id }) => (to, from, id).into_lua_multi(lua),
        Verdict::Settled => (mlua::Nil, true).into_lua_multi(lua),
        Verdict::Stray => (mlua::Nil, false).into_lua_multi(lua),
    }
}

/// An iq's envelope, if it has a recipient and a sender.
fn envelope(type_: Attribute, to: Attribute, from: Attribute, id: Attribute) -> Option<Envelope> {
    Some(Envelope {
        kind: Kind::Iq,
        to: text(to?),
        from: text(from?),
        type_: type_.map(text),
        id: id.map(text),
        says_nothing: false,
    })
}

/// What is not UTF-8, which Prosody lets through before 0.11, is replaced.
fn text(bytes: BString) -> String {
    String::from_utf8(bytes.into())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
