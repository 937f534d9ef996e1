//! One URL, seen from here: its client, and the workers that use it.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::super::attempt::PostJob;
use super::super::news::News;
use crate::engine::{Budget, Completions, Pool, Workers};
use crate::http::Client;

/// A URL's client and its workers, which are nobody else's: one that hangs with all that it may have in flight
/// takes no thread from others.
pub(super) struct Upstream {
    /// What the URL may be called in front of people.
    name: Arc<str>,
    client: Arc<Client>,
    /// Clients of before, by which attempts may still be under way.
    former: Vec<Weak<Client>>,
    workers: Workers<PostJob>,
}

impl Upstream {
    /// No thread yet. What its workers finish goes there.
    pub(super) fn new(
        name: Arc<str>,
        client: Arc<Client>,
        completions: Arc<Completions<News>>,
    ) -> Self {
        Upstream {
            name,
            client,
            former: Vec::new(),
            workers: Workers::new("http", completions),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// How many connections there may be as things are.
    pub(super) fn budget(&self) -> Budget {
        self.client.budget()
    }

    /// Uses another client and another limit from now on.
    pub(super) fn reconfigure(&mut self, name: Arc<str>, client: Arc<Client>, limit: usize) {
        self.name = name;
        let former = std::mem::replace(&mut self.client, client);
        self.former.retain(|client| client.strong_count() > 0);
        self.former.push(Arc::downgrade(&former));
        if let Some(pool) = self.workers.pool() {
            pool.reconfigure(limit, self.client.idle());
        }
    }

    /// Hands a job to the next worker that is free, once there are any. Never waits.
    pub(super) fn run(&mut self, job: PostJob) {
        self.workers.run(job);
    }

    /// When [`start`](Self::start) is to be called, if there is work and no thread for it.
    pub(super) fn start_due(&self, now: Instant) -> Option<Instant> {
        self.workers.start_due(now)
    }

    /// Starts the threads, so many at most, if there is work for them and it is worth a try.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub(super) fn start(&mut self, limit: usize, now: Instant) -> io::Result<()> {
        self.workers.start(limit, || self.client.idle(), now)
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.workers.pool().map_or(0, Pool::threads)
    }

    /// Whether the system has refused a thread since the last call.
    pub(super) fn was_refused(&self) -> bool {
        self.workers.pool().is_some_and(Pool::was_refused)
    }

    /// Ends all that is under way. Waits for no thread.
    pub(super) fn stop(self) {
        if let Some(pool) = self.workers.pool() {
            let former = self.former.iter().filter_map(Weak::upgrade);
            let clients: Vec<_> = former.chain([self.client]).collect();
            pool.stop(move || clients.iter().for_each(|client| client.shut_down()));
        }
    }
}
