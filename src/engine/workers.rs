//! A [`Pool`] that is started when there is work for it, and later if the system has no thread to give.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Completions, Idle, Job, Pool};

/// When to try again after the system had no thread to give.
const RETRY: Duration = Duration::from_secs(1);

/// Workers that do jobs, once they are there.
pub struct Workers<J: Job> {
    name: &'static str,
    state: State<J>,
    completions: Arc<Completions<J::Done>>,
}

enum State<J: Job> {
    /// No thread yet, and none before that time.
    Unstarted {
        jobs: Vec<J>,
        not_before: Option<Instant>,
    },
    Running(Pool<J>),
}

impl<J: Job> Workers<J> {
    /// No thread yet. The names of the threads will begin with that one; what they finish goes there.
    pub fn new(name: &'static str, completions: Arc<Completions<J::Done>>) -> Self {
        Workers {
            name,
            state: State::Unstarted {
                jobs: Vec::new(),
                not_before: None,
            },
            completions,
        }
    }

    /// Hands a job to the next worker that is free, once there are any. Never waits.
    pub fn run(&mut self, job: J) {
        match &mut self.state {
            State::Unstarted { jobs, .. } => jobs.push(job),
            State::Running(pool) => pool.run(job),
        }
    }

    /// When [`start`](Self::start) is to be called, if there is work and no thread for it.
    pub fn start_due(&self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Unstarted { jobs, not_before } if !jobs.is_empty() => {
                Some(not_before.unwrap_or(now))
            }
            _ => None,
        }
    }

    /// Starts the threads, so many at most, if there is work for them and it is worth a try. What `idle` gives is
    /// closed when there is nothing to do.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(
        &mut self,
        limit: usize,
        idle: impl FnOnce() -> Arc<dyn Idle>,
        now: Instant,
    ) -> io::Result<()> {
        let is_due = self.start_due(now).is_some_and(|due| due <= now);
        if let State::Unstarted { jobs, not_before } = &mut self.state
            && is_due
        {
            *not_before = Some(now + RETRY);
            let pool = Pool::start(self.name, limit, idle(), Arc::clone(&self.completions))?;
            jobs.drain(..).for_each(|job| pool.run(job));
            self.state = State::Running(pool);
        }
        Ok(())
    }

    /// The threads, if they have been started.
    pub fn pool(&self) -> Option<&Pool<J>> {
        match &self.state {
            State::Unstarted { .. } => None,
            State::Running(pool) => Some(pool),
        }
    }
}
