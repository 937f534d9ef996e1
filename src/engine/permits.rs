//! Permits for connections: one for each that is open, idle ones included.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};

use super::budget::Budget;
use super::ledger::{HolderId, Ledger};

/// How often whoever waits has idle connections closed that became so meanwhile.
const RECLAIM: Duration = Duration::from_secs(1);

/// Those of this process. Its descriptors are one supply, from which components take that know nothing of
/// each other; all else hangs on the component.
static OF_PROCESS: LazyLock<Arc<Permits>> = LazyLock::new(|| Arc::new(Permits::new(limit())));

/// The connections of a service that are open and not in use.
pub trait Idle: Send + Sync {
    /// Closes them.
    fn close(&self);
}

/// All the permits that there are.
struct Permits {
    state: Mutex<State>,
    /// How many wait, for a quick look.
    waiting: AtomicUsize,
}

struct State {
    ledger: Ledger<SyncSender<Permit>>,
    idle: Vec<(HolderId, Weak<dyn Idle>)>,
}

/// What one service of a component takes permits by.
pub struct Share {
    permits: Arc<Permits>,
    id: HolderId,
}

/// Leave to have one connection open.
pub struct Permit {
    permits: Arc<Permits>,
    id: HolderId,
}

impl Share {
    /// Those of one more component of this process, which has so many services.
    pub fn of_component(services: usize) -> Vec<Share> {
        let permits = Arc::clone(&OF_PROCESS);
        // It may have been changed since.
        permits.lock().ledger.set_limit(limit());
        Share::of(&permits, services)
    }

    fn of(permits: &Arc<Permits>, services: usize) -> Vec<Share> {
        let ids = permits.lock().ledger.join(services).into_iter();
        let share = |id| Share {
            permits: Arc::clone(permits),
            id,
        };
        ids.map(share).collect()
    }

    /// Names the service's idle connections, which are closed when others need what they take.
    pub fn on_shortage(&self, idle: Weak<dyn Idle>) {
        self.permits.lock().idle.push((self.id, idle));
    }

    /// A permit. Waits for one until then.
    ///
    /// # Errors
    /// If there was none, or the service is given up.
    pub fn take(&self, deadline: Instant) -> io::Result<Permit> {
        let (tell, told) = sync_channel(1);
        let mut state = self.permits.lock();
        if state.ledger.take(self.id) {
            return Ok(self.permits.permit(self.id));
        }
        let ticket = state.ledger.wait(self.id, tell).ok_or_else(stopping)?;
        self.permits.waiting.store(state.ledger.waiting(), SeqCst);
        drop(state);
        self.permits.reclaim();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match told.recv_timeout(left.min(RECLAIM)) {
                Ok(permit) => return Ok(permit),
                Err(RecvTimeoutError::Disconnected) => return Err(stopping()),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {
                    if self.permits.lock().ledger.is_first(ticket) {
                        self.permits.reclaim();
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        let mut state = self.permits.lock();
        state.ledger.forget(ticket);
        self.permits.waiting.store(state.ledger.waiting(), SeqCst);
        drop(state);
        // It may have come at the last moment.
        told.try_recv().map_err(|_| exhausted())
    }

    /// Gives the service up: whoever waits for its sake is told, and there are no more permits for it.
    pub fn close(&self) {
        self.permits.change(|state| {
            state.ledger.leave(self.id);
            state.idle.retain(|(id, _)| *id != self.id);
        });
    }

    /// How many there may be as things are.
    pub fn budget(&self) -> Budget {
        self.permits.lock().ledger.budget()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.close();
    }
}

impl Permit {
    /// Whether somebody waits who could go on if this one was given back.
    pub fn is_wanted(&self) -> bool {
        self.permits.waiting.load(SeqCst) > 0 && self.permits.lock().ledger.is_wanted_of(self.id)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.change(|state| state.ledger.give_back(self.id));
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Share").field(&self.id).finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.id).finish()
    }
}

impl Permits {
    fn new(limit: usize) -> Self {
        Permits {
            state: Mutex::new(State {
                ledger: Ledger::new(limit),
                idle: Vec::new(),
            }),
            waiting: AtomicUsize::new(0),
        }
    }

    /// One that the ledger has counted.
    fn permit(self: &Arc<Self>, id: HolderId) -> Permit {
        Permit {
            permits: Arc::clone(self),
            id,
        }
    }

    /// Changes something, and lets those go on who can then.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        while let Some((id, tell)) = state.ledger.grant() {
            // Whoever waits does so until it is no longer in the ledger, so that there is somebody to
            // take it.
            let _ = tell.send(self.permit(id));
        }
        self.waiting.store(state.ledger.waiting(), SeqCst);
    }

    /// Closes the idle connections of services whose permits somebody waits for.
    fn reclaim(&self) {
        let state = self.lock();
        let of_use: Vec<_> = state
            .idle
            .iter()
            .filter(|(id, _)| state.ledger.is_wanted_of(*id))
            .filter_map(|(_, idle)| idle.upgrade())
            .collect();
        drop(state);
        of_use.iter().for_each(|idle| idle.close());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many descriptors the process may have.
fn limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| {
        usize::try_from(soft).unwrap_or(usize::MAX)
    })
}

fn stopping() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the component is stopping")
}

