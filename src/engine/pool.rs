//! Worker threads: none before the first job, as many as are needed then, a few in the end.
//!
//! A job occupies its worker while it waits for somebody else, so slow jobs need as many workers as there
//! are of them at a time; fast ones are served best by a few, which find the next job waiting when they
//! come back and need not be woken. One more thread, the scaler, tells the two apart by how long jobs
//! take, starts workers accordingly, and lets those go that had nothing to do.
//!
//! Nobody waits for a thread to end. The library stays in memory until the process is gone (build.rs
//! says so to the linker), so a thread that is inside a system call may be left to it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crossbeam_utils::sync::Parker;

use super::completions::Completions;
use super::queue::Queue;
use super::{Idle, Job, threads};

/// So many workers are started without looking twice.
const BASE: usize = 4;

/// So many jobs per millisecond are more than Prosody's thread hands in.
const JOBS_PER_MILLISECOND: u64 = 8;

/// So many workers stay when there is nothing to do.
const RESERVE: usize = 2;

/// How long the scaler watches before it starts more: longer than a busy machine keeps a thread from
/// running as a rule.
const WATCH: Duration = Duration::from_millis(10);

/// How often it looks for workers that nobody needs.
const REVIEW: Duration = Duration::from_secs(5);

enum Task<J> {
    Run(J),
    Retire,
}

/// The threads of one component.
pub struct Pool<J: Job>(Arc<Shared<J>>);

/// What the threads share.
struct Shared<J: Job> {
    queue: Queue<Task<J>>,
    /// Wakes the scaler.
    call: Sender<()>,
    completions: Arc<Completions<J::Done>>,
    /// Closed when there is nothing to do.
    idle: Mutex<Arc<dyn Idle>>,
    /// Workers there may be.
    limit: AtomicUsize,
    /// Workers there are.
    live: AtomicUsize,
    /// The fewest workers that waited since the last review.
    least_idle: AtomicUsize,
    /// The shortest job since the scaler last looked, in microseconds; `u64::MAX` if none ended.
    shortest: AtomicU64,
    /// Whether the system refused a thread since somebody asked.
    refused: AtomicBool,
    /// Set at the end: what the scaler does last.
    end: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl<J: Job> Pool<J> {
    /// Starts the scaler. What is idle is closed when there is nothing to do.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(
        limit: usize,
        idle: Arc<dyn Idle>,
        completions: Arc<Completions<J::Done>>,
    ) -> std::io::Result<Self> {
        let (call, calls) = bounded(1);
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            call,
            completions,
            idle: Mutex::new(idle),
            limit: AtomicUsize::new(limit),
            live: AtomicUsize::new(0),
            least_idle: AtomicUsize::new(0),
            shortest: AtomicU64::new(u64::MAX),
            refused: AtomicBool::new(false),
            end: OnceLock::new(),
        });
        let scaler = Scaler {
            shared: Arc::clone(&shared),
            calls,
        };
        threads::spawn("http-scaler", move || scaler.run())?;
        Ok(Pool(shared))
    }

    /// Hands a job to the next worker that is free. Never waits.
    pub fn run(&self, job: J) {
        self.0.queue.push(Task::Run(job));
        self.0.call_if_short();
    }

    /// Changes how many workers there may be, and what is closed when there is nothing to do. Workers over
    /// the limit go when they are next idle.
    pub fn reconfigure(&self, limit: usize, idle: Arc<dyn Idle>) {
        *self.0.idle.lock().unwrap_or_else(PoisonError::into_inner) = idle;
        self.0.limit.store(limit, SeqCst);
        self.0.call_if_short();
    }

    /// Whether the system has refused a thread since the last call.
    pub fn was_refused(&self) -> bool {
        self.0.refused.swap(false, SeqCst)
    }

    /// Tells the threads to go, and has that done on one of them, which interrupts jobs under way so that
    /// they go soon. Jobs that are still in the queue are dropped: somebody else concludes them.
    ///
    /// Neither the threads nor the interruption is waited for: a system call for each of some hundred
    /// connections is more than Prosody's thread has time for.
    pub fn stop(&self, interrupt: impl Fn() + Send + Sync + 'static) {
        // Set already if the pool was stopped before it is dropped.
        let _ = self.0.end.set(Box::new(interrupt));
        self.0.queue.close();
        // Full means that the scaler is about to look anyway.
        let _ = self.0.call.try_send(());
    }
}

impl<J: Job> Drop for Pool<J> {
    /// The threads go as soon as their jobs are over.
    fn drop(&mut self) {
        self.stop(|| {});
    }
}

impl<J: Job> Shared<J> {
    /// Calls the scaler if more tasks wait than workers, and there may be more workers.
    fn call_if_short(&self) {
        let short = self.queue.waiting() > self.queue.idle();
        if short && self.live.load(SeqCst) < self.limit.load(SeqCst) {
            // Full means that it has been called already.
            let _ = self.call.try_send(());
        }
    }

    /// Whether none but the reserve is there, and nobody works.
    fn is_at_rest(&self) -> bool {
        let live = self.live.load(SeqCst);
        live <= RESERVE && self.queue.idle() == live && self.queue.waiting() == 0
    }

    fn idle(&self) -> Arc<dyn Idle> {
        Arc::clone(&self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn work(&self) {
        let parker = Parker::new();
        while let Some(Task::Run(job)) = self.queue.pop(&parker) {
            self.least_idle.fetch_min(self.queue.idle(), SeqCst);
            // Another task may have counted on this worker.
            self.call_if_short();
            let begun = Instant::now();
            let Some(done) = job.run() else {
                continue;
            };
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.shortest.fetch_min(micros, SeqCst);
            self.completions.push(done);
        }
    }
}

struct Scaler<J: Job> {
    shared: Arc<Shared<J>>,
    calls: Receiver<()>,
}

impl<J: Job> Scaler<J> {
    fn run(&self) {
        let interrupt = loop {
            if let Some(interrupt) = self.shared.end.get() {
                break interrupt;
            }
            match self.calls.recv_timeout(REVIEW) {
                Ok(()) => self.grow(),
                Err(RecvTimeoutError::Timeout) => {
                    self.shrink();
                    if self.shared.is_at_rest() {
                        self.shared.idle().close();
                        // Nothing changes any more until somebody calls.
                        if self.calls.recv().is_ok() {
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
            let waiting = shared.queue.waiting().saturating_sub(shared.queue.idle());
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
        for _ in 0..count {
            let shared = Arc::clone(&self.shared);
            self.shared.live.fetch_add(1, SeqCst);
            let started = threads::spawn("http-worker", move || {
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
        let spare = shared.least_idle.swap(shared.queue.idle(), SeqCst);
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
    use super::*;

    #[test]
    fn slow_jobs_take_more_workers_than_fast_ones() {
        assert_eq!([0, 100, 500].map(workers_for), [BASE; 3]);
        assert_eq!([1_000, 20_000].map(workers_for), [8, 160]);
        assert!(workers_for(1_000_000) > 1_000 && workers_for(u64::MAX) > 1_000);
    }
}
