//! A job that is ahead waits until there is room, and then goes on.

use std::time::Duration;

use loom::thread;
use model::completions::Completions;
use model::lead::{Lead, Weight};
use model::sync::Arc;
use model::{Watched, check};

const EACH: usize = 3;

#[test]
fn whoever_takes_gets_all_of_one_that_may_be_ahead_by_one() {
    check(3, || {
        let completions = Arc::new(Completions::<Weight, _>::new(Watched::default()));
        let job = {
            let completions = Arc::clone(&completions);
            thread::spawn(move || {
                let lead = Lead::new(1);
                for _ in 0..EACH {
                    // A wake-up may have been meant for what was added before.
                    let mut room = None;
                    while room.is_none() {
                        room = lead.add(1, Duration::MAX);
                    }
                    room.into_iter().for_each(|weight| completions.push(weight));
                }
            })
        };
        let (mut taken, mut count) = (Default::default(), 0);
        while count < EACH {
            completions.signal().0.wait();
            completions.take(&mut taken);
            assert!(taken.len() <= 1);
            count += taken.len();
            taken.clear();
        }
        job.join().unwrap();
    });
}
