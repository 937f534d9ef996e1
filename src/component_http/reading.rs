//! Reads an answer that comes bit by bit: what a worker does from its head on.
//!
//! Prosody's thread gets nothing but stanzas that are to be sent. It is the worker who keeps the time, of the
//! answer as of a message that grows, since it waits with a time-out anyway.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Settings;
use super::live::{Live, TooLong};
use super::news::News;
use crate::delivery::{AttemptEnd, AttemptFailure, ExchangeId, NoAnswer, Unfinished};
use crate::engine::{Completions, Lead};
use crate::http::{ItemStream, Next};
use crate::ids;
use crate::mapping::Unusable;
use crate::mapping::item::{Item, ItemReader};
use crate::stanza::{Element, Stanza};

/// So many bytes may wait for Prosody's thread of each answer.
const LEAD: usize = 64 * 1024;

/// As many bytes as an item counts for at least: it is not for its size that a small one takes time.
const LEAST: usize = 2 * 1024;

/// How long a worker waits for Prosody's thread until it looks whether it is still wanted.
const PATIENCE: Duration = Duration::from_millis(100);

/// The message of an exchange that grows, for its worker and for whoever ends the exchange.
#[derive(Debug)]
pub struct SharedLive(Mutex<Live>);

impl SharedLive {
    pub fn new(limit: usize) -> Self {
        SharedLive(Mutex::new(Live::new(limit)))
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unfinished for SharedLive {
    fn break_off(&self) -> Option<Element> {
        self.lock().break_off(&mut ids::fresh)
    }
}

/// An answer that is being read.
pub struct Reading<'a> {
    id: ExchangeId,
    stanza: &'a Arc<Stanza>,
    settings: &'a Settings,
    items: ItemReader<'a>,
    live: &'a SharedLive,
    lead: Lead,
    done: &'a Completions<News>,
    /// When it has to have ended.
    until: Instant,
    /// How many stanzas have been handed over.
    pub sent: usize,
}

impl<'a> Reading<'a> {
    /// The answer to a stanza, of which nothing has been read yet.
    pub fn new(
        id: ExchangeId,
        stanza: &'a Arc<Stanza>,
        settings: &'a Settings,
        live: &'a SharedLive,
        done: &'a Completions<News>,
        begun: Instant,
    ) -> Self {
        Reading {
            id,
            stanza,
            settings,
            items: ItemReader::new(&stanza.envelope, settings.rules()),
            live,
            lead: Lead::new(LEAD),
            done,
            until: begun + settings.stream_timeout,
            sent: 0,
        }
    }

    /// Reads it to its end, and hands over all but what is to be sent last.
    pub fn read(&mut self, mut stream: ItemStream) -> AttemptEnd {
        let mut last_item = Instant::now();
        loop {
            let now = Instant::now();
            if now >= self.until {
                return Err(NoAnswer::Endless.into());
            }
            let version = self.live.lock().version(now, &mut ids::fresh);
            if let Some(version) = version {
                self.send(version, LEAST)?;
            }
            let stalled = last_item + self.settings.timeout;
            let until = stalled.min(self.until);
            let due = self.live.lock().due().unwrap_or(until);
            match stream.next(until.min(due))? {
                Next::Item(item) => {
                    self.take(&item)?;
                    last_item = Instant::now();
                }
                Next::Nothing if stalled <= Instant::now() && stalled < self.until => {
                    return Err(NoAnswer::Stalled.into());
                }
                Next::Nothing => {}
                Next::End => {
                    let last = self.live.lock().complete(&mut ids::fresh);
                    let rest: Vec<Element> = last.into_iter().chain(self.items.end()).collect();
                    self.sent += rest.len();
                    return Ok(rest);
                }
            }
        }
    }

    fn take(&mut self, item: &[u8]) -> Result<(), AttemptFailure> {
        let read = self.items.read(item, &mut ids::fresh);
        match read.map_err(AttemptFailure::Unusable)? {
            Item::Nothing => Ok(()),
            Item::Begin(message, text) => {
                self.live.lock().begin(message);
                self.grow(&text)
            }
            Item::Delta(text) => self.grow(&text),
            Item::Stanza(stanza) => {
                let grown = self.live.lock().complete(&mut ids::fresh);
                for stanza in grown.into_iter().chain(stanza) {
                    self.send(stanza, item.len())?;
                }
                Ok(())
            }
        }
    }

    fn grow(&mut self, text: &str) -> Result<(), AttemptFailure> {
        if self.is_over() {
            return Err(AttemptFailure::NotMade);
        }
        let grown = self.live.lock().grow(text, Instant::now());
        grown.map_err(|TooLong| {
            AttemptFailure::Unusable(Unusable::TooLong(self.settings.response_limit))
        })
    }

    /// Hands a stanza over, once there is not too much that waits for Prosody's thread.
    fn send(&mut self, reply: Element, size: usize) -> Result<(), AttemptFailure> {
        loop {
            if self.is_over() {
                return Err(AttemptFailure::NotMade);
            }
            if let Some(weight) = self.lead.add(size.max(LEAST), PATIENCE) {
                self.sent += 1;
                self.done.push(News::Item {
                    id: self.id,
                    reply,
                    weight,
                });
                return Ok(());
            }
            if Instant::now() >= self.until {
                return Err(NoAnswer::Endless.into());
            }
        }
    }

    /// Whether the exchange has ended meanwhile: then nobody else keeps its stanza.
    fn is_over(&self) -> bool {
        Arc::strong_count(self.stanza) == 1
    }
}
