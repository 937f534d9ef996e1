//! What `mod_client_proxy.lua` calls.

use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{
    AnyUserData, BString, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, RegistryKey, Table,
    UserData, UserDataMethods, Value,
};
use rand::RngExt;

use super::walk::{self, Captured};
use super::{build, options};
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::resources::Availability;
use crate::client_proxy::settings::Settings;
use crate::client_proxy::translation::KEY_LEN;
use crate::client_proxy::{Action, Proxy, Verdict};
use crate::options::Options;
use crate::stanza::{Envelope, Kind};

/// How many actions are carried out at a time, so that Prosody gets to see to others in between.
const BATCH: usize = 100;

/// A stanza table that Lua keeps for us.
type Held = Rc<RegistryKey>;

/// One loaded component.
struct Component {
    settings: Settings,
    proxy: Proxy<Held>,
    stanza_mt: Table,
    /// Whether a timer is set that will drain.
    will_drain: bool,
}

/// `client_proxy(host, get_option, stanza_mt, stored_key)`: a component, or `nil` and what is wrong.
/// `stored_key` is asked for the key, made by [`new_key`], when the options turn out to be right.
///
/// # Errors
/// If the arguments are of the wrong types, or `stored_key` raises one.
pub fn new(
    lua: &Lua,
    (host, get_option, stanza_mt, stored_key): (String, Function, Table, Function),
) -> mlua::Result<MultiValue> {
    let look_up = |name: &'static str| options::look_up(&get_option, name);
    let settings = match Settings::read(&host, &Options::new(&look_up)) {
        Ok(settings) => settings,
        Err(error) => return (mlua::Nil, format!("{host}: {error}")).into_lua_multi(lua),
    };
    let Some(key) = decode_key(&stored_key.call::<String>(())?) else {
        let problem = format!(
            "{host}: the key in the store 'client_proxy' is damaged: restore it, or remove it for a new one"
        );
        return (mlua::Nil, problem).into_lua_multi(lua);
    };
    let component = Component {
        proxy: Proxy::new(settings.clone(), &key, Instant::now()),
        settings,
        stanza_mt,
        will_drain: false,
    };
    component.into_lua_multi(lua)
}

/// `new_key()`: a random key, as text.
///
/// # Errors
/// None.
pub fn new_key(_: &Lua, (): ()) -> mlua::Result<String> {
    Ok(BASE64.encode(rand::rng().random::<[u8; KEY_LEN]>()))
}

fn decode_key(text: &str) -> Option<[u8; KEY_LEN]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

impl UserData for Component {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method_mut("adopt", Component::adopt);
        methods.add_method_mut("iq", Component::iq);
        methods.add_method_mut("receive", Component::receive);
        methods.add_method_mut("drain", Component::drain);
        methods.add_method_mut("tick", Component::tick);
        methods.add_method_mut("unsent", Component::unsent);
        methods.add_method_mut("stop", Component::stop);
    }
}

/// The attributes `type`, `to`, `from` and `id` of an iq.
type Attributes = (
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<BString>,
);

/// The same, and the stanza.
type IqArguments = (
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<Table>,
);

impl Component {
    /// `proxy:iq(type, to, from, id, stanza)`: takes an iq in. The stanza itself is wanted only if it may be
    /// sent more than once, which is for a get. Returns the addresses `to, from, id` with which it is to be
    /// sent on. If it is not, returns `nil`, and `true` unless nobody here waits for it; then `drain` is to
    /// be called.
    ///
    /// Nothing but these strings crosses the border, which makes half of what a walk over the table costs.
    fn iq(
        lua: &Lua,
        this: &mut Self,
        (type_, to, from, id, stanza): IqArguments,
    ) -> mlua::Result<MultiValue> {
        let Some(envelope) = envelope((type_, to, from, id)) else {
            return (mlua::Nil, false).into_lua_multi(lua);
        };
        let hold = || {
            let stanza = stanza?;
            lua.create_registry_value(stanza).ok().map(Rc::new)
        };
        let now = Instant::now();
        match this.proxy.iq(envelope, hold, now, &mut rand::rng()) {
            Verdict::Relayed(Addresses { to, from, id }) => (to, from, id).into_lua_multi(lua),
            Verdict::Settled => (mlua::Nil, true).into_lua_multi(lua),
            Verdict::Stray => (mlua::Nil, false).into_lua_multi(lua),
        }
    }

    /// `proxy:receive(stanza)`: takes a message or a presence in. `drain` is to be called then.
    fn receive(lua: &Lua, this: &mut Self, stanza: Table) -> mlua::Result<()> {
        let now = Instant::now();
        let mut rng = rand::rng();
        match walk::capture(lua, &stanza, |kind| kind == Kind::Presence)? {
            Captured::Head { envelope, .. } if envelope.kind == Kind::Message => {
                this.proxy.message(&envelope);
            }
            Captured::Whole(presence) => {
                let texts = &presence.texts;
                let availability =
                    Availability::new(texts.show.as_deref(), texts.priority.as_deref());
                this.proxy
                    .presence(&presence.envelope, availability, now, &mut rng);
            }
            Captured::Unfit(presence, _) => {
                let availability = Availability::new(None, None);
                this.proxy.presence(&presence, availability, now, &mut rng);
            }
            Captured::Head { .. } | Captured::NotAStanza => {}
        }
        Ok(())
    }

