//! The engine's queue, its completions and a job's lead, compiled as they are, but on the locks and threads of [`loom`]: it
//! runs a test once for each order in which its threads can meet, and finds those in which none of them
//! goes on any more.

#[path = "../../../src/engine/completions.rs"]
pub mod completions;
#[path = "../../../src/engine/lead.rs"]
pub mod lead;
#[path = "../../../src/engine/queue.rs"]
pub mod queue;
pub mod sync;

use completions::Signal;
use sync::Flag;

/// The descriptor and the event loop that watches it.
#[derive(Default)]
pub struct Watched(pub Flag);

impl Signal for Watched {
    fn set(&self) {
        self.0.raise();
    }

    fn reset(&self) {
        self.0.lower();
    }
}

/// Runs a test in every order. A thread is interrupted at most so many times without having to wait; the
/// faults of such protocols show with two (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007).
pub fn check(interruptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(interruptions);
    model.check(test);
}
