//! How far a job may be ahead of the main loop, which takes what it makes.
//!
//! What a job makes bit by bit waits in [`Completions`](super::Completions), and the main loop has other things
//! to do as well. A job that makes it faster waits.

use std::time::Duration;

use super::sync::{Arc, Mutex, MutexGuard, Parker, PoisonError, Unparker};

/// What one job has made and nobody has taken.
pub struct Lead {
    limit: usize,
    parker: Parker,
    made: Arc<Made>,
}

struct Made {
    weight: Mutex<usize>,
    job: Unparker,
}

/// A part of a job's lead, for as long as it is kept.
pub struct Weight {
    weight: usize,
    made: Arc<Made>,
}

impl Lead {
    /// None yet, and up to that.
    pub fn new(limit: usize) -> Self {
        let parker = Parker::default();
        let made = Made {
            weight: Mutex::new(0),
            job: parker.unparker().clone(),
        };
        Lead {
            limit,
            made: Arc::new(made),
            parker,
        }
    }

    /// Adds something of that weight. Waits about so long until there is room, which there is if there is
    /// nothing else, and comes back without it then.
    pub fn add(&self, weight: usize, patience: Duration) -> Option<Weight> {
        let weight = weight.min(self.limit);
        if !self.made.fits(weight, self.limit) {
            self.parker.park_timeout(patience);
            if !self.made.fits(weight, self.limit) {
                return None;
            }
        }
        Some(Weight {
            weight,
            made: Arc::clone(&self.made),
        })
    }
}

impl Made {
    /// Adds it, if it fits in.
    fn fits(&self, weight: usize, limit: usize) -> bool {
        let mut sum = self.lock();
        let fits = *sum + weight <= limit;
        if fits {
            *sum += weight;
        }
        fits
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.weight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        *self.made.lock() -= self.weight;
        self.made.job.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_too_much_has_to_wait() {
        let lead = Lead::new(10);
        let first = lead.add(6, LONG).unwrap();
        assert!(lead.add(5, Duration::ZERO).is_none());
        let second = lead.add(4, LONG).unwrap();
        drop(first);
        assert!(lead.add(7, Duration::ZERO).is_none());
        drop(second);
        assert!(lead.add(1000, LONG).is_some(), "alone it always fits");
    }

    #[test]
    fn who_waits_goes_on_when_there_is_room() {
        let lead = Lead::new(1);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                let weight = lead.add(1, LONG).or_else(|| lead.add(1, LONG)).unwrap();
                scope.spawn(move || drop(weight));
            }
        });
    }
}
