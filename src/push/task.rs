//! What a worker does for a push: all that takes time.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::request::{Content, Request};
use super::{Problem, Ticket};
use crate::engine::{Completions, Job};
use crate::mapping::push;
use crate::mapping::{Rules, Scope, Speaker, request};
use crate::stanza::{Element, Stanza};

/// Something to do for a push.
#[derive(Debug)]
pub struct Task {
    /// The push.
    pub ticket: Ticket,
    /// What to do.
    pub work: Work,
}

/// What there is to do.
#[derive(Debug)]
pub enum Work {
    /// Read what is to be sent.
    Read {
        /// The request.
        request: Request,
        /// What its body holds.
        content: Content,
        /// Who sends it.
        sender: Arc<Sender>,
    },
    /// See whether a request is the one that it says to be.
    Recognise(Request),
    /// Write down the answer to an iq.
    Write(Stanza),
}

/// In whose name stanzas are sent, and by which rules.
#[derive(Debug, PartialEq, Eq)]
pub struct Sender {
    /// The component's host, prepared.
    pub host: String,
    /// Which addresses there are its own.
    pub scope: Scope,
    /// Whether stanzas have to come from one of them.
    pub validate_from: bool,
    /// The only bare JID that may be used, if there is one.
    pub bound_to: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// The push.
    pub ticket: Ticket,
    /// What came of it.
    pub result: Result<Outcome, Problem>,
}

/// What comes of work that succeeds.
#[derive(Debug)]
pub enum Outcome {
    /// These are to be sent.
    Stanzas(Fingerprint, Vec<Element>),
    /// Which request it is.
    Recognised(Fingerprint),
    /// The answer to an iq as JSON.
    Written(Vec<u8>),
}

impl Job for Task {
    type Done = Done;

    fn run(self, _: &Completions<Done>) -> Done {
        let ticket = self.ticket;
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.work.carry_out()));
        Done {
            ticket,
            result: result.unwrap_or_else(|_| Err(Problem::Fault("a worker panicked".into()))),
        }
    }
}

impl Work {
    /// Does it.
    ///
    /// # Errors
    /// If what is to be sent may not be.
    pub fn carry_out(self) -> Result<Outcome, Problem> {
        match self {
            Work::Read {
                request,
                content,
                sender,
            } => {
                let stanzas = sender.read(&request, &content)?;
                Ok(Outcome::Stanzas(Fingerprint::of(&request), stanzas))
            }
            Work::Recognise(request) => Ok(Outcome::Recognised(Fingerprint::of(&request))),
            Work::Write(stanza) => Ok(Outcome::Written(request::encode(&stanza))),
        }
    }
}

impl Sender {
    fn rules(&self) -> Rules<'_> {
        Rules {
            host: &self.host,
            scope: self.scope,
            validate_from: self.validate_from,
        }
    }

    fn read(&self, request: &Request, content: &Content) -> Result<Vec<Element>, Problem> {
        let speaker = Speaker {
            from: self.bound_to.as_deref().unwrap_or(&self.host),
            is_bound: self.bound_to.is_some(),
        };
        let (body, rules) = (request.body(usize::MAX)?, self.rules());
        let fresh_id = &mut crate::ids::fresh;
        match content {
            Content::Json => Ok(push::stanzas(body, speaker, &rules, fresh_id)?),
            Content::Xml => {
                let stanza = push::stanza(text(body)?, speaker, &rules, fresh_id)?;
                Ok(vec![stanza])
            }
            Content::Text(to, type_) => {
                let text = text(body)?;
                if text.is_empty() {
                    return Err(Problem::Malformed(
                        "the body is empty: it is the text to send".into(),
                    ));
                }
                let message = push::message(to, type_, text, speaker, &rules, fresh_id)?;
                Ok(vec![message])
            }
        }
    }
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(body).map_err(|error| {
        Problem::Malformed(format!(
            "the body is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })
}
