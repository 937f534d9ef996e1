//! What `mod_client_proxy.lua` calls.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{
    AnyUserData, Function, IntoLuaMulti, Lua, MultiValue, RegistryKey, Table, UserData,
    UserDataMethods,
};
use rand::RngExt;

use super::readdress::{readdress, readdressed};
use super::walk::{self, Captured};
use super::{build, options};
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::resources::Availability;
use crate::client_proxy::settings::Settings;
use crate::client_proxy::translation::KEY_LEN;
use crate::client_proxy::{Action, Proxy};
use crate::options::Options;
use crate::stanza::{Envelope, Kind, Stanza};

/// How many actions are carried out at a time, so that Prosody gets to see to others in between.
const BATCH: usize = 100;

/// A stanza table that Lua keeps for us.
type Held = Rc<RegistryKey>;

/// One loaded component.
///
/// Its state is borrowed for the time that pure Rust takes, never while Lua is called: there Prosody's
/// signal handlers may run, which are Lua too and call [`Component::stop`].
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
        methods.add_method("adopt", Component::adopt);
        methods.add_method("receive", Component::receive);
        methods.add_method("drain", Component::drain);
        methods.add_method("tick", Component::tick);
        methods.add_method("unsent", Component::unsent);
        methods.add_method("stop", Component::stop);
    }
}

impl Component {
    /// `proxy:receive(stanza, is_ours)`: takes a stanza in. Returns the stanza to be sent on in its place
    /// or `nil`, and whether to call `drain`. If nobody else has the stanza, it is that one itself.
    fn receive(
        lua: &Lua,
        this: &Self,
        (stanza, is_ours): (Table, bool),
    ) -> mlua::Result<(Option<Table>, bool)> {
        let captured = walk::capture(lua, &stanza, |kind| kind == Kind::Presence)?;
        let held = match &captured {
            Captured::Head { envelope, .. } if envelope.has_type("get") => {
                Some(Rc::new(lua.create_registry_value(&stanza)?))
            }
            _ => None,
        };
        let addresses = this.state.borrow_mut().receive(captured, held);
        let relayed = match addresses {
            Some(addresses) if is_ours => {
                readdress(lua, &stanza, &addresses)?;
                Some(stanza)
            }
            Some(addresses) => Some(readdressed(lua, &stanza, &this.stanza_mt, &addresses)?),
            None => None,
        };
        Ok((relayed, this.state.borrow().is_drain_due()))
    }

    /// `proxy:drain(by_timer)`: the next things to do. Returns `stanzas, requests, notes, drain_after`:
    /// stanzas of the proxy's own, requests that are sent once more, levels and lines for the log in
    /// turn (each list or `nil`), and in how many seconds to call again, if that is not under way.
    fn drain(lua: &Lua, this: &Self, by_timer: bool) -> mlua::Result<MultiValue> {
        let (actions, drain_after) = this.state.borrow_mut().drain(by_timer);
        let [stanzas, requests, notes] = this.tables(lua, actions)?;
        (stanzas, requests, notes, drain_after).into_lua_multi(lua)
    }

    /// `proxy:tick()`: does what is due. Returns in how many seconds to call again, and whether to call
    /// `drain`.
    fn tick(lua: &Lua, this: &Self, (): ()) -> mlua::Result<(f64, bool)> {
        // Lets go of the stanzas that are not held any more.
        lua.expire_registry_values();
        let state = &mut *this.state.borrow_mut();
        let next = state.proxy.tick(Instant::now(), &mut rand::rng());
        Ok((next.as_secs_f64(), state.is_drain_due()))
    }

    /// `proxy:unsent(stanza)`: what `receive` or `drain` gave to be sent on could not be sent. Returns
    /// in how many seconds to call `drain`, if that is not under way.
    fn unsent(lua: &Lua, this: &Self, stanza: Table) -> mlua::Result<Option<f64>> {
        let captured = walk::capture(lua, &stanza, |_| false)?;
        Ok(this.state.borrow_mut().unsent(captured))
    }

    /// `proxy:stop()`: answers everything outstanding. Returns `stanzas, requests, notes`, as `drain`.
    fn stop(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        let actions = this.state.borrow_mut().stop();
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
                Action::SendAgain(held, addresses) => {
                    let stanza = lua.registry_value(&held)?;
                    again.push(readdressed(lua, &stanza, &self.stanza_mt, &addresses)?);
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
    fn receive(&mut self, captured: Captured, held: Option<Held>) -> Option<Addresses> {
        let now = Instant::now();
        let proxy = &mut self.proxy;
        match captured {
            Captured::Head { envelope, .. } if envelope.kind == Kind::Iq => {
                return proxy.iq(envelope, held, now, &mut rand::rng());
            }
            Captured::Head { envelope, .. } => proxy.message(&envelope),
            Captured::Whole(Stanza {
                envelope, texts, ..
            }) => {
                let availability =
                    Availability::new(texts.show.as_deref(), texts.priority.as_deref());
                proxy.presence(&envelope, availability, now, &mut rand::rng());
            }
            Captured::Unfit(presence, _) => {
                let availability = Availability::new(None, None);
                proxy.presence(&presence, availability, now, &mut rand::rng());
            }
            Captured::NotAStanza => {}
        }
        None
    }

    fn drain(&mut self, by_timer: bool) -> (Vec<Action<Held>>, Option<f64>) {
        if by_timer {
            self.will_drain = false;
        }
        let next = std::iter::from_fn(|| self.proxy.next_action());
        let actions = next.take(BATCH).collect();
        (actions, self.drain_after())
    }

    fn unsent(&mut self, captured: Captured) -> Option<f64> {
        if let Captured::Head {
            envelope:
                Envelope {
                    to,
                    from,
                    type_: Some(type_),
                    id: Some(id),
                    ..
                },
            ..
        } = captured
        {
            self.proxy.unsent(&type_, Addresses { to, from, id });
        }
        self.drain_after()
    }

    fn stop(&mut self) -> Vec<Action<Held>> {
        self.proxy.bounce_all();
        std::iter::from_fn(|| self.proxy.next_action()).collect()
    }

    fn is_drain_due(&self) -> bool {
        self.proxy.has_actions() && !self.will_drain
    }

    fn drain_after(&mut self) -> Option<f64> {
        if !self.is_drain_due() {
            return None;
        }
        self.will_drain = true;
        Some(0.0)
    }
}
