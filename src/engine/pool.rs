//! The threads of one component: none before the first job, as many as are needed then, a few in the end.
//!
//! Nobody waits for a thread to end. The library stays in memory until the process is gone (build.rs
//! says so to the linker), so a thread that is inside a system call may be left to it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crossbeam_utils::sync::Parker;

use super::queue::{Load, Queue};
use super::scaler::Scaler;
use super::{Completions, Idle, Job, threads};

/// So many workers stay when there is nothing to do.
pub(super) const RESERVE: usize = 2;

pub(super) enum Task<J> {
    Run(J),
    Retire,
}

/// The threads of one component.
pub struct Pool<J: Job>(Arc<Shared<J>>);

/// What the threads share.
pub(super) struct Shared<J: Job> {
    /// What the names of the threads begin with.
    pub(super) name: &'static str,
    pub(super) queue: Queue<Task<J>>,
    wake_scaler: SyncSender<()>,
    completions: Arc<Completions<J::Done>>,
    /// Closed when there is nothing to do.
    idle: Mutex<Arc<dyn Idle>>,
    /// Workers there may be.
    pub(super) limit: AtomicUsize,
    /// Workers there are.
    pub(super) live: AtomicUsize,
    /// The fewest workers that waited since the last review.
    pub(super) least_idle: AtomicUsize,
    /// The shortest job since the scaler last looked, in microseconds; `u64::MAX` if none ended.
    pub(super) shortest: AtomicU64,
    /// Whether the system refused a thread since somebody asked.
    pub(super) refused: AtomicBool,
    /// Set at the end: what the scaler does last.
    pub(super) end: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl<J: Job> Pool<J> {
    /// Starts the scaler. The names of the threads begin with that one. What is idle is closed when there
    /// is nothing to do.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(
        name: &'static str,
        limit: usize,
        idle: Arc<dyn Idle>,
        completions: Arc<Completions<J::Done>>,
    ) -> std::io::Result<Self> {
        let (wake_scaler, wake_ups) = sync_channel(1);
        let shared = Arc::new(Shared {
            name,
            queue: Queue::default(),
            wake_scaler,
            completions,
            idle: Mutex::new(idle),
            limit: AtomicUsize::new(limit),
            live: AtomicUsize::new(0),
            least_idle: AtomicUsize::new(0),
            shortest: AtomicU64::new(u64::MAX),
            refused: AtomicBool::new(false),
            end: OnceLock::new(),
        });
        let scaler = Scaler::new(Arc::clone(&shared), wake_ups);
        threads::spawn(&format!("{name}-scaler"), move || scaler.run())?;
        Ok(Pool(shared))
    }

    /// Hands a job to the next worker that is free. Never waits.
    pub fn run(&self, job: J) {
        let load = self.0.queue.push(Task::Run(job));
        self.0.wake_scaler_if_short(load);
    }

    /// Changes how many workers there may be, and what is closed when there is nothing to do. Workers over
    /// the limit go when they are next idle.
    pub fn reconfigure(&self, limit: usize, idle: Arc<dyn Idle>) {
        *self.0.idle.lock().unwrap_or_else(PoisonError::into_inner) = idle;
        self.0.limit.store(limit, SeqCst);
        self.0.wake_scaler_if_short(self.0.queue.load());
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        1 + self.0.live.load(SeqCst)
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
        let _ = self.0.wake_scaler.try_send(());
    }
}

#[cfg(test)]
impl<J: Job> Pool<J> {
    /// For the tests of the scaler.
    pub(super) fn shared(&self) -> Arc<Shared<J>> {
        Arc::clone(&self.0)
    }
}

impl<J: Job> Drop for Pool<J> {
    /// The threads go as soon as their jobs are over.
    fn drop(&mut self) {
        self.stop(|| {});
    }
}

