//! Worker threads: none before the first exchange, as many as are needed then, a few in the end.
//!
//! An exchange occupies its worker while the service thinks, so a slow service needs as many workers as
//! there are exchanges in flight; a fast one is served best by a few. One more thread, the overseer,
//! tells the two apart by what gets finished, starts workers while that is too little, and lets those
//! go that had nothing to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::completions::Completions;
use super::exchange::Exchange;
use super::http::Service;
use super::threads;

/// So many workers are started without looking twice: what serves a fast service best on a small machine.
const BASE: usize = 8;

/// So many workers stay when there is nothing to do.
const RESERVE: usize = 2;

/// How long the overseer watches before it starts more.
const WATCH: Duration = Duration::from_millis(2);

/// How often it looks for workers that nobody needs.
const REVIEW: Duration = Duration::from_secs(5);

enum Task {
    Run(Exchange),
    Retire,
}

/// The threads of one component.
pub struct Pool {
    tasks: Sender<Task>,
    /// Disconnected when the last thread has ended.
    all_gone: Receiver<()>,
    crew: Arc<Crew>,
}

/// What the threads share.
struct Crew {
    queue: Receiver<Task>,
    /// Wakes the overseer.
    call: Sender<()>,
    completions: Arc<Completions>,
    /// Workers there may be.
    limit: AtomicUsize,
    /// Workers there are.
    live: AtomicUsize,
    /// Workers that wait for a task.
    idle: AtomicUsize,
    /// The fewest workers that waited since the last review.
    least_idle: AtomicUsize,
    /// Exchanges finished since the overseer last looked.
    finished: AtomicUsize,
    stopping: AtomicBool,
}

impl Pool {
    /// Starts the overseer. `service` gives the service of the day, whose idle connections are closed
    /// when there is nothing to do.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(
        limit: usize,
        completions: Arc<Completions>,
        service: impl Fn() -> Arc<Service> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (tasks, queue) = unbounded();
        let (call, calls) = bounded(1);
        let (alive, all_gone) = bounded(0);
        let crew = Arc::new(Crew {
            queue,
            call,
            completions,
            limit: AtomicUsize::new(limit),
            live: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            least_idle: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let overseer = Overseer {
            crew: Arc::clone(&crew),
            calls,
            tasks: tasks.clone(),
            alive,
        };
        threads::spawn("http-overseer", move || overseer.run(&service))?;
        Ok(Pool {
            tasks,
            all_gone,
            crew,
        })
    }

    /// Hands an exchange to the next worker that is free. Never waits.
    pub fn run(&self, exchange: Exchange) {
        // Fails only if the receiver is gone, which the crew holds.
        let _ = self.tasks.send(Task::Run(exchange));
        self.crew.call_if_short();
    }

    /// Changes how many workers there may be. Those over it go when they are next idle.
    pub fn set_limit(&self, limit: usize) {
        self.crew.limit.store(limit, SeqCst);
        self.crew.call_if_short();
    }

    /// Tells the threads to go and waits for them, but no longer than `patience`. Whatever is still in
    /// the queue is dropped: somebody else concludes those exchanges.
    ///
    /// Returns whether all are gone.
    pub fn stop(self, patience: Duration) -> bool {
        let Pool {
            tasks,
            all_gone,
            crew,
        } = self;
        crew.stopping.store(true, SeqCst);
        // Wakes the overseer, which has the only other sender; without one, idle workers go.
        drop(tasks);
        let _ = crew.call.try_send(());
        matches!(
            all_gone.recv_timeout(patience),
            Err(RecvTimeoutError::Disconnected)
        )
    }
}

impl Crew {
    /// Calls the overseer if more tasks wait than workers, and there may be more workers.
    fn call_if_short(&self) {
        let short = self.queue.len() > self.idle.load(SeqCst);
        if short && self.live.load(SeqCst) < self.limit.load(SeqCst) {
            // Full means that it has been called already.
            let _ = self.call.try_send(());
        }
    }

    /// Whether none but the reserve is there, and nobody works.
    fn is_at_rest(&self) -> bool {
        let live = self.live.load(SeqCst);
        live <= RESERVE && self.idle.load(SeqCst) == live && self.queue.is_empty()
    }

    fn work(&self) {
        loop {
            self.idle.fetch_add(1, SeqCst);
            let task = self.queue.recv();
            let idle = self.idle.fetch_sub(1, SeqCst) - 1;
            self.least_idle.fetch_min(idle, SeqCst);
            match task {
                Ok(Task::Run(exchange)) if !self.stopping.load(SeqCst) => {
                    // Another task may have counted on this worker.
                    self.call_if_short();
                    let concluded = exchange.run();
                    self.finished.fetch_add(1, SeqCst);
                    self.completions.push(concluded);
                }
                _ => break,
            }
        }
    }
}

struct Overseer {
    crew: Arc<Crew>,
    calls: Receiver<()>,
    tasks: Sender<Task>,
    /// Never sent on: it ends with the last thread that has a copy.
    alive: Sender<()>,
}

impl Overseer {
    fn run(&self, service: &dyn Fn() -> Arc<Service>) {
        while !self.crew.stopping.load(SeqCst) {
            match self.calls.recv_timeout(REVIEW) {
                Ok(()) => self.reinforce(),
                Err(RecvTimeoutError::Timeout) => {
                    self.release();
                    if self.crew.is_at_rest() {
                        service().close_idle();
                        return_memory();
                        // Nothing changes any more until somebody calls.
                        if self.calls.recv().is_ok() {
                            self.reinforce();
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Starts workers for as long as tasks wait and too little gets finished.
    fn reinforce(&self) {
        let crew = &*self.crew;
        while !crew.stopping.load(SeqCst) {
            let waiting = crew.queue.len().saturating_sub(crew.idle.load(SeqCst));
            let live = crew.live.load(SeqCst);
            let room = crew.limit.load(SeqCst).saturating_sub(live);
            if waiting == 0 || room == 0 {
                return;
            }
            if live < BASE {
                self.hire(waiting.min(room).min(BASE - live));
                continue;
            }
            crew.finished.store(0, SeqCst);
            std::thread::sleep(WATCH);
            // Workers that finish one exchange in two looks are waiting for the machine, not for the
            // service: more of them would be in each other's way.
            if crew.finished.load(SeqCst) < live / 2 {
                self.hire(waiting.min(room).min(live));
            }
        }
    }

    fn hire(&self, count: usize) {
        for _ in 0..count {
            let (crew, alive) = (Arc::clone(&self.crew), self.alive.clone());
            self.crew.live.fetch_add(1, SeqCst);
            let started = threads::spawn("http-worker", move || {
                crew.work();
                crew.live.fetch_sub(1, SeqCst);
                drop(alive);
            });
            if started.is_err() {
                // The system has no more threads: those that there are do what they can.
                self.crew.live.fetch_sub(1, SeqCst);
                std::thread::sleep(WATCH);
                return;
            }
        }
    }

    /// Lets half of the workers go that were not needed since the last time.
    fn release(&self) {
        let crew = &*self.crew;
        let spare = crew.least_idle.swap(crew.idle.load(SeqCst), SeqCst);
        let live = crew.live.load(SeqCst);
        let surplus = live.saturating_sub(crew.limit.load(SeqCst));
        let leaving = spare
            .div_ceil(2)
            .max(surplus.min(spare))
            .min(live.saturating_sub(RESERVE));
        for _ in 0..leaving {
            let _ = self.tasks.send(Task::Retire);
        }
    }
}

/// Gives the memory of threads that are gone back to the system.
fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer, and locks what it touches.
    unsafe {
        libc::malloc_trim(0);
    }
}
