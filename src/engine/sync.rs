//! What the queue, the completions and a job's lead are synchronised by. `spec/model` puts a model checker's in its place.

pub use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crossbeam_utils::sync::{Parker, Unparker};
