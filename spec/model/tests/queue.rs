//! No item is left while a thread sleeps, none is taken twice, and the end ends all waiting.

use loom::thread::{self, JoinHandle};
use model::check;
use model::queue::Queue;
use model::sync::{Arc, Flag, Mutex, Parker};

const ITEMS: usize = 3;

/// Threads that do that with what they take, until the queue is closed.
fn workers(
    count: usize,
    queue: &Arc<Queue<usize>>,
    work: impl Fn(usize) + Clone + 'static,
) -> Vec<JoinHandle<()>> {
    let start = |_| {
        let (queue, work) = (Arc::clone(queue), work.clone());
        thread::spawn(move || {
            let parker = Parker::default();
            while let Some((item, _)) = queue.pop(&parker) {
                work(item);
            }
        })
    };
    (0..count).map(start).collect()
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Closes the queue when that many items were taken.
fn count(
    queue: &Arc<Queue<usize>>,
    all: usize,
) -> (Arc<Mutex<Vec<usize>>>, impl Fn(usize) + Clone + use<>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (queue, counted) = (Arc::clone(queue), Arc::clone(&taken));
    let count = move |item| {
        let mut taken = counted.lock().unwrap();
        taken.push(item);
        if taken.len() == all {
            queue.close();
        }
    };
    (taken, count)
}

fn assert_each_once(taken: &Mutex<Vec<usize>>, all: usize) {
    let mut taken = taken.lock().unwrap().clone();
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..all));
}

/// Whoever takes one of two items is at work until the other is taken, which must not wait for it.
fn both_at_work() -> (Arc<[Flag; 2]>, impl Fn(usize) + Clone) {
    let taken = Arc::new([Flag::default(), Flag::default()]);
    let known = Arc::clone(&taken);
    let work = move |item: usize| {
        known[item].raise();
        known[1 - item].wait();
    };
    (taken, work)
}

#[test]
fn each_item_is_taken_once() {
    check(3, || {
        let queue = Arc::new(Queue::default());
        let (taken, count) = count(&queue, ITEMS);
        let workers = workers(2, &queue, count);
        for item in 0..ITEMS {
            queue.push(item);
        }
        join(workers);
        assert_each_once(&taken, ITEMS);
    });
}

#[test]
fn it_does_not_matter_who_pushes() {
    check(3, || {
        let queue = Arc::new(Queue::default());
        let (taken, count) = count(&queue, 2);
        let workers = workers(2, &queue, count);
        let other = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                queue.push(1);
            }
        });
        queue.push(0);
        join(workers);
        other.join().unwrap();
        assert_each_once(&taken, 2);
    });
}

#[test]
fn an_idle_thread_gets_what_another_one_has_no_time_for() {
    check(3, || {
        let queue = Arc::new(Queue::default());
        let (taken, work) = both_at_work();
        let workers = workers(2, &queue, work);
        queue.push(0);
        queue.push(1);
        taken.iter().for_each(Flag::wait);
        queue.close();
        join(workers);
    });
}

#[test]
fn the_end_ends_all_waiting() {
    check(3, || {
        let queue = Arc::new(Queue::default());
        let workers = workers(3, &queue, |_| ());
        queue.push(0);
        queue.close();
        join(workers);
    });
}

#[test]
fn what_is_more_than_the_threads_can_take_is_told() {
    check(3, || {
        let queue = Arc::new(Queue::default());
        let (taken, work) = both_at_work();
        let mut threads = workers(1, &queue, work.clone());
        queue.push(0);
        let load = queue.push(1);
        assert!(load.items > load.idle);
        threads.extend(workers(1, &queue, work));
        taken.iter().for_each(Flag::wait);
        queue.close();
        join(threads);
    });
}
