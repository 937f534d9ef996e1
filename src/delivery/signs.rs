//! Signs of life: what the sender of a message sees of it before and beside the replies. Whether there are any
//! is said by the stanza's [`Extensions`](crate::stanza::Extensions), of which nobody leaves what is not wanted.

use std::time::{Duration, Instant};

use rand::Rng;

use super::{Delivery, Effect, ExchangeId};
use crate::ids;
use crate::mapping::fields;
use crate::stanza::{Element, Kind, Node, Stanza, jid, ns};

/// How long an exchange takes that is too short for its sender to be shown anything.
const SHORT: Duration = Duration::from_millis(300);

/// What the sender of a message is shown of its exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Composing {
    /// Nothing, or nothing any more.
    #[default]
    No,
    /// From then on that an answer is composed.
    Due(Instant),
    /// That an answer is composed.
    Shown,
}

impl Delivery {
    /// Tells the sender of a stanza that it is accepted, if that is asked for (XEP-0184 §5.2).
    pub(super) fn give_receipt(&mut self, id: ExchangeId, rng: &mut impl Rng) {
        if let Some(exchange) = self.exchanges.get(&id)
            && exchange.stanza.extensions.asks_for_receipt
        {
            let receipt = receipt(&exchange.stanza, rng);
            self.effects.push_back(Effect::Send(receipt));
        }
    }

    /// The turn of an exchange has come: if it is not over soon, its sender sees that.
    pub(super) fn expect(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && exchange.stanza.extensions.knows_chat_states
            && exchange.composing() == Composing::No
        {
            let due = exchange.spent.arrived + SHORT;
            exchange.tried().composing = Composing::Due(due);
            self.composing.insert((due, id));
        }
    }

    /// The next sender who sees that an answer is composed.
    pub(super) fn next_composing(&mut self) -> Option<Element> {
        loop {
            let (time, id) = *self.composing.first()?;
            if self.closed || self.due.is_none_or(|due| due < time) {
                return None;
            }
            self.composing.pop_first();
            if let Some(exchange) = self.exchanges.get_mut(&id) {
                exchange.tried().composing = Composing::Shown;
                return Some(chat_state(&exchange.stanza, "composing"));
            }
        }
    }

    /// Has the replies to the sender say that the answer is there (XEP-0085 §5.1), unless they say something else.
    pub(super) fn say_active(&mut self, id: ExchangeId, replies: &mut [Element]) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        if !exchange.stanza.extensions.knows_chat_states {
            return;
        }
        let sender = jid::bare(&exchange.stanza.envelope.from);
        let mut has_replied = false;
        for reply in replies.iter_mut().filter(|it| is_chat_with(it, sender)) {
            if !has_chat_state(reply) {
                reply.children.push(Node::Element(state("active")));
            }
            has_replied = true;
        }
        if has_replied && let Composing::Due(time) = exchange.take_composing() {
            self.composing.remove(&(time, id));
        }
    }

    /// An exchange has ended: nothing is composed any more.
    pub(super) fn end_composing(&mut self, id: ExchangeId, composing: Composing, stanza: &Stanza) {
        match composing {
            Composing::No => {}
            Composing::Due(time) => {
                self.composing.remove(&(time, id));
            }
            Composing::Shown => {
                let active = chat_state(stanza, "active");
                self.effects.push_back(Effect::Send(active));
            }
        }
    }
}

fn is_chat_with(reply: &Element, bare: &str) -> bool {
    reply.name == Kind::Message.as_str()
        && reply.attr("type") == Some("chat")
        && reply.attr("to").is_some_and(|to| jid::bare(to) == bare)
}

fn has_chat_state(reply: &Element) -> bool {
    reply
        .elements()
        .any(|child| child.attr("xmlns") == Some(ns::CHAT_STATES))
}

fn receipt(message: &Stanza, rng: &mut impl Rng) -> Element {
    let envelope = &message.envelope;
    let received = Element::new("received")
        .with_attr("xmlns", ns::RECEIPTS)
        .with_opt_attr("id", envelope.id.clone());
    let mut receipt = envelope
        .reply(envelope.type_.as_deref())
        .with_child(received);
    receipt.set_attr("id", ids::random(rng));
    receipt
}

/// A message that says nothing but that, in the thread of the one that is answered (XEP-0085 §5.6).
fn chat_state(message: &Stanza, name: &'static str) -> Element {
    let envelope = &message.envelope;
    let element = Element::new(Kind::Message.as_str())
        .with_attr("to", envelope.from.clone())
        .with_attr("from", envelope.to.clone())
        .with_opt_attr("type", envelope.type_.clone());
    let element = match fields::child(message, "thread") {
        Some(thread) => element.with_text_child("thread", thread),
        None => element,
    };
    element.with_child(state(name))
}

fn state(name: &'static str) -> Element {
    Element::new(name).with_attr("xmlns", ns::CHAT_STATES)
}