impl<J: Job> Shared<J> {
    /// Wakes the scaler if more tasks wait than workers, and there may be more workers.
    fn wake_scaler_if_short(&self, load: Load) {
        let short = load.items > load.idle;
        if short && self.live.load(SeqCst) < self.limit.load(SeqCst) {
            // Full means that it has been woken already.
            let _ = self.wake_scaler.try_send(());
        }
    }

    /// Whether none but the reserve is there, and nobody works.
    pub(super) fn is_at_rest(&self) -> bool {
        let (live, load) = (self.live.load(SeqCst), self.queue.load());
        live <= RESERVE && load.idle == live && load.items == 0
    }

    pub(super) fn idle(&self) -> Arc<dyn Idle> {
        Arc::clone(&self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn work(&self) {
        let parker = Parker::new();
        while let Some((Task::Run(job), load)) = self.queue.pop(&parker) {
            self.least_idle.fetch_min(load.idle, SeqCst);
            // Another task may have counted on this worker.
            self.wake_scaler_if_short(load);
            let begun = Instant::now();
            let done = job.run(&self.completions);
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.shortest.fetch_min(micros, SeqCst);
            self.completions.push(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::super::Event;
    use super::super::testing::{DEADLINE, Gate, NoConnections, Waiting};
    use super::*;

    struct Fixture {
        pool: Pool<Waiting>,
        completions: Arc<Completions<u32>>,
        gate: Arc<Gate>,
    }

    impl Fixture {
        fn new(limit: usize) -> Self {
            let completions = Arc::new(Completions::new(Event::new().unwrap()));
            let pool = Pool::start(
                "test",
                limit,
                Arc::new(NoConnections),
                Arc::clone(&completions),
            );
            Fixture {
                pool: pool.unwrap(),
                completions,
                gate: Arc::default(),
            }
        }

        fn run(&self, id: u32) {
            self.pool.run(Waiting {
                id,
                gate: Arc::clone(&self.gate),
            });
        }

        /// What has come of so many jobs.
        fn done(&self, count: usize) -> Vec<u32> {
            let mut done = VecDeque::new();
            while done.len() < count {
                let mut set = [PollFd::new(
                    self.completions.signal().as_fd(),
                    PollFlags::POLLIN,
                )];
                let timeout = PollTimeout::try_from(DEADLINE).unwrap();
                assert_eq!(poll(&mut set, timeout), Ok(1), "only {done:?}");
                self.completions.take(&mut done);
            }
            let mut done = Vec::from(done);
            done.sort_unstable();
            done
        }
    }

    #[test]
    fn jobs_that_wait_get_a_worker_each_up_to_the_limit() {
        let fixture = Fixture::new(20);
        (0..50).for_each(|id| fixture.run(id));
        fixture.gate.wait_for(20);
        assert_eq!(fixture.pool.threads(), 21, "and the scaler");
        fixture.gate.open();
        assert!(fixture.done(50).into_iter().eq(0..50));
    }

    #[test]
    fn a_higher_limit_counts_at_once() {
        let fixture = Fixture::new(1);
        (0..3).for_each(|id| fixture.run(id));
        fixture.gate.wait_for(1);
        fixture.pool.reconfigure(3, Arc::new(NoConnections));
        fixture.gate.wait_for(3);
        fixture.gate.open();
        assert_eq!(fixture.done(3), [0, 1, 2]);
    }

    #[test]
    fn the_end_interrupts_jobs_and_the_threads_go() {
        let fixture = Fixture::new(2);
        (0..5).for_each(|id| fixture.run(id));
        fixture.gate.wait_for(2);
        let threads = Arc::downgrade(&fixture.pool.0);
        let gate = Arc::clone(&fixture.gate);
        fixture.pool.stop(move || gate.open());
        assert_eq!(fixture.done(2), [0, 1], "the others are dropped");
        drop(fixture);
        let deadline = Instant::now() + DEADLINE;
        while threads.strong_count() > 0 {
            assert!(Instant::now() < deadline, "a thread is still there");
            std::thread::yield_now();
        }
    }
}
