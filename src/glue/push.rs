//! Pushes, for `mod_component_http.lua`: requests of Prosody's HTTP server, and what they are answered.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use mlua::{BString, Lua, Table, Variadic};
use nix::errno::Errno;

use super::build;
use crate::mapping::Rules;
use crate::notes::Note;
use crate::observe::Reading;
use crate::push::{Asked, Body, Driver, Request, Response, Step, Ticket, below};
pub use crate::push::{FAMILIES, Settings};
use crate::stanza::{Element, Stanza};

/// A response that Lua keeps open, and what to answer by it.
pub type Answered = (Table, Response);

/// The pushes of a component, and the responses that are kept open.
pub struct Pushing {
    driver: Driver,
    open: HashMap<Ticket, Table>,
    step: Step,
}

impl Pushing {
    /// None yet.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new(settings: Settings, rules: &Rules) -> Result<Self, Errno> {
        Ok(Pushing {
            driver: Driver::new(settings, rules)?,
            open: HashMap::new(),
            step: Step::default(),
        })
    }

    /// What to log when the component has come up.
    pub fn introduction(&self) -> Note {
        self.driver.introduction()
    }

    /// See [`Driver::fd`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.driver.fd()
    }

    /// See [`Driver::next_due`].
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        self.driver.next_due(now)
    }

    /// Takes a request in, which is to be answered by that response.
    pub fn admit(&mut self, response: Table, request: Request, now: Instant) {
        let ticket = self.driver.admit(request, now, &mut self.step);
        self.open.insert(ticket, response);
    }

    /// See [`Driver::wake`].
    pub fn wake(&mut self, now: Instant) {
        self.driver.wake(now, &mut self.step);
    }

    /// See [`Driver::readings`].
    pub fn readings(&mut self) -> Vec<Reading> {
        self.driver.readings()
    }

    /// See [`Driver::threads`].
    pub fn threads(&self) -> usize {
        self.driver.threads()
    }

    /// See [`Driver::awaits`].
    pub fn awaits(&self, asked: &Asked) -> bool {
        self.driver.awaits(asked)
    }

    /// That stanza is the answer to an iq.
    pub fn answer(&mut self, answer: Stanza, now: Instant) {
        let envelope = &answer.envelope;
        let asked = Asked {
            from: envelope.to.clone(),
            to: envelope.from.clone(),
            id: envelope.id.clone().unwrap_or_default(),
        };
        self.driver.answer(&asked, answer, now, &mut self.step);
    }

    /// See [`Driver::close`].
    pub fn close(&mut self, now: Instant) {
        self.driver.close(now, &mut self.step);
    }

    /// Goes on with the pushes of a component that was loaded before.
    pub fn adopt(&mut self, old: &mut Pushing) {
        self.driver.adopt(&mut old.driver);
        std::mem::swap(&mut self.open, &mut old.open);
        std::mem::swap(&mut self.step, &mut old.step);
    }

    /// What is to be sent, to be told and to be answered.
    pub fn take(&mut self) -> (Vec<Element>, Vec<Note>, Vec<Answered>) {
        let step = std::mem::take(&mut self.step);
        let open = &mut self.open;
        let answered = step
            .responses
            .into_iter()
            .filter_map(|(ticket, response)| Some((open.remove(&ticket)?, response)))
            .collect();
        (step.stanzas, step.notes, answered)
    }
}

/// What a request is handed in as, one by one, since a table would cost more than all else: the response to it; the
/// method; the path as it was sent, and the path of the component as Prosody has decoded it; the query; the body,
/// which is `nil` if it is longer than Prosody takes; and the headers `Authorization`, `Content-Type`,
/// `Idempotency-Key`, `Prefer` and `Transfer-Encoding`.
pub type Arguments = (
    Table,
    BString,
    BString,
    BString,
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<BString>,
    Option<BString>,
);

/// The response to a request that is to be kept open, and the request.
pub fn request(
    (
        response,
        method,
        path,
        base,
        query,
        body,
        authorization,
        content_type,
        idempotency_key,
        prefer,
        transfer_encoding,
    ): Arguments,
) -> (Table, Request) {
    let request = Request {
        method: text(method),
        path: below(&text(path), &text(base)).to_owned(),
        query: query.map(text),
        authorization: authorization.map(text),
        content_type: content_type.map(text),
        idempotency_key: idempotency_key.map(text),
        prefer: prefer.map(text),
        transfer_encoding: transfer_encoding.map(text),
        body: body.map_or(Body::TooLong, |body| Body::Whole(body.into())),
    };
    (response, request)
}

/// What an iq is the answer to, if it has all that it takes.
pub fn asked(from: Option<BString>, to: Option<BString>, id: Option<BString>) -> Option<Asked> {
    Some(Asked {
        from: text(to?),
        to: text(from?),
        id: text(id?),
    })
}

/// A list of responses, each followed by its status, its media type, its body, and the name and the
/// value of one more header, or twice false; none for no response.
///
/// # Errors
/// If Lua runs out of memory.
pub fn responses(lua: &Lua, answered: Vec<Answered>) -> mlua::Result<Option<Table>> {
    if answered.is_empty() {
        return Ok(None);
    }
    let (open, responses): (Vec<Table>, Vec<Response>) = answered.into_iter().unzip();
    build::responses(lua, Variadic::from(open), &responses).map(Some)
}

/// What is not UTF-8 is replaced.
fn text(bytes: BString) -> String {
    String::from_utf8(bytes.into())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
