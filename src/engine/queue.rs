//! The queue in which Prosody's thread leaves work for the workers, and in front of which these wait.
//!
//! To wake a thread is a system call that costs more than all the rest of handing work in, and
//! Prosody's thread is the one that everybody waits for. So it wakes a worker only while none is on its
//! way to look already; a worker that has looked wakes the next one if there is more. (The schedulers
//! of Go and Tokio limit their searching workers in the same way.)
//!
//! It wakes the one that began to wait last, whose memory is still in the caches of a processor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use crossbeam_utils::sync::{Parker, Unparker};

/// A queue to many threads, of which as few as possible are woken.
pub struct Queue<T> {
    push: Sender<T>,
    pop: Receiver<T>,
    /// Threads that wait, or are about to.
    idle: AtomicUsize,
    /// Whether a thread was called and has not looked yet.
    searching: AtomicBool,
    closed: AtomicBool,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    /// In the order in which they began to wait.
    asleep: Vec<Unparker>,
    /// Whether the next thread need not begin: it was called when none had begun.
    called: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let (push, pop) = unbounded();
        Queue {
            push,
            pop,
            idle: AtomicUsize::new(0),
            searching: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            waiters: Mutex::default(),
        }
    }
}

impl<T> Queue<T> {
    /// Adds one. Never waits for a thread that is at work.
    pub fn push(&self, item: T) {
        // Fails only if the receiver is gone, which lives in `self`.
        let _ = self.push.send(item);
        self.call_if_idle();
    }

    /// Takes the oldest, and waits until there is one. `None` once the queue is closed. The parker is the
    /// thread's own.
    pub fn pop(&self, parker: &Parker) -> Option<T> {
        while !self.closed.load(SeqCst) {
            if let Some(item) = self.try_pop() {
                return Some(item);
            }
            self.idle.fetch_add(1, SeqCst);
            // Nobody was called for what was pushed before that.
            let mut item = self.try_pop();
            if item.is_none() {
                self.wait(parker);
                item = self.search();
            }
            self.idle.fetch_sub(1, SeqCst);
            if item.is_some() {
                return item;
            }
        }
        None
    }

    /// Ends all waiting, for good.
    pub fn close(&self) {
        self.closed.store(true, SeqCst);
        for waiter in self.lock().asleep.drain(..) {
            waiter.unpark();
        }
    }

    /// How many items wait for a thread.
    pub fn waiting(&self) -> usize {
        self.pop.len()
    }

    /// How many threads wait for an item.
    pub fn idle(&self) -> usize {
        self.idle.load(SeqCst)
    }

    fn try_pop(&self) -> Option<T> {
        self.pop.try_recv().ok()
    }

    /// Looks after a call. From then on another thread can be called, and it is if there is more.
    fn search(&self) -> Option<T> {
        let item = self.try_pop();
        self.searching.store(false, SeqCst);
        if self.waiting() > 0 {
            self.call_if_idle();
        }
        item
    }

    /// A thread that is not idle needs no call: it looks before it waits.
    fn call_if_idle(&self) {
        if self.idle() > 0 && !self.searching.swap(true, SeqCst) {
            let mut waiters = self.lock();
            let waiter = waiters.asleep.pop();
            waiters.called = waiter.is_none();
            drop(waiters);
            if let Some(waiter) = waiter {
                waiter.unpark();
            }
        }
    }

    fn wait(&self, parker: &Parker) {
        let mut waiters = self.lock();
        if std::mem::take(&mut waiters.called) || self.closed.load(SeqCst) {
            return;
        }
        waiters.asleep.push(parker.unparker().clone());
        drop(waiters);
        parker.park();
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);
    const THREADS: usize = 4;

    /// Threads that do something with each item, until the queue is closed.
    fn workers<T: Send + 'static>(
        queue: &Arc<Queue<T>>,
        work: impl Fn(T) + Clone + Send + 'static,
    ) -> Vec<JoinHandle<()>> {
        let start = |_| {
            let (queue, work) = (Arc::clone(queue), work.clone());
            thread::spawn(move || {
                let parker = Parker::new();
                while let Some(item) = queue.pop(&parker) {
                    work(item)
                }
            })
        };
        (0..THREADS).map(start).collect()
    }

    #[test]
    fn every_item_is_taken_once() {
        let queue = Arc::new(Queue::default());
        let (taken, see) = unbounded();
        let workers = workers(&queue, move |item| taken.send(item).unwrap());
        // One at a time, then many: the last item is what a lost call would leave behind.
        for item in 0..2_000 {
            queue.push(item);
            assert_eq!(see.recv_timeout(DEADLINE), Ok(item));
        }
        for round in 0..200 {
            (0..20).for_each(|item| queue.push(20 * round + item));
            let mut seen: Vec<_> = (0..20)
                .map(|_| see.recv_timeout(DEADLINE).unwrap())
                .collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(20 * round..20 * (round + 1)));
        }
        queue.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        assert_eq!(see.try_recv().ok(), None);
    }

    #[test]
    fn idle_threads_call_each_other_to_items_that_take_long() {
        let queue = Arc::new(Queue::default());
        let (done, see) = unbounded();
        let all_at_work = Arc::new(Barrier::new(THREADS));
        let workers = workers(&queue, move |()| {
            all_at_work.wait();
            done.send(()).unwrap();
        });
        for _ in 0..100 {
            (0..THREADS).for_each(|_| queue.push(()));
            (0..THREADS).for_each(|_| see.recv_timeout(DEADLINE).unwrap());
        }
        queue.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
    }

    #[test]
    fn the_thread_that_began_to_wait_last_is_called_first() {
        let queue = Arc::new(Queue::default());
        let (taken, see) = unbounded();
        let workers = workers(&queue, move |()| {
            taken.send(thread::current().id()).unwrap()
        });
        let mut takers: Vec<_> = (0..50)
            .map(|_| {
                while queue.lock().asleep.len() < THREADS {
                    thread::yield_now();
                }
                queue.push(());
                see.recv_timeout(DEADLINE).unwrap()
            })
            .collect();
        takers.dedup();
        assert_eq!(takers.len(), 1);
        queue.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
    }

    #[test]
    fn a_closed_queue_gives_nothing() {
        let queue = Queue::default();
        queue.push(1);
        queue.close();
        assert_eq!(queue.pop(&Parker::new()), None);
        assert_eq!((queue.waiting(), queue.idle()), (1, 0));
    }
}
