//! What the queue and the completions are synchronised by. `spec/model` puts a model checker's in its place.

pub use std::sync::{Mutex, MutexGuard, PoisonError};

pub use crossbeam_utils::sync::{Parker, Unparker};