fn exhausted() -> io::Error {
    io::Error::other(
        "all connections that the limit of open files allows were in use until the time was over: set a \
         higher LimitNOFILE for Prosody",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    /// Two components, of which each can have three connections, and both four.
    fn shares() -> [Arc<Share>; 2] {
        let permits = Arc::new(Permits::new(16));
        [(); 2].map(|()| Arc::new(Share::of(&permits, 1).remove(0)))
    }

    struct Pooled(Mutex<Vec<Permit>>);

    impl Idle for Pooled {
        fn close(&self) {
            self.0.lock().unwrap().clear();
        }
    }

    fn take_now(share: &Share) -> io::Result<Permit> {
        share.take(Instant::now())
    }

    /// Somebody who waits for a permit, and is known to.
    fn waiting(share: &Arc<Share>) -> thread::JoinHandle<io::Result<Permit>> {
        let before = share.permits.waiting.load(SeqCst);
        let waiting = thread::spawn({
            let share = Arc::clone(share);
            move || share.take(Instant::now() + LONG)
        });
        while share.permits.waiting.load(SeqCst) == before {
            thread::yield_now();
        }
        waiting
    }

    #[test]
    fn one_that_is_given_back_goes_to_whoever_waits() {
        let [a, b] = shares();
        let mut held: Vec<_> = (0..3).map(|_| take_now(&a).unwrap()).collect();
        assert!(take_now(&a).is_err());
        let of_b = take_now(&b).unwrap();
        assert!(!held[0].is_wanted());
        let waiting = waiting(&a);
        assert!(held[0].is_wanted() && !of_b.is_wanted());
        drop(held.pop());
        let permit = waiting.join().unwrap().unwrap();
        assert!(!permit.is_wanted());
    }

    #[test]
    fn nobody_waits_beyond_the_end() {
        let [a, _b] = shares();
        let _held: Vec<_> = (0..3).map(|_| take_now(&a).unwrap()).collect();
        let waiting = waiting(&a);
        a.close();
        assert!(waiting.join().unwrap().is_err());
        assert!(take_now(&a).is_err());
    }

    #[test]
    fn idle_connections_are_closed_for_whoever_waits() {
        let [a, b] = shares();
        let idle = Arc::new(Pooled(Mutex::new(
            (0..3).map(|_| take_now(&a).unwrap()).collect(),
        )));
        a.on_shortage(Arc::downgrade(&idle) as _);
        let _held: Vec<_> = (0..3)
            .map(|_| b.take(Instant::now() + LONG).unwrap())
            .collect();
        assert!(idle.0.lock().unwrap().is_empty());
    }
}
