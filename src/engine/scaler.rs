//! How many workers there are.
//!
//! A job occupies its worker while it waits for somebody else, so slow jobs need as many workers as there
//! are of them at a time; fast ones are served best by a few, which find the next job waiting when they
//! come back and need not be woken. The scaler, a thread of its own, tells the two apart by how long jobs
//! take, starts workers accordingly, and lets those go that had nothing to do.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::pool::{RESERVE, Shared, Task};
use super::{Job, threads};

/// So many workers are started without looking twice.
const BASE: usize = 4;

/// So many jobs per millisecond are more than Prosody's thread hands in.
const JOBS_PER_MILLISECOND: u64 = 8;

/// How long the scaler watches before it starts more: longer than a busy machine keeps a thread from
/// running as a rule.
const WATCH: Duration = Duration::from_millis(10);

/// How often it looks for workers that nobody needs.
const REVIEW: Duration = Duration::from_secs(5);

/// Starts workers, and lets them go.
pub(super) struct Scaler<J: Job> {
    shared: Arc<Shared<J>>,
    wake_ups: Receiver<()>,
}

impl<J: Job> Scaler<J> {
    /// One that looks after the threads whenever it is woken.
    pub(super) fn new(shared: Arc<Shared<J>>, wake_ups: Receiver<()>) -> Self {
        Scaler { shared, wake_ups }
    }

    /// Goes on until the end.
    pub(super) fn run(&self) {
        let interrupt = loop {
            if let Some(interrupt) = self.shared.end.get() {
                break interrupt;
            }
            match self.wake_ups.recv_timeout(REVIEW) {
                Ok(()) => self.grow(),
                Err(RecvTimeoutError::Timeout) => {
                    self.shrink();
                    if self.shared.is_at_rest() {
                        self.shared.idle().close();
                        // Nothing changes any more until somebody wakes it.
                        if self.wake_ups.recv().is_ok() {
                            self.grow();
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        interrupt();
    }

    /// Starts workers for as long as tasks wait and more workers would be of use.
    fn grow(&self) {
        let shared = &*self.shared;
        while shared.end.get().is_none() {
            let load = shared.queue.load();
            let waiting = load.items.saturating_sub(load.idle);
            let live = shared.live.load(SeqCst);
            let room = shared.limit.load(SeqCst).saturating_sub(live);
            if waiting == 0 || room == 0 {
                return;
            }
            let useful = if live < BASE { BASE } else { self.watch(live) };
            self.start_workers(waiting.min(room).min(useful.saturating_sub(live)));
        }
    }

    /// Watches how long jobs take, and returns how many workers that can occupy.
    fn watch(&self, live: usize) -> usize {
        self.shared.shortest.store(u64::MAX, SeqCst);
        std::thread::sleep(WATCH);
        match self.shared.shortest.load(SeqCst) {
            u64::MAX => 2 * live,
            micros => workers_for(micros),
        }
    }

    fn start_workers(&self, count: usize) {
        let name = format!("{}-worker", self.shared.name);
        for _ in 0..count {
            let shared = Arc::clone(&self.shared);
            self.shared.live.fetch_add(1, SeqCst);
            let started = threads::spawn(&name, move || {
                shared.work();
                shared.live.fetch_sub(1, SeqCst);
            });
            if started.is_err() {
                // The workers that there are do what they can.
                self.shared.live.fetch_sub(1, SeqCst);
                self.shared.refused.store(true, SeqCst);
                std::thread::sleep(WATCH);
                return;
            }
        }
    }

    /// Lets half of the workers go that were not needed since the last time.
    fn shrink(&self) {
        let shared = &*self.shared;
        let spare = shared.least_idle.swap(shared.queue.load().idle, SeqCst);
        let live = shared.live.load(SeqCst);
        let surplus = live.saturating_sub(shared.limit.load(SeqCst));
        let leaving = spare
            .div_ceil(2)
            .max(surplus.min(spare))
            .min(live.saturating_sub(RESERVE));
        for _ in 0..leaving {
            shared.queue.push(Task::Retire);
        }
    }
}

/// How many workers can be busy with jobs of which the shortest takes that long.
///
/// The shortest, since the others may have had to wait for the machine: then more workers would only be
/// in each other's way.
fn workers_for(shortest_micros: u64) -> usize {
    let busy = shortest_micros.saturating_mul(JOBS_PER_MILLISECOND) / 1000;
    usize::try_from(busy).unwrap_or(usize::MAX).max(BASE)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::testing::{DEADLINE, Gate, NoConnections, Waiting};
    use super::super::{Completions, Event, Pool};
    use super::*;

    #[test]
    fn workers_that_nobody_needs_go_but_for_a_reserve() {
        let completions = Arc::new(Completions::new(Event::new().unwrap()));
        let pool = Pool::start("test", 50, Arc::new(NoConnections), completions).unwrap();
        let gate = Arc::new(Gate::default());
        for id in 0..50 {
            let gate = Arc::clone(&gate);
            pool.run(Waiting { id, gate });
        }
        gate.wait_for(50);
        let scaler = Scaler::new(pool.shared(), std::sync::mpsc::channel().1);
        scaler.shrink();
        assert_eq!(scaler.shared.live.load(SeqCst), 50, "all are at work");
        gate.open();
        let deadline = Instant::now() + DEADLINE;
        while !scaler.shared.is_at_rest() {
            assert!(Instant::now() < deadline, "workers are still there");
            // Those that were told to go have gone by the next review.
            let (load, live) = (scaler.shared.queue.load(), scaler.shared.live.load(SeqCst));
            if load.items == 0 && load.idle == live {
                scaler.shrink();
            }
            std::thread::yield_now();
        }
        assert_eq!(scaler.shared.live.load(SeqCst), RESERVE);
    }

    #[test]
    fn slow_jobs_take_more_workers_than_fast_ones() {
        assert_eq!([0, 100, 500].map(workers_for), [BASE; 3]);
        assert_eq!([1_000, 20_000].map(workers_for), [8, 160]);
        assert!(workers_for(1_000_000) > 1_000 && workers_for(u64::MAX) > 1_000);
    }
}
