//! What `mod_client_proxy.lua` calls.

use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{
    AnyUserData, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, RegistryKey, Table, UserData,
    UserDataMethods,
};
use rand::RngExt;

use super::readdress::readdressed;
use super::walk::{self, Captured};
use super::{build, options};
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::resources::Availability;
use crate::client_proxy::settings::Settings;
use crate::client_proxy::translation::KEY_LEN;
use crate::client_proxy::{Action, Proxy};
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
        methods.add_method_mut("receive", Component::receive);
        methods.add_method_mut("drain", Component::drain);
        methods.add_method_mut("tick", Component::tick);
        methods.add_method_mut("unsent", Component::unsent);
        methods.add_method_mut("stop", Component::stop);
    }
}

impl Component {
    /// `proxy:receive(stanza)`: takes a stanza in. Returns the stanza to be sent on in its place or
    /// `nil`, and whether to call `drain`.
    fn receive(lua: &Lua, this: &mut Self, stanza: Table) -> mlua::Result<(Option<Table>, bool)> {
        let now = Instant::now();
        let proxy = &mut this.proxy;
        let addresses = match walk::capture(lua, &stanza, |kind| kind == Kind::Presence)? {
            Captured::Head { envelope, .. } if envelope.kind == Kind::Iq => {
                let hold = || lua.create_registry_value(&stanza).ok().map(Rc::new);
                proxy.iq(envelope, hold, now, &mut rand::rng())
            }
            Captured::Whole(presence) => {
                let texts = &presence.texts;
                let availability =
                    Availability::new(texts.show.as_deref(), texts.priority.as_deref());
                proxy.presence(&presence.envelope, availability, now, &mut rand::rng());
                None
            }
            Captured::Unfit(presence, _) => {
                let availability = Availability::new(None, None);
                proxy.presence(&presence, availability, now, &mut rand::rng());
                None
            }
            Captured::Head { envelope, .. } => {
                proxy.message(&envelope);
                None
            }
            Captured::NotAStanza => None,
        };
        let relayed = match addresses {
            Some(addresses) => Some(readdressed(lua, &stanza, &this.stanza_mt, &addresses)?),
            None => None,
        };
        Ok((relayed, this.proxy.has_actions() && !this.will_drain))
    }

    /// `proxy:drain(by_timer)`: the next things to do. Returns `stanzas, requests, notes, drain_after`:
    /// stanzas of the proxy's own, requests that are sent once more, levels and lines for the log in
    /// turn (each list or `nil`), and in how many seconds to call again, if that is not under way.
    fn drain(lua: &Lua, this: &mut Self, by_timer: bool) -> mlua::Result<MultiValue> {
        if by_timer {
            this.will_drain = false;
        }
        let [stanzas, requests, notes] = this.actions(lua, BATCH)?;
        let drain_after = this.drain_after();
        (stanzas, requests, notes, drain_after).into_lua_multi(lua)
    }

    /// `proxy:tick()`: does what is due. Returns in how many seconds to call again, and whether to call
    /// `drain`.
    fn tick(_: &Lua, this: &mut Self, (): ()) -> mlua::Result<(f64, bool)> {
        let next = this.proxy.tick(Instant::now(), &mut rand::rng());
        let drain = this.proxy.has_actions() && !this.will_drain;
        Ok((next.as_secs_f64(), drain))
    }

    /// `proxy:unsent(stanza)`: what `receive` or `drain` gave to be sent on could not be sent. Returns
    /// in how many seconds to call `drain`, if that is not under way.
    fn unsent(lua: &Lua, this: &mut Self, stanza: Table) -> mlua::Result<Option<f64>> {
        if let Captured::Head { envelope, .. } = walk::capture(lua, &stanza, |_| false)? {
            let Envelope {
                to,
                from,
                type_: Some(type_),
                id: Some(id),
                ..
            } = envelope
            else {
                return Ok(None);
            };
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
                Some(Action::SendAgain(held, addresses)) => {
                    let stanza = lua.registry_value(&held)?;
                    again.push(readdressed(lua, &stanza, &self.stanza_mt, &addresses)?);
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

/// A Lua list, or `nil` if it would be empty.
fn list<T: IntoLua>(lua: &Lua, items: Vec<T>) -> mlua::Result<Option<Table>> {
    if items.is_empty() {
        return Ok(None);
    }
    lua.create_sequence_from(items).map(Some)
}
