//! What `mod_client_proxy.lua` calls.

mod store;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{
    AnyUserData, BString, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, RegistryKey, Table,
    UserData, UserDataMethods, Value,
};

use super::effects::Effects;
use super::walk::{self, Captured};
use super::{build, options};
use crate::client_proxy::availability::Availability;
use crate::client_proxy::counts::Counts;
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::settings::Settings;
use crate::client_proxy::{Effect, Message, MessageVerdict, Origin, Proxy, Unreachable, Verdict};
use crate::mapping::fields;
use crate::notes::Note;
use crate::options::Options;
use crate::stanza::{Envelope, Kind};
use crate::timers::Timers;
use store::Store;

/// How many effects are carried out at a time, so that Prosody gets to see to others in between.
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
    store: Store,
    /// Why the key could not be stored, if it could not.
    unsaved_key: Option<String>,
    stanza_mt: Table,
}

struct State {
    proxy: Proxy<Held>,
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
            state: RefCell::new(state),
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
        methods.add_method("iq", Component::iq);
        methods.add_method("error", Component::error);
        methods.add_method("carries_messages", |_, this, ()| Ok(this.settings.messages));
        methods.add_method("message", Component::message);
        methods.add_method("message_unsent", Component::message_unsent);
        methods.add_method("receive", Component::receive);
        methods.add_method("unsent", Component::unsent);
        methods.add_method("poll", Component::poll);
        methods.add_method("timeout", Component::timeout);
        methods.add_method("close", Component::close);
    }
}

/// The attribute of a stanza.
type Attribute = Option<BString>;

/// `type`, `to`, `from` and `id` of a message, and whether it has a body.
type MessageArguments = (Attribute, Attribute, Attribute, Attribute, bool);

/// All but `iq` and `error` return [`Effects`].
impl Component {
    /// `proxy:iq(type, to, from, id, stanza)`: takes an iq in. The stanza itself is wanted only if it may be
    /// sent more than once, which is for a get. Returns what becomes of it:
    ///
    /// - `"relayed", to, from, id, delay`: it is to be sent on with these addresses, and `timeout` to be
    ///   called in that many seconds, or as is under way already.
    /// - `"settled"`: it is seen to; what follows from it is to be polled.
    /// - `"stray"`: it is an answer, and nobody here waits for it; what follows from it is to be polled.
    ///
    /// Nothing but these strings crosses the border, which costs less than a walk over the table.
    fn iq(
        lua: &Lua,
        this: &Self,
        (type_, to, from, id, stanza): (Attribute, Attribute, Attribute, Attribute, Option<Table>),
    ) -> mlua::Result<MultiValue> {
        let held = match stanza {
            Some(stanza) => Some(Rc::new(lua.create_registry_value(stanza)?)),
            None => None,
        };
        let envelope = envelope(type_, to, from, id);
        this.judge(lua, envelope, |state, envelope, now| {
            state.proxy.iq(envelope, held, now, &mut rand::rng())
        })
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
        let envelope = envelope(Some("error".into()), to, from, id);
        this.judge(lua, envelope, |state, envelope, now| {
            let (proxy, rng) = (&mut state.proxy, &mut rand::rng());
            match unreachable {
                Some(unreachable) => proxy.undeliverable(envelope, unreachable, now, rng),
                None => proxy.iq(envelope, None, now, rng),
            }
        })
    }

    /// `proxy:message(type, to, from, id, has_body)`: takes a message in, if messages are carried. Returns what
    /// becomes of it:
    ///
    /// - `"to_target", to, from, delay`: it is to be sent on with these addresses, and to be copied to nobody;
    ///   `timeout` is to be called in that many seconds, or as is under way already.
    /// - `"to_requester", to, from, delay`: it is to be sent on with these addresses; the delay is the same.
    /// - `"settled"`: it is seen to; what follows from it is to be polled.
    fn message(lua: &Lua, this: &Self, message: MessageArguments) -> mlua::Result<MultiValue> {
        let now = Instant::now();
        let (verdict, to, from, delay) = {
            let state = &mut *this.state.borrow_mut();
            let take = |message| state.proxy.message(&message, now, &mut rand::rng());
            let (verdict, to, from) = match self::message(message).map(take) {
                Some(MessageVerdict::ToTarget { to, from }) => ("to_target", to, from),
                Some(MessageVerdict::ToRequester { to, from }) => ("to_requester", to, from),
                Some(MessageVerdict::Settled) | None => return "settled".into_lua_multi(lua),
            };
            (verdict, to, from, state.delay(now))
        };
        relayed(lua, [verdict, &to, &from], delay)
    }

