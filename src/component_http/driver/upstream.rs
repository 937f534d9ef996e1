//! One URL, seen from here: its client, and the workers that use it.

use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::super::attempt::PostJob;
use super::super::news::News;
use crate::engine::{Budget, Completions, Pool};
use crate::http::Client;

/// When to try again after the system had no thread to give.
const RETRY: Duration = Duration::from_secs(1);

/// A URL's client and its workers, which are nobody else's: one that hangs with all that it may have in flight
/// takes no thread from others.
pub(super) struct Upstream {
    /// What the URL may be called in front of people.
    name: Arc<str>,
    client: Arc<Client>,
    /// Clients of before, by which attempts may still be under way.
    former: Vec<Weak<Client>>,
    workers: Workers,
    completions: Arc<Completions<News>>,
}

enum Workers {
    /// No thread yet, and none before that time.
    None {
        jobs: Vec<PostJob>,
        not_before: Option<Instant>,
    },
    Running(Pool<PostJob>),
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
            workers: Workers::None {
                jobs: Vec::new(),
                not_before: None,
            },
            completions,
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
        if let Workers::Running(pool) = &self.workers {
            pool.reconfigure(limit, self.client.idle());
        }
    }

    /// Hands a job to the next worker that is free, once there are any. Never waits.
    pub(super) fn run(&mut self, job: PostJob) {
        match &mut self.workers {
            Workers::None { jobs, .. } => jobs.push(job),
            Workers::Running(pool) => pool.run(job),
        }
    }

    /// When [`start`](Self::start) is to be called, if there is work and no thread for it.
    pub(super) fn start_due(&self, now: Instant) -> Option<Instant> {
        match &self.workers {
            Workers::None { jobs, not_before } if !jobs.is_empty() => {
                Some(not_before.unwrap_or(now))
            }
            _ => None,
        }
    }

    /// Starts the threads, so many at most, if there is work for them and it is worth a try.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub(super) fn start(&mut self, limit: usize, now: Instant) -> io::Result<()> {
        let is_due = self.start_due(now).is_some_and(|due| due <= now);
        let Workers::None { jobs, not_before } = &mut self.workers else {
            return Ok(());
        };
        if !is_due {
            return Ok(());
        }
        let (idle, completions) = (self.client.idle(), Arc::clone(&self.completions));
        *not_before = Some(now + RETRY);
        let pool = Pool::start("http", limit, idle, completions)?;
        jobs.drain(..).for_each(|job| pool.run(job));
        self.workers = Workers::Running(pool);
        Ok(())
    }

    /// Whether the system has refused a thread since the last call.
    pub(super) fn was_refused(&self) -> bool {
        match &self.workers {
            Workers::None { .. } => false,
            Workers::Running(pool) => pool.was_refused(),
        }
    }

    /// Ends all that is under way. Waits for no thread.
    pub(super) fn stop(self) {
        if let Workers::Running(pool) = self.workers {
            let former = self.former.iter().filter_map(Weak::upgrade);
            let clients: Vec<_> = former.chain([self.client]).collect();
            pool.stop(move || clients.iter().for_each(|client| client.shut_down()));
        }
    }
}
