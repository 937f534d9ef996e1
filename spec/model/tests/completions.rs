//! Whenever there is something to take, the signal is set, or about to be.

use std::collections::VecDeque;

use loom::thread::{self, JoinHandle};
use model::completions::Completions;
use model::sync::Arc;
use model::{Watched, check};

type Finished = Completions<(usize, usize), Watched>;

const WORKERS: usize = 2;
const EACH: usize = 2;

/// Each finishes some, and says which worker's and which in turn.
fn workers(completions: &Arc<Finished>) -> Vec<JoinHandle<()>> {
    let start = |worker| {
        let completions = Arc::clone(completions);
        thread::spawn(move || (0..EACH).for_each(|turn| completions.push((worker, turn))))
    };
    (0..WORKERS).map(start).collect()
}

fn assert_each_once_in_order(taken: &VecDeque<(usize, usize)>) {
    for worker in 0..WORKERS {
        let turns = taken.iter().filter(|(of, _)| *of == worker);
        assert!(turns.map(|(_, turn)| *turn).eq(0..EACH));
    }
    assert_eq!(taken.len(), WORKERS * EACH);
}

/// Takes whenever the signal is set, until all is there.
fn take_all(
    completions: &Finished,
    workers: Vec<JoinHandle<()>>,
    mut taken: VecDeque<(usize, usize)>,
) {
    while taken.len() < WORKERS * EACH {
        completions.signal().0.wait();
        completions.take(&mut taken);
    }
    assert_each_once_in_order(&taken);
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
}

#[test]
fn whoever_takes_only_when_it_is_woken_gets_all() {
    check(3, || {
        let completions = Arc::new(Finished::new(Watched::default()));
        let workers = workers(&completions);
        take_all(&completions, workers, VecDeque::new());
    });
}

#[test]
fn whoever_takes_at_other_times_too_gets_the_rest() {
    check(3, || {
        let completions = Arc::new(Finished::new(Watched::default()));
        let workers = workers(&completions);
        let mut taken = VecDeque::new();
        completions.take(&mut taken);
        take_all(&completions, workers, taken);
    });
}
