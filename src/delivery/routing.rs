//! Where exchanges go, and how they go elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backend::Backend;
use super::exchange::{Exchange, State};
use super::lanes::Conversation;
use super::outage::Sweep;
use super::{AT_A_TIME, BackendId, Delivery, ExchangeId, Limits, Plan};
use crate::stanza::{Envelope, jid};

impl Delivery {
    /// Changes the limits, and where stanzas go, for what comes next. What was admitted keeps its lane and its
    /// deadline, and what is in flight, beyond a new limit or to a URL that is no longer named, ends as it would
    /// have. What is known of the services is forgotten: they may be others.
    pub fn reconfigure(&mut self, limits: Limits, plan: &Plan) {
        self.limits = limits;
        self.sweep = Sweep::default();
        let mut known = BTreeMap::new();
        for (id, backend) in &mut self.backends {
            backend.is_former = true;
            backend.breaker.reset();
            backend.alternatives.clear();
            known.insert(Arc::clone(backend.target.identity()), id);
        }
        let targets = plan.targets.iter();
        self.planned = targets
            .map(|target| match known.get(target.identity()) {
                Some(id) => {
                    let backend = &mut self.backends[*id];
                    backend.target = target.clone();
                    backend.is_former = false;
                    *id
                }
                None => self.backends.insert(Backend::new(target.clone())),
            })
            .collect();
        self.routes = plan.routes(&self.planned);
        for group in self.routes.groups() {
            for id in group.ids() {
                let others = group.ids().filter(|other| *other != id);
                self.backends[id].alternatives.extend(others);
            }
        }
        self.forget_former();
        // What waits at the only one is where it has to be.
        let is_simple = self.backends.len() == 1 && self.routes.only().is_some();
        if !is_simple && !self.exchanges.is_empty() {
            self.moving = Some(0);
            self.is_rerouting = true;
        }
    }

    /// The backends that the targets of the plan have become, in the same order.
    pub fn backends(&self) -> &[BackendId] {
        &self.planned
    }

    /// Whether there is, or may still be, something at that backend.
    pub fn has_backend(&self, id: BackendId) -> bool {
        self.backends.contains(id)
    }

    /// Where a stanza is to be attempted, after the backend that it leaves if it does; `None` if there is no
    /// service for its addressee.
    ///
    /// A conversation that has something in flight stays there, unless that one is down.
    pub(super) fn destination(
        &self,
        envelope: &Envelope,
        conversation: Option<&Conversation>,
        left: Option<BackendId>,
    ) -> Option<BackendId> {
        if let Some(only) = self.routes.only() {
            return Some(only);
        }
        let group = self.routes.of(jid::node(&envelope.to))?;
        if let Some(only) = group.only() {
            return Some(only);
        }
        let made;
        let conversation = match conversation {
            Some(conversation) => conversation,
            None => {
                made = Conversation::of(envelope);
                &made
            }
        };
        let stays = |id: &BackendId| group.contains(*id) && !self.backends[*id].breaker.is_open();
        let takes = |id: BackendId| match self.now {
            Some(now) => self.backends[id].takes(&self.limits, now),
            None => true,
        };
        let there = self.whereabouts.of(conversation).find(stays);
        there.or_else(|| group.choose(conversation, left, takes))
    }

    /// The same for an exchange.
    pub(super) fn destination_of(&self, exchange: &Exchange) -> Option<BackendId> {
        let envelope = &exchange.stanza.envelope;
        let left = exchange.tried.as_ref().and_then(|tried| tried.left);
        self.destination(envelope, exchange.lane.as_ref(), left)
    }

    /// Lets an exchange wait for its turn, where it is to be attempted.
    pub(super) fn make_ready(&mut self, id: ExchangeId) {
        if self.closed || !self.settle(id) {
            return;
        }
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.state = State::Ready;
            let senders = &mut self.backends[exchange.backend].senders;
            senders.push(exchange.sender, id, self.limits.share());
        }
    }

    /// Has an exchange that waits where it is to be attempted. Returns whether that is anywhere.
    fn settle(&mut self, id: ExchangeId) -> bool {
        let Some(exchange) = self.exchanges.get(&id) else {
            return false;
        };
        let to = self.destination_of(exchange);
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return false;
        };
        let Some(to) = to else {
            exchange.state = State::Nowhere;
            self.late.push_back(id);
            return false;
        };
        if to != exchange.backend {
            let bytes = exchange.stanza.xml.len();
            let before = &mut self.backends[exchange.backend].senders;
            before.leave(exchange.sender, id, bytes);
            exchange.backend = to;
            let name = jid::bare(&exchange.stanza.envelope.from);
            exchange.sender = self.backends[to].senders.enter(name, bytes);
        }
        true
    }

    /// Goes on with having exchanges go where they have to.
    pub(super) fn move_on(&mut self) {
        let Some(from) = self.moving.take() else {
            return;
        };
        let next = self.exchanges.range(from..).take(AT_A_TIME);
        let next: Vec<ExchangeId> = next.map(|(id, _)| *id).collect();
        if next.len() == AT_A_TIME {
            self.moving = next.last().map(|last| last + 1);
        } else {
            self.is_rerouting = false;
        }
        for id in next {
            let ready_at = self
                .exchanges
                .get(&id)
                .and_then(|exchange| (exchange.state == State::Ready).then_some(exchange.backend));
            if let Some(before) = ready_at {
                self.move_if_need_be(id, before);
            }
        }
    }

    fn move_if_need_be(&mut self, id: ExchangeId, before: BackendId) {
        if !self.settle(id) {
            return;
        }
        if let Some(exchange) = self.exchanges.get(&id)
            && exchange.backend != before
        {
            let senders = &mut self.backends[exchange.backend].senders;
            senders.push(exchange.sender, id, self.limits.share());
        }
    }

    /// An attempt has ended that held its conversation at that backend.
    pub(super) fn leave(&mut self, conversation: Option<Conversation>, at: BackendId) {
        if let Some(conversation) = conversation {
            self.whereabouts.end(conversation, at);
        }
    }

    /// Forgets backends that the options name no more, once nothing is there.
    pub(super) fn forget_former(&mut self) {
        self.backends
            .retain(|_, backend| !backend.is_former || !backend.senders.is_empty());
    }
}
