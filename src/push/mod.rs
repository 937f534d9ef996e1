//! The service speaks first: requests come in, stanzas go out, and each request is answered once.
//!
//! [`Pushes`] knows no clock, thread or socket. Something happens to it (a request is taken, a worker is
//! done, an iq is answered, a time is over), and then what follows is polled as [`Effect`]s. On Prosody's
//! thread a request costs no look at its body: a [`task`] for a worker does that. The [`driver`] brings the
//! two together.

mod counts;
mod driver;
mod fingerprint;
mod idempotency;
mod problem;
mod rates;
mod request;
mod response;
mod settings;
mod task;
#[cfg(test)]
mod tests;
mod tokens;
mod waits;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use counts::Counts;
pub use counts::FAMILIES;
pub use driver::{Driver, Step};
use fingerprint::Fingerprint;
use idempotency::{Again, Keys, Known};
pub use problem::Problem;
use rates::Rates;
use request::Resource;
pub use request::{Body, Request, below};
pub use response::Response;
pub use settings::Settings;
use task::{Done, Outcome, Sender, Task, Work};
use tokens::TokenId;
pub use waits::Asked;
use waits::Waits;

use crate::mapping::Rules;
use crate::stanza::{Element, Kind, Stanza};

/// The description of both directions (OpenAPI 3.1).
const DESCRIPTION: &[u8] = include_bytes!("openapi.json");

/// A request that is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What follows from what has happened.
#[derive(Debug)]
pub enum Effect {
    /// A worker is to do this.
    Work(Box<Task>),
    /// A stanza is to be sent.
    Send(Element),
    /// A request is to be answered.
    Respond(Ticket, Response),
}

/// The pushes of one component.
#[derive(Debug)]
pub struct Pushes {
    settings: Settings,
    sender: Arc<Sender>,
    under_way: HashMap<Ticket, Push>,
    next: u64,
    keys: Keys,
    rates: Rates,
    waits: Waits,
    effects: VecDeque<Effect>,
    is_closed: bool,
}

/// A request that has not been answered.
#[derive(Debug)]
struct Push {
    token: TokenId,
    key: Option<String>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// A worker reads it. If it is an iq, its answer is waited for so long.
    Reading(Duration),
    /// A worker looks whether it is one that was answered already.
    Recognising,
    /// It is an iq that was sent.
    Asking(Fingerprint),
}

impl Pushes {
    /// None yet, for a component with these settings and rules.
    pub fn new(settings: Settings, rules: &Rules) -> Self {
        Pushes {
            settings,
            sender: Arc::new(sender(rules, None)),
            under_way: HashMap::new(),
            next: 0,
            keys: Keys::default(),
            rates: Rates::default(),
            waits: Waits::default(),
            effects: VecDeque::new(),
            is_closed: false,
        }
    }

    /// Goes on with those of a component that was loaded before, and leaves the other with none. What is under
    /// way ends as it began.
    pub fn adopt(&mut self, old: &mut Pushes) {
        std::mem::swap(self, old);
        self.settings = old.settings.clone();
        self.sender = Arc::clone(&old.sender);
    }

