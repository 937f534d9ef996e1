//! What holds of a stanza before it is sent: its addresses, its id, and what iqs and rooms ask for.

use super::Unusable;
use super::reply::{Context, Origin};
use crate::stanza::jid::InvalidJid;
use crate::stanza::{Element, Envelope, Kind, jid};

/// What a component may send.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Its host, prepared.
    pub host: &'a str,
    /// Which addresses there are its own.
    pub scope: Scope,
    /// Whether what it sends has to come from one of them.
    pub validate_from: bool,
}

/// Whose stanzas a component takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A host of its own: every JID at it.
    Component,
    /// A host with accounts: only what is addressed to the host itself.
    VirtualHost,
}

impl Rules<'_> {
    /// Whether a prepared address is one that this component answers for: at a host of its own any
    /// there, at a host with accounts only the host's.
    pub fn is_own(&self, address: &str) -> bool {
        jid::domain(address) == self.host
            && (self.scope == Scope::Component || jid::node(address).is_none())
    }

    /// Whether a stanza is for the component itself, to which it would come back as a request.
    pub(super) fn is_for_itself(&self, stanza: &Element) -> bool {
        stanza.attr("to").is_some_and(|to| self.is_own(to))
    }
}

/// Sees to a prepared `to` and a prepared `from` of this component.
pub(super) fn address(element: &mut Element, context: &Context) -> Result<(), Unusable> {
    let (origin, rules) = (context.origin, context.rules);
    let to = match (element.attr("to"), origin) {
        (Some(to), _) => prepared(to, origin).map_err(|_| Unusable::InvalidJid("to"))?,
        (None, Origin::Answer(request)) if request.is_groupchat() => {
            jid::bare(&request.from).to_owned()
        }
        (None, Origin::Answer(request)) => request.from.clone(),
        (None, Origin::Push(_)) => return Err(Unusable::NoRecipient),
    };
    let from = match (element.attr("from"), origin) {
        (Some(from), _) => prepared(from, origin).map_err(|_| Unusable::InvalidJid("from"))?,
        (None, Origin::Answer(request)) => request.to.clone(),
        (None, Origin::Push(speaker)) => speaker.from.to_owned(),
    };
    match origin {
        Origin::Push(speaker) if speaker.is_bound => {
            if jid::bare(&from) != speaker.from {
                return Err(Unusable::ForeignFrom);
            }
        }
        Origin::Answer(_) | Origin::Push(_) => {
            if rules.validate_from && !rules.is_own(&from) {
                return Err(Unusable::ForeignFrom);
            }
        }
    }
    if matches!(origin, Origin::Push(_)) && rules.is_own(&to) {
        return Err(Unusable::ToItself);
    }
    element.set_attr("to", to);
    element.set_attr("from", from);
    Ok(())
}

/// The address as it is sent. One that came with the request is what Prosody itself has made of it, and
/// stays so, whichever library Prosody does that with.
fn prepared(address: &str, origin: Origin) -> Result<String, InvalidJid> {
    let came_along = origin.request().is_some_and(|request| {
        [&request.from, &request.to]
            .into_iter()
            .any(|known| known == address || jid::bare(known) == address)
    });
    if came_along && !address.is_empty() {
        Ok(address.to_owned())
    } else {
        jid::prepare(address)
    }
}

/// Sees to an id: the request's on the answer to an iq, else a fresh one where there is none.
///
/// A stanza given as XML is sent as it is and left alone, but for an iq, which must have one (RFC 6120
/// §8.2.3), and a message to a room, which is known by its id when the room sends it back.
pub(super) fn identify(kind: Kind, element: &mut Element, context: &mut Context) {
    if element.attr("id").is_some_and(|id| !id.is_empty()) {
        return;
    }
    let asked = context
        .origin
        .request()
        .and_then(|request| request.id.as_ref());
    let id = match asked {
        Some(id) if kind == Kind::Iq && is_iq_answer(element) => id.clone(),
        _ => (context.fresh_id)(),
    };
    element.set_attr("id", id);
}

fn is_iq_answer(element: &Element) -> bool {
    matches!(element.attr("type"), Some("result" | "error"))
}

/// Whether a reply is the answer to the iq that was POSTed.
pub fn answers(element: &Element, request: &Envelope) -> bool {
    request.is_request()
        && element.name == Kind::Iq.as_str()
        && is_iq_answer(element)
        && element.attr("to") == Some(&request.from)
        && element.attr("from") == Some(&request.to)
        && element.attr("id") == request.id.as_deref()
}

/// RFC 6120 §8.2.3: the four types; one child in a request; at most one in a result; an error in an
/// error; and a result or error only as the answer to a request.
pub(super) fn iq(element: &Element, request: Option<&Envelope>) -> Result<(), Unusable> {
    let children = element.elements().count();
    let well_formed = match element.attr("type") {
        Some("get" | "set") => children == 1,
        Some("result") => children <= 1,
        Some("error") => element.child("error", None).is_some(),
        _ => false,
    };
    if !well_formed {
        return Err(Unusable::ForbiddenIq);
    }
    if is_iq_answer(element) && !request.is_some_and(|request| answers(element, request)) {
        return Err(Unusable::UnrequestedIq);
    }
    Ok(())
}

/// A room throws out an occupant that answers it with an error.
pub(super) fn room_error(element: &Element, request: Option<&Envelope>) -> Result<(), Unusable> {
    let Some(request) = request else {
        return Ok(());
    };
    let to_room = || {
        element
            .attr("to")
            .is_some_and(|to| jid::bare(to) == jid::bare(&request.from))
    };
    if request.is_groupchat() && element.attr("type") == Some("error") && to_room() {
        return Err(Unusable::ErrorToRoom);
    }
    Ok(())
}
