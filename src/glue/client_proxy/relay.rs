//! Stanzas that are sent on: what crosses the border are their addresses, and what becomes of them.
//!
//! Nothing but strings is handed over, which costs less than a walk over the table.

use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{BString, IntoLuaMulti, Lua, MultiValue, Table, UserDataMethods, Value};

use super::{Component, State};
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::{Held, Message, MessageVerdict, Origin, Unreachable, Verdict};
use crate::glue::build;
use crate::glue::effects::Effects;
use crate::glue::weight::weight;
use crate::stanza::{Envelope, Kind};

/// The attribute of a stanza.
pub type Attribute = Option<BString>;

/// `type`, `to`, `from` and `id` of a message, and whether it has a body.
type MessageArguments = (Attribute, Attribute, Attribute, Attribute, bool);

/// The methods by which stanzas are sent on.
pub fn add_methods<M: UserDataMethods<Component>>(methods: &mut M) {
    methods.add_method("iq", Component::iq);
    methods.add_method("error", Component::error);
    methods.add_method("unsent", Component::unsent);
    methods.add_method("carries_messages", |_, this, ()| Ok(this.settings.messages));
    methods.add_method("message", Component::message);
    methods.add_method("message_unsent", Component::message_unsent);
}

impl Component {
    /// `proxy:iq(type, to, from, id, stanza)`: takes an iq in. The stanza itself is wanted only if it may be
    /// sent more than once, which is for a get. Returns what becomes of it:
    ///
    /// - `"relayed", to, from, id, delay`: it is to be sent on with these addresses, and `timeout` to be
    ///   called in that many seconds, or as is under way already.
    /// - `"settled"`: it is seen to; what follows from it is to be polled.
    /// - `"stray"`: it is an answer, and nobody here waits for it; what follows from it is to be polled.
    fn iq(
        lua: &Lua,
        this: &Self,
        (type_, to, from, id, stanza): (Attribute, Attribute, Attribute, Attribute, Option<Table>),
    ) -> mlua::Result<MultiValue> {
        let held = match stanza {
            Some(stanza) => Some(Held {
                bytes: weight(lua, &stanza)?,
                stanza: Rc::new(lua.create_registry_value(stanza)?),
            }),
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
pub fn text(bytes: BString) -> String {
    String::from_utf8(bytes.into())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