    /// `proxy:message_unsent(type, to, from, id, has_body)`: a message that came with these attributes could not
    /// be sent on.
    fn message_unsent(
        lua: &Lua,
        this: &Self,
        message: MessageArguments,
    ) -> mlua::Result<MultiValue> {
        this.step(lua, |state, _| {
            if let Some(message) = self::message(message) {
                state.proxy.message_unsent(&message);
            }
        })
    }

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
            counts: Counts::default().all().into(),
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

    /// `proxy:unsent(type, to, from, id)`: an iq could not be sent on with these addresses. What follows from
    /// it waits for a timer, for it may be that something cannot be sent again.
    fn unsent(
        lua: &Lua,
        this: &Self,
        (type_, to, from, id): (Attribute, Attribute, Attribute, Attribute),
    ) -> mlua::Result<MultiValue> {
        let delay = {
            let state = &mut *this.state.borrow_mut();
            if let (Some(type_), Some(to), Some(from), Some(id)) = (type_, to, from, id) {
                let [to, from, id] = [to, from, id].map(text);
                let addresses = Addresses { to, from, id };
                state.proxy.unsent(&text(type_), addresses);
            }
            state.delay(Instant::now())
        };
        let effects = Effects {
            delay,
            ..Effects::default()
        };
        effects.to_lua(lua, &this.stanza_mt)
    }

    /// `proxy:poll()`: what follows from what has happened.
    fn poll(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        this.step(lua, |_, _| ())
    }

    /// `proxy:timeout()`: a timer has fired that was asked for by a `delay`.
    fn timeout(lua: &Lua, this: &Self, (): ()) -> mlua::Result<MultiValue> {
        // Lets go of the stanzas that are not held any more.
        lua.expire_registry_values();
        this.step(lua, |state, now| {
            state.timers.fired();
            state.proxy.handle_timeout(now, &mut rand::rng());
        })
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

    /// Says what becomes of an iq. One without a sender or a recipient is nobody's.
    fn judge(
        &self,
        lua: &Lua,
        envelope: Option<Envelope>,
        take: impl FnOnce(&mut State, Envelope, Instant) -> Verdict,
    ) -> mlua::Result<MultiValue> {
        let now = Instant::now();
        let (Addresses { to, from, id }, delay) = {
            let state = &mut *self.state.borrow_mut();
            match envelope.map(|envelope| take(state, envelope, now)) {
                Some(Verdict::Relayed(addresses)) => (addresses, state.delay(now)),
                Some(Verdict::Settled) | None => return "settled".into_lua_multi(lua),
                Some(Verdict::Stray) => return "stray".into_lua_multi(lua),
            }
        };
        relayed(lua, ["relayed", &to, &from, &id], delay)
    }

    /// Lets something happen, and returns what follows from it.
    fn step(
        &self,
        lua: &Lua,
        happen: impl FnOnce(&mut State, Instant),
    ) -> mlua::Result<MultiValue> {
        let now = Instant::now();
        let polled: Vec<Effect<Held>> = {
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
            effects.counts = state.proxy.poll_counts();
            effects.delay = state.delay(now);
        }
        effects.to_lua(lua, &self.stanza_mt)
    }

    /// Reads and stores at once; all else is for the shim to carry out.
    fn begin(
        &self,
        lua: &Lua,
        effect: Effect<Held>,
        effects: &mut Effects,
        now: Instant,
    ) -> mlua::Result<()> {
        match effect {
            Effect::Send(stanza) => effects.stanzas.push(stanza),
            Effect::SendAgain(held, Addresses { to, from, id }) => {
                effects.requests.push(lua.registry_value(&held)?);
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

/// A verdict, what belongs to it, and the delay of the timer to set.
fn relayed<const N: usize>(
    lua: &Lua,
    words: [&str; N],
    delay: Option<Duration>,
) -> mlua::Result<MultiValue> {
    let mut values = build::strings(lua, words)?;
    if let Some(delay) = delay {
        values.push_back(Value::Number(delay.as_secs_f64()));
    }
    Ok(values)
}

/// A message, if it has a recipient and a sender.
fn message((type_, to, from, id, has_body): MessageArguments) -> Option<Message> {
    let [type_, id] = [type_, id].map(|attribute| attribute.map(text));
    Some(Message::new(text(to?), text(from?), type_, id, has_body))
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