    /// `proxy:drain(by_timer)`: the next things to do. Returns `stanzas, requests, notes, drain_after`:
    /// stanzas of the proxy's own; requests that are sent once more, each followed by its addresses `to`,
    /// `from` and `id`; levels and lines for the log in turn (each list or `nil`); and in how many seconds
    /// to call again, if that is not under way.
    fn drain(lua: &Lua, this: &mut Self, by_timer: bool) -> mlua::Result<MultiValue> {
        if by_timer {
            this.will_drain = false;
        }
        let [stanzas, requests, notes] = this.actions(lua, BATCH)?;
        let drain_after = this.drain_after();
        (stanzas, requests, notes, drain_after).into_lua_multi(lua)
    }

    /// `proxy:tick()`: does what is due. Returns in how many seconds to call again. `drain` is to be called
    /// then.
    fn tick(_: &Lua, this: &mut Self, (): ()) -> mlua::Result<f64> {
        let next = this.proxy.tick(Instant::now(), &mut rand::rng());
        Ok(next.as_secs_f64())
    }

    /// `proxy:unsent(type, to, from, id)`: an iq could not be sent on with these addresses. Returns in how
    /// many seconds to call `drain`, if that is not under way.
    fn unsent(_: &Lua, this: &mut Self, attributes: Attributes) -> mlua::Result<Option<f64>> {
        if let Some(Envelope {
            to,
            from,
            type_: Some(type_),
            id: Some(id),
            ..
        }) = envelope(attributes)
        {
            this.proxy.unsent(&type_, Addresses { to, from, id });
        }
        Ok(this.drain_after())
    }

    /// `proxy:stop()`: answers everything outstanding. Returns `stanzas, requests, notes`, as `drain`.
    fn stop(lua: &Lua, this: &mut Self, (): ()) -> mlua::Result<MultiValue> {
        this.proxy.bounce_all();
        let [stanzas, requests, notes] = this.actions(lua, usize::MAX)?;
        (stanzas, requests, notes).into_lua_multi(lua)
    }

    /// `new:adopt(old)`: goes on with what a component knows that was loaded before, by the options of
    /// this one. The old one is left with nothing to do.
    fn adopt(_: &Lua, this: &mut Self, old: AnyUserData) -> mlua::Result<()> {
        let mut old = old.borrow_mut::<Component>()?;
        std::mem::swap(&mut this.proxy, &mut old.proxy);
        this.proxy
            .reconfigure(this.settings.clone(), Instant::now());
        Ok(())
    }

    /// Up to that many actions: the proxy's own stanzas, requests that are sent once more, and levels and
    /// lines for the log in turn.
    fn actions(&mut self, lua: &Lua, limit: usize) -> mlua::Result<[Option<Table>; 3]> {
        let (mut own, mut again, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..limit {
            match self.proxy.next_action() {
                Some(Action::Send(element)) => own.push(element),
                Some(Action::SendAgain(held, Addresses { to, from, id })) => {
                    again.push(lua.registry_value::<Value>(&held)?);
                    for text in [to, from, id] {
                        again.push(text.into_lua(lua)?);
                    }
                }
                Some(Action::Log(level, line)) => {
                    notes.extend([level.as_str().to_owned(), line]);
                }
                None => break,
            }
        }
        let own = match own.as_slice() {
            [] => None,
            own => Some(build::stanzas(lua, &self.stanza_mt, own)?),
        };
        Ok([own, list(lua, again)?, list(lua, notes)?])
    }

    fn drain_after(&mut self) -> Option<f64> {
        if self.will_drain || !self.proxy.has_actions() {
            return None;
        }
        self.will_drain = true;
        Some(Duration::ZERO.as_secs_f64())
    }
}

/// An iq's envelope, if it has a recipient and a sender.
fn envelope((type_, to, from, id): Attributes) -> Option<Envelope> {
    Some(Envelope {
        kind: Kind::Iq,
        to: text(to?),
        from: text(from?),
        type_: type_.map(text),
        id: id.map(text),
    })
}

/// What is not UTF-8, which Prosody lets through before 0.11, is replaced.
fn text(bytes: BString) -> String {
    String::from_utf8(bytes.into())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A Lua list, or `nil` if it would be empty.
fn list<T: IntoLua>(lua: &Lua, items: Vec<T>) -> mlua::Result<Option<Table>> {
    if items.is_empty() {
        return Ok(None);
    }
    lua.create_sequence_from(items).map(Some)
}
