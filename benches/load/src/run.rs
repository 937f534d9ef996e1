//! A closed loop: every answer makes its sender send again, until the run is over.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::ledger::Ledger;
use crate::stream::Outgoing;
use crate::window::{Report, Window};

/// How long the answers to what is still open may take after sending has stopped.
const DRAIN: Duration = Duration::from_secs(30);
/// How long to listen for answers that come twice once all are in.
const LINGER: Duration = Duration::from_millis(100);

/// What a run is asked to do.
pub struct Plan {
    /// Prosody's process, whose CPU time is read.
    pub pid: u32,
    pub outstanding: usize,
    pub senders: usize,
    /// Bytes of a text.
    pub size: usize,
    pub length: Length,
}

/// When a run is over.
#[derive(Clone, Copy)]
pub enum Length {
    /// After so many answers, all of them measured.
    Count(usize),
    /// After the warm-up and the measured part.
    Time {
        warmup: Duration,
        measured: Duration,
    },
}

/// Turns an entry of the ledger (sender, id, text) into the stanza to send.
pub type Compose = Box<dyn Fn(usize, &str, &str) -> String>;

/// A run under way; the task that reads the stream and the one that keeps the time share it.
pub struct Run {
    pub ledger: Ledger,
    compose: Compose,
    outgoing: Option<Outgoing>,
    /// How many may still be sent.
    left: usize,
    window: Option<Window>,
    drained: Rc<Notify>,
}

impl Run {
    pub fn new(plan: &Plan, outgoing: Outgoing, compose: Compose) -> Rc<RefCell<Self>> {
        let left = match plan.length {
            Length::Count(count) => count,
            Length::Time { .. } => usize::MAX,
        };
        let ledger = Ledger::new(plan.senders, plan.size);
        Rc::new(RefCell::new(Self {
            ledger,
            compose,
            outgoing: Some(outgoing),
            left,
            window: None,
            drained: Rc::default(),
        }))
    }

    /// Counts an answer to `sender` and lets it send again.
    pub fn answered(&mut self, sender: usize, round_trip: Duration) {
        if let Some(window) = &mut self.window {
            window.count(round_trip);
        }
        self.send(sender);
        if self.ledger.open() == 0 && self.left == 0 {
            self.drained.notify_one();
        }
    }

    /// Sends a stanza that is not part of the load.
    pub fn send_aside(&self, stanza: String) {
        if let Some(outgoing) = &self.outgoing {
            // A closed stream ends the reader, which ends the run.
            let _ = outgoing.send(stanza);
        }
    }

    fn send(&mut self, sender: usize) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let (id, text) = self.ledger.send(sender, Instant::now());
        self.send_aside((self.compose)(sender, &id, &text));
    }
}

/// Runs the plan to its end and closes the stream; the reader task ends with it.
pub async fn measure(run: &Rc<RefCell<Run>>, plan: &Plan) -> io::Result<Report> {
    let drained = Rc::clone(&run.borrow().drained);
    if let Length::Count(_) = plan.length {
        run.borrow_mut().window = Some(Window::open(plan.pid)?);
    }
    for slot in 0..plan.outstanding {
        run.borrow_mut().send(slot % plan.senders);
    }
    let report = match plan.length {
        Length::Count(_) => {
            drain(&drained).await;
            close_window(run)?
        }
        Length::Time { warmup, measured } => {
            sleep(warmup).await;
            run.borrow_mut().window = Some(Window::open(plan.pid)?);
            sleep(measured).await;
            let report = close_window(run)?;
            run.borrow_mut().left = 0;
            drain(&drained).await;
            report
        }
    };
    sleep(LINGER).await;
    let mut run = run.borrow_mut();
    run.outgoing = None;
    Ok(report.with_faults(run.ledger.conclude()))
}

/// Waits for the last answer; what is open when the time is up counts as lost.
async fn drain(drained: &Notify) {
    let _ = timeout(DRAIN, drained.notified()).await;
}

fn close_window(run: &RefCell<Run>) -> io::Result<Report> {
    let window = run.borrow_mut().window.take();
    window
        .ok_or_else(|| io::Error::other("the window was never opened"))?
        .close()
}
