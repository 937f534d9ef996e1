//! Stanzas that are sent on: what crosses the border are their addresses, and what becomes of them.
//!
//! Nothing but strings is handed over, which costs less than a walk over the table.

use std::cell::RefCell;
use std::ffi::c_int;
use std::rc::Rc;
use std::time::Instant;

use mlua::{BString, Function, Lua, MultiValue, UserDataMethods};

use super::{Component, State};
use crate::client_proxy::pending::Addresses;
use crate::client_proxy::{Held, Message, MessageVerdict, Origin, Unreachable, Verdict};
use crate::glue::call::{self, Arguments, Call, Returned};
use crate::glue::effects::Effects;
use crate::glue::reference::{Dropped, Reference};
use crate::stanza::{Envelope, Kind};

/// The attribute of a stanza.
pub type Attribute = Option<BString>;

/// `type`, `to`, `from` and `id` of a stanza.
type Attributes = [Option<String>; 4];

/// The methods by which stanzas are sent on.
pub fn add_methods<M: UserDataMethods<Component>>(methods: &mut M) {
    methods.add_method("relays", Component::relays);
    methods.add_method("error", Component::error);
    methods.add_method("unsent", Component::unsent);
    methods.add_method("carries_messages", |_, this, ()| Ok(this.settings.messages));
    methods.add_method("message_unsent", Component::message_unsent);
}

/// `relay_iq(type, to, from, id, stanza)`: takes an iq in. The stanza itself is wanted only if it may be sent
/// more than once, which is for a get. Returns what becomes of it:
///
/// - `"relayed", to, from, id, delay`: it is to be sent on with these addresses, and `timeout` to be called in
///   that many seconds, or as is under way already.
/// - `"settled"`: it is seen to; what follows from it is to be polled.
/// - `"stray"`: it is an answer, and nobody here waits for it; what follows from it is to be polled.
struct RelayIq(Relay);

/// `relay_message(type, to, from, id, has_body)`: takes a message in, if messages are carried. Returns what
/// becomes of it:
///
/// - `"to_target", to, from, id, delay`: it is to be sent on with these addresses, and to be copied to nobody;
///   the delay is as above.
/// - `"to_requester", to, from, id, delay`: it is to be sent on with these addresses.
/// - `"settled"`: it is seen to; what follows from it is to be polled.
struct RelayMessage(Relay);

/// What both work with.
#[derive(Clone)]
struct Relay {
    state: Rc<RefCell<State>>,
    dropped: Dropped,
}

impl Call for RelayIq {
    fn call(&self, arguments: &Arguments<'_>, held: Option<Held<Reference>>) -> Returned {
        let now = Instant::now();
        let state = &mut *self.0.state.borrow_mut();
        let Some(envelope) = envelope(attributes(arguments)) else {
            return Returned::verdict("settled");
        };
        let verdict = state.proxy.iq(envelope, held, now, &mut rand::rng());
        state.judged(verdict, now)
    }

    fn dropped(&self) -> &Dropped {
        &self.0.dropped
    }
}

impl Call for RelayMessage {
    fn call(&self, arguments: &Arguments<'_>, _: Option<Held<Reference>>) -> Returned {
        let now = Instant::now();
        let state = &mut *self.0.state.borrow_mut();
        let Some(message) = message(attributes(arguments), arguments.flag()) else {
            return Returned::verdict("settled");
        };
        let (verdict, to, from) = match state.proxy.message(&message, now, &mut rand::rng()) {
            MessageVerdict::ToTarget { to, from } => ("to_target", to, from),
            MessageVerdict::ToRequester { to, from } => ("to_requester", to, from),
            MessageVerdict::Settled => return Returned::verdict("settled"),
        };
        Returned {
            verdict,
            addresses: Some([Some(to), Some(from), message.envelope.id]),
            delay: state.delay(now),
        }
    }

    fn dropped(&self) -> &Dropped {
        &self.0.dropped
    }
}

impl State {
    /// What to return for an iq.
    fn judged(&mut self, verdict: Verdict, now: Instant) -> Returned {
        match verdict {
            Verdict::Relayed(Addresses { to, from, id }) => Returned {
                verdict: "relayed",
                addresses: Some([Some(to), Some(from), Some(id)]),
                delay: self.delay(now),
            },
            Verdict::Settled => Returned::verdict("settled"),
            Verdict::Stray => Returned::verdict("stray"),
        }
    }
}

impl Component {
    /// `proxy:relays()`: the functions `relay_iq` and `relay_message`.
    fn relays(lua: &Lua, this: &Self, (): ()) -> mlua::Result<(Function, Function)> {
        let relay = Relay {
            state: Rc::clone(&this.state),
            dropped: this.dropped.clone(),
        };
        let relay_iq = call::function(lua, RelayIq(relay.clone()))?;
        Ok((relay_iq, call::function(lua, RelayMessage(relay))?))
    }

    /// `proxy:error(origin, condition, to, from, id)`: takes in an iq of type error that came from no stream,
    /// but from a `"host"` of this server or a failed `"connection"` to another one. Returns what `relay_iq`
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
        let [to, from, id] = [to, from, id].map(|attribute| attribute.map(text));
        let returned = {
            let (state, now) = (&mut *this.state.borrow_mut(), Instant::now());
            match (
                envelope([Some("error".to_owned()), to, from, id]),
                unreachable,
            ) {
                (None, _) => Returned::verdict("settled"),
                (Some(envelope), Some(unreachable)) => {
                    let rng = &mut rand::rng();
                    let verdict = state.proxy.undeliverable(envelope, unreachable, now, rng);
                    state.judged(verdict, now)
                }
                (Some(envelope), None) => {
                    let verdict = state.proxy.iq(envelope, None, now, &mut rand::rng());
                    state.judged(verdict, now)
                }
            }
        };
        returned.to_lua(lua)
    }

    /// `proxy:message_unsent(type, to, from, id, has_body)`: a message that came with these attributes could not
    /// be sent on.
    fn message_unsent(
        lua: &Lua,
        this: &Self,
        (type_, to, from, id, has_body): (Attribute, Attribute, Attribute, Attribute, bool),
    ) -> mlua::Result<MultiValue> {
        this.step(lua, |state, _| {
            let attributes = [type_, to, from, id].map(|attribute| attribute.map(text));
            if let Some(message) = message(attributes, has_body) {
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
}

/// The attributes that a function is called with.
fn attributes(arguments: &Arguments<'_>) -> Attributes {
    let attribute = |number: c_int| arguments.string(number).map(String::from);
    [1, 2, 3, 4].map(attribute)
}

/// A message, if it has a recipient and a sender.
fn message([type_, to, from, id]: Attributes, has_body: bool) -> Option<Message> {
    Some(Message::new(to?, from?, type_, id, has_body))
}

/// An iq's envelope, if it has a recipient and a sender.
fn envelope([type_, to, from, id]: Attributes) -> Option<Envelope> {
    Some(Envelope {
        kind: Kind::Iq,
        to: to?,
        from: from?,
        type_,
        id,
        says_nothing: false,
    })
}

/// What is not UTF-8, which Prosody lets through before 0.11, is replaced.
pub fn text(bytes: BString) -> String {
    String::from_utf8(bytes.into())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