    /// Takes a request in.
    pub fn admit(&mut self, request: Request, now: Instant) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        if let Err(problem) = self.begin(ticket, request, now) {
            self.respond(ticket, problem.to_response());
        }
        ticket
    }

    fn begin(&mut self, ticket: Ticket, request: Request, now: Instant) -> Result<(), Problem> {
        let resource = request.resource()?;
        if resource == Resource::Description {
            self.respond(ticket, Response::json(200, DESCRIPTION.to_vec()));
            return Ok(());
        }
        if self.is_closed {
            return Err(Problem::Ending);
        }
        let authorization = request.authorization.as_deref();
        let grant = self
            .settings
            .tokens
            .find(authorization)
            .ok_or(Problem::Unauthorized)?;
        let (token, bound_to) = (grant.token, grant.from.clone());
        let content = request.content(resource)?;
        request.body(self.settings.limit)?;
        let key = request.key()?.map(str::to_owned);
        let known = match &key {
            Some(key) => self.keys.look(token, key, now),
            None => Known::Nothing,
        };
        let (stage, work) = match known {
            Known::InUse => return Err(Problem::KeyInUse),
            Known::Answered => (Stage::Recognising, Work::Recognise(request)),
            Known::Nothing => {
                // How many stanzas there are only a worker can tell.
                self.rates
                    .take(token, 0, self.settings.rate, now)
                    .map_err(Problem::TooFast)?;
                if let Some(key) = &key {
                    self.keys.begin(token, key);
                }
                let stage = Stage::Reading(request.wait(self.settings.iq_timeout));
                let sender = self.sender_for(bound_to);
                let work = Work::Read {
                    request,
                    content,
                    sender,
                };
                (stage, work)
            }
        };
        self.under_way.insert(ticket, Push { token, key, stage });
        self.effects
            .push_back(Effect::Work(Box::new(Task { ticket, work })));
        Ok(())
    }

    fn sender_for(&self, bound_to: Option<String>) -> Arc<Sender> {
        match bound_to {
            None => Arc::clone(&self.sender),
            bound_to => Arc::new(Sender {
                host: self.sender.host.clone(),
                bound_to,
                ..*self.sender
            }),
        }
    }

    /// A worker is done with something.
    pub fn handle_done(&mut self, done: Done, now: Instant) {
        let Done { ticket, result } = done;
        // One that is not there was answered when the component ended.
        let Some(push) = self.under_way.remove(&ticket) else {
            return;
        };
        match (result, push.stage) {
            (Ok(Outcome::Stanzas(fingerprint, stanzas)), Stage::Reading(wait)) => {
                self.send(ticket, push, fingerprint, stanzas, now + wait, now);
            }
            (Ok(Outcome::Recognised(fingerprint)), _) => self.repeat(ticket, &push, fingerprint),
            (Ok(Outcome::Written(json)), Stage::Asking(fingerprint)) => {
                self.conclude(ticket, push, fingerprint, Response::json(200, json), now);
            }
            (Err(problem), Stage::Asking(fingerprint)) => {
                self.conclude(ticket, push, fingerprint, problem.to_response(), now);
            }
            (Err(problem), _) => self.fail(ticket, &push, &problem),
            (Ok(Outcome::Stanzas(..) | Outcome::Written(_)), stage) => {
                let problem = Problem::Fault(format!("{stage:?}"));
                self.fail(ticket, &push, &problem);
            }
        }
    }

    fn send(
        &mut self,
        ticket: Ticket,
        push: Push,
        fingerprint: Fingerprint,
        stanzas: Vec<Element>,
        until: Instant,
        now: Instant,
    ) {
        let asked = match stanzas.as_slice() {
            [stanza] => asked(stanza),
            _ => None,
        };
        if let Err(problem) = self.check(&push, asked.as_ref(), stanzas.len(), now) {
            return self.fail(ticket, &push, &problem);
        }
        let ids: Vec<_> = stanzas.iter().map(|stanza| stanza.attr("id")).collect();
        let response = serde_json::json!({ "ids": ids }).to_string().into_bytes();
        self.effects.extend(stanzas.into_iter().map(Effect::Send));
        match asked {
            Some(asked) => {
                self.waits.insert(asked, ticket, until);
                let stage = Stage::Asking(fingerprint);
                self.under_way.insert(ticket, Push { stage, ..push });
            }
            None => self.conclude(
                ticket,
                push,
                fingerprint,
                Response::json(202, response),
                now,
            ),
        }
    }

    /// Whether that many stanzas may be sent now, the only one of which is that iq if there is one.
    fn check(
        &mut self,
        push: &Push,
        asked: Option<&Asked>,
        stanzas: usize,
        now: Instant,
    ) -> Result<(), Problem> {
        if let Some(asked) = asked {
            if self.waits.count() >= self.settings.waiting {
                return Err(Problem::TooManyWaiting);
            }
            if self.waits.contains(asked) {
                return Err(Problem::IqInUse);
            }
        }
        self.rates
            .take(push.token, stanzas, self.settings.rate, now)
            .map_err(Problem::TooFast)
    }

    /// Whether the answer to that iq is waited for.
    pub fn awaits(&self, asked: &Asked) -> bool {
        self.waits.contains(asked)
    }

    /// That iq is answered.
    pub fn handle_answer(&mut self, asked: &Asked, answer: Stanza) {
        if let Some(ticket) = self.waits.answered(asked) {
            let work = Work::Write(answer);
            self.effects
                .push_back(Effect::Work(Box::new(Task { ticket, work })));
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waits.next_due()
    }

    /// Ends those whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(ticket) = self.waits.expired(now) {
            if let Some(push) = self.under_way.remove(&ticket)
                && let Stage::Asking(fingerprint) = push.stage
            {
                let response = Problem::NoAnswer.to_response();
                self.conclude(ticket, push, fingerprint, response, now);
            }
        }
    }

    /// Answers every request, for good: those that are under way, and those to come.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.waits = Waits::default();
        let mut tickets: Vec<_> = std::mem::take(&mut self.under_way).into_keys().collect();
        tickets.sort_unstable();
        for ticket in tickets {
            self.respond(ticket, Problem::Ending.to_response());
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// A request whose key was used before is answered as that one.
    fn repeat(&mut self, ticket: Ticket, push: &Push, fingerprint: Fingerprint) {
        let key = push.key.as_deref().unwrap_or_default();
        let response = match self.keys.again(push.token, key, fingerprint) {
            Again::Same(response) => response,
            Again::Other => Problem::OtherBody.to_response(),
            Again::Forgotten => Problem::KeyInUse.to_response(),
        };
        self.respond(ticket, response);
    }

    /// Answers a request of which something was sent.
    fn conclude(
        &mut self,
        ticket: Ticket,
        push: Push,
        fingerprint: Fingerprint,
        response: Response,
        now: Instant,
    ) {
        if let Some(key) = &push.key {
            let response = response.clone();
            self.keys.keep(push.token, key, fingerprint, response, now);
        }
        self.respond(ticket, response);
    }

    /// Answers a request of which nothing was sent, so that its key can be used for another try.
    fn fail(&mut self, ticket: Ticket, push: &Push, problem: &Problem) {
        if let Some(key) = &push.key
            && matches!(push.stage, Stage::Reading(_))
        {
            self.keys.release(push.token, key);
        }
        self.respond(ticket, problem.to_response());
    }

    fn respond(&mut self, ticket: Ticket, response: Response) {
        self.effects.push_back(Effect::Respond(ticket, response));
    }
}

fn sender(rules: &Rules, bound_to: Option<String>) -> Sender {
    Sender {
        host: rules.host.to_owned(),
        scope: rules.scope,
        validate_from: rules.validate_from,
        bound_to,
    }
}

/// What a stanza is answered by, if it is an iq that is.
fn asked(stanza: &Element) -> Option<Asked> {
    let is_request = matches!(stanza.attr("type"), Some("get" | "set"));
    if stanza.name != Kind::Iq.as_str() || !is_request {
        return None;
    }
    Some(Asked {
        from: stanza.attr("from")?.to_owned(),
        to: stanza.attr("to")?.to_owned(),
        id: stanza.attr("id")?.to_owned(),
    })
}
