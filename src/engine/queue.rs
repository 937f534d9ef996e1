//! The queue in which Prosody's thread leaves work for the workers, and in front of which these wait.
//!
//! To wake a thread is a system call that costs more than all the rest of handing work in, and
//! Prosody's thread is the one that everybody waits for. So it wakes a worker only while none is on its
//! way to look already; a worker that has looked wakes the next one if there is more. (The schedulers
//! of Go and Tokio limit their searching workers in the same way.)
//!
//! It wakes the one that began to wait last, whose memory is still in the caches of a processor.

use std::collections::VecDeque;

use super::sync::{Mutex, MutexGuard, Parker, PoisonError, Unparker};

/// A queue to many threads, of which as few as possible are woken.
pub struct Queue<T>(Mutex<State<T>>);

/// As long as there are items and threads asleep, one is searching.
struct State<T> {
    items: VecDeque<T>,
    /// In the order in which they began to wait.
    asleep: Vec<Unparker>,
    /// Whether a thread was woken and has not looked yet.
    searching: bool,
    closed: bool,
}

/// How much there is to do, and who is there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Items that wait for a thread.
    pub items: usize,
    /// Threads that wait for an item, or have been woken for one.
    pub idle: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue(Mutex::new(State {
            items: VecDeque::new(),
            asleep: Vec::new(),
            searching: false,
            closed: false,
        }))
    }
}

impl<T> Queue<T> {
    /// Adds one, and returns what there is then. Never waits for a thread that is at work.
    pub fn push(&self, item: T) -> Load {
        let mut state = self.lock();
        state.items.push_back(item);
        let woken = state.next_to_wake();
        let load = state.load();
        drop(state);
        woken.inspect(Unparker::unpark);
        load
    }

    /// Takes the oldest, and waits until there is one; with what there is then. `None` once the queue is
    /// closed. The parker is the thread's own.
    pub fn pop(&self, parker: &Parker) -> Option<(T, Load)> {
        let mut state = self.lock();
        while !state.closed {
            if let Some(item) = state.items.pop_front() {
                let woken = state.next_to_wake();
                let load = state.load();
                drop(state);
                woken.inspect(Unparker::unpark);
                return Some((item, load));
            }
            state.asleep.push(parker.unparker().clone());
            drop(state);
            parker.park();
            state = self.lock();
            state.searching = false;
        }
        None
    }

    /// Ends all waiting, for good.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        asleep.iter().for_each(Unparker::unpark);
    }

    /// What there is.
    pub fn load(&self) -> Load {
        self.lock().load()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Whom to wake, if that is of use: nobody while a thread is searching, which wakes the next one.
    fn next_to_wake(&mut self) -> Option<Unparker> {
        if self.items.is_empty() || self.searching {
            return None;
        }
        let woken = self.asleep.pop()?;
        self.searching = true;
        Some(woken)
    }

    fn load(&self) -> Load {
        Load {
            items: self.items.len(),
            idle: self.asleep.len() + usize::from(self.searching),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use crossbeam_channel::unbounded;

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
                while let Some((item, _)) = queue.pop(&parker) {
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
        // One at a time, then many: the last item is what a lost wake-up would leave behind.
        for item in 0..2_000 {
            queue.push(item);
            assert_eq!(see.recv_timeout(DEADLINE), Ok(item));
        }
        for round in 0..200 {
            for item in 0..20 {
                queue.push(20 * round + item);
            }
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
    fn idle_threads_wake_each_other_for_items_that_take_long() {
        let queue = Arc::new(Queue::default());
        let (done, see) = unbounded();
        let all_at_work = Arc::new(Barrier::new(THREADS));
        let workers = workers(&queue, move |()| {
            all_at_work.wait();
            done.send(()).unwrap();
        });
        for _ in 0..100 {
            for _ in 0..THREADS {
                queue.push(());
            }
            (0..THREADS).for_each(|_| see.recv_timeout(DEADLINE).unwrap());
        }
        queue.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
    }

    #[test]
    fn the_thread_that_began_to_wait_last_is_woken_first() {
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
        let load = Load { items: 1, idle: 0 };
        assert_eq!(queue.push(1), load);
        queue.close();
        assert_eq!(queue.pop(&Parker::new()), None);
        assert_eq!(queue.load(), load);
    }
}
