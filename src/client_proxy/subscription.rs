//! The subscription to the target's presence (RFC 6121 §3.1), which heals itself.
//!
//! Without presence it asks for it again and again, at growing intervals: the target's host may come up
//! later, or the subscription be granted later. With presence it probes (RFC 6121 §4.3) from time to time,
//! since a server that crashes says no goodbye for its clients.
//!
//! A server that was out of reach and is seen again is asked at once: it may have been away for long, and
//! the next request be minutes off.
//!
//! It does not probe while a request waits to be granted: Prosody answers a probe that it does not allow
//! by `unsubscribed`, and forgets the request over it.

use std::time::{Duration, Instant};

/// The time from the first request to the second; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two requests.
const MAX_DELAY: Duration = Duration::from_secs(300);

/// A request that this time follows is one too many for an admin not to be told.
const PATIENCE: Duration = Duration::from_secs(64);

/// The time between two probes when all is well.
const PROBE_INTERVAL: Duration = Duration::from_secs(300);

/// The time after which a probe has been answered.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Doubts within this time of the last one are passed over.
const DOUBT_INTERVAL: Duration = Duration::from_secs(60);

/// Requests that a server brings about by being seen again keep this distance: a server may be heard that
/// does not hear us.
const SIGHT_INTERVAL: Duration = Duration::from_secs(30);

/// What is to be done about the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Probe, and ask for a subscription: the first step.
    Begin,
    /// Ask for a subscription.
    Subscribe {
        /// Whether it has taken so long that the admin should know.
        overdue: bool,
    },
    /// Probe.
    Probe,
    /// Part with the resources that were not heard of since the last probe.
    Check {
        /// When that was sent.
        probed: Instant,
    },
}

/// What is known of the subscription.
pub struct Subscription {
    state: State,
    contact: Contact,
    due: Instant,
    last_doubt: Option<Instant>,
    last_sight: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing was done yet.
    New,
    /// No presence yet, or none any more; `delay` follows the next request.
    Seeking { delay: Duration },
    /// Presence has come; if a probe waits for its answers, it was sent then.
    Settled { probed: Option<Instant> },
}

/// What is known of the target's server since the last request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contact {
    /// Nothing yet.
    Awaited,
    /// It is there.
    Heard,
    /// It cannot be reached, or has kept silent from one request to the next.
    Lost,
}

impl Subscription {
    /// A subscription that is to be asked for at once.
    pub fn new(now: Instant) -> Self {
        Subscription {
            state: State::New,
            contact: Contact::Awaited,
            due: now,
            last_doubt: None,
            last_sight: None,
        }
    }

    /// What is to be done now, if anything.
    pub fn step(&mut self, now: Instant) -> Option<Step> {
        if now < self.due {
            return None;
        }
        let (step, next, state) = match self.state {
            State::New => {
                let delay = FIRST_DELAY * 2;
                (Step::Begin, FIRST_DELAY, State::Seeking { delay })
            }
            State::Seeking { delay } => {
                let overdue = delay == PATIENCE;
                self.contact = match self.contact {
                    Contact::Heard => Contact::Awaited,
                    Contact::Awaited | Contact::Lost => Contact::Lost,
                };
                let state = State::Seeking {
                    delay: MAX_DELAY.min(delay * 2),
                };
                (Step::Subscribe { overdue }, delay, state)
            }
            State::Settled { probed: None } => {
                let state = State::Settled { probed: Some(now) };
                (Step::Probe, ANSWER_TIME, state)
            }
            State::Settled {
                probed: Some(probed),
            } => {
                let state = State::Settled { probed: None };
                (Step::Check { probed }, PROBE_INTERVAL - ANSWER_TIME, state)
            }
        };
        self.due = now + next;
        self.state = state;
        Some(step)
    }

    /// When the next step is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Available presence has come.
    pub fn settle(&mut self, now: Instant) {
        if !self.is_settled() {
            self.state = State::Settled { probed: None };
            self.due = now + ANSWER_TIME;
        }
    }

    /// No presence is left, or none will come: it is asked for anew.
    pub fn seek(&mut self, now: Instant) {
        if self.is_settled() {
            let delay = FIRST_DELAY * 2;
            self.state = State::Seeking { delay };
            self.due = now + FIRST_DELAY;
        }
    }

    /// The target's server has sent something. If it was out of reach, it is asked at once.
    pub fn hear(&mut self, now: Instant) {
        if self.contact == Contact::Lost && matches!(self.state, State::Seeking { .. }) {
            let earliest = self
                .last_sight
                .map_or(now, |at| now.max(at + SIGHT_INTERVAL));
            self.due = self.due.min(earliest);
            self.last_sight = Some(self.due);
        }
        self.contact = Contact::Heard;
    }

    /// The target's server has answered a request, by yes or no.
    pub fn hear_answer(&mut self) {
        self.contact = Contact::Heard;
    }

    /// The target's server cannot be reached.
    pub fn lose(&mut self) {
        self.contact = Contact::Lost;
    }

    /// Whether there is presence.
    pub fn is_settled(&self) -> bool {
        matches!(self.state, State::Settled { .. })
    }

    /// Something makes it doubtful that the resources known are still there.
    pub fn doubt(&mut self, now: Instant) {
        let repeated = self.last_doubt.is_some_and(|at| now < at + DOUBT_INTERVAL);
        if let (State::Settled { probed: None }, false) = (self.state, repeated) {
            self.last_doubt = Some(now);
            self.due = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The steps within a time, in seconds from its start.
    fn steps(subscription: &mut Subscription, start: Instant, within: u64) -> Vec<(u64, Step)> {
        let mut steps = Vec::new();
        let mut now = start;
        while now <= start + seconds(within) {
            let step = subscription.step(now);
            steps.extend(step.map(|step| ((now - start).as_secs(), step)));
            assert!(subscription.due() > now);
            now = subscription.due();
        }
        steps
    }

    fn subscribe(at: u64) -> (u64, Step) {
        (at, Step::Subscribe { overdue: false })
    }

    fn settled(start: Instant) -> Subscription {
        let mut subscription = Subscription::new(start);
        assert_eq!(subscription.step(start), Some(Step::Begin));
        subscription.settle(start);
        subscription
    }

    #[test]
    fn asks_at_growing_intervals_until_presence_arrives() {
        let start = Instant::now();
        let mut subscription = Subscription::new(start);
        let mut expected = vec![(0, Step::Begin)];
        expected.extend([1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111].map(subscribe));
        expected[6].1 = Step::Subscribe { overdue: true };
        assert_eq!(steps(&mut subscription, start, 1200), expected);
    }

    #[test]
    fn probes_and_looks_who_answered() {
        let start = Instant::now();
        let mut subscription = settled(start);
        let check = |at| {
            let probed = start + seconds(at - 30);
            (at, Step::Check { probed })
        };
        assert_eq!(
            steps(&mut subscription, start, 700),
            [
                (30, Step::Probe),
                check(60),
                (330, Step::Probe),
                check(360),
                (630, Step::Probe),
                check(660)
            ]
        );
    }

    #[test]
    fn asks_anew_when_presence_is_lost() {
        let start = Instant::now();
        let mut subscription = settled(start);
        subscription.seek(start);
        let mut seen = Vec::new();
        for second in 0..10 {
            let now = start + seconds(second);
            seen.extend(subscription.step(now).map(|step| (second, step)));
            // A second loss does not make it start again.
            subscription.seek(now);
        }
        assert_eq!(seen, [1, 3, 7].map(subscribe));
    }

    #[test]
    fn doubt_brings_a_probe_and_soon_a_look() {
        let start = Instant::now();
        let mut subscription = settled(start);
        steps(&mut subscription, start, 60);
        let doubtful = start + seconds(100);
        let mut seen = Vec::new();
        for second in 0..400 {
            let now = doubtful + seconds(second);
            // Doubts that follow at once change nothing.
            if second < 50 {
                subscription.doubt(now);
            }
            seen.extend(subscription.step(now).map(|step| (second, step)));
        }
        let check = |at| {
            let probed = doubtful + seconds(at - 30);
            (at, Step::Check { probed })
        };
        let probe = |at| (at, Step::Probe);
        assert_eq!(seen, [probe(0), check(30), probe(300), check(330)]);
    }

    /// One that has asked until the delay was five minutes, and was last asked then.
    fn long_lost(start: Instant) -> (Subscription, Instant) {
        let mut subscription = Subscription::new(start);
        let asked = steps(&mut subscription, start, 820).pop().unwrap();
        assert_eq!(asked, subscribe(811));
        (subscription, start + seconds(811))
    }

    #[test]
    fn a_server_that_is_seen_again_is_asked_at_once() {
        let (mut subscription, asked) = long_lost(Instant::now());
        let seen = asked + seconds(100);
        assert_eq!(subscription.step(seen), None);
        subscription.hear(seen);
        let step = subscription.step(seen);
        assert_eq!(step, Some(Step::Subscribe { overdue: false }));
        // What else it sends changes nothing, until it is lost again.
        subscription.hear(seen + seconds(1));
        assert_eq!(subscription.due(), seen + MAX_DELAY);
        subscription.step(subscription.due());
        subscription.hear(seen + MAX_DELAY + seconds(1));
        assert_eq!(subscription.due(), seen + MAX_DELAY * 2);
    }

    #[test]
    fn a_server_that_is_heard_but_cannot_be_reached_is_asked_twice_a_minute() {
        let (mut subscription, asked) = long_lost(Instant::now());
        let mut seen = Vec::new();
        for second in 1..100 {
            let now = asked + seconds(second);
            subscription.hear(now);
            seen.extend(subscription.step(now).map(|_| second));
            subscription.lose();
        }
        assert_eq!(seen, [1, 31, 61, 91]);
    }

    #[test]
    fn a_server_that_says_no_is_not_asked_for_that() {
        let (mut subscription, asked) = long_lost(Instant::now());
        subscription.hear_answer();
        subscription.hear(asked + seconds(1));
        assert_eq!(subscription.due(), asked + MAX_DELAY);
    }

    #[test]
    fn a_server_that_is_seen_while_there_is_presence_is_not_asked() {
        let start = Instant::now();
        let mut subscription = settled(start);
        subscription.lose();
        subscription.hear(start);
        assert_eq!(subscription.due(), start + ANSWER_TIME);
    }

    #[test]
    fn doubt_without_presence_changes_nothing() {
        let start = Instant::now();
        let mut subscription = Subscription::new(start);
        assert!(subscription.step(start).is_some());
        subscription.doubt(start);
        assert_eq!(subscription.due(), start + FIRST_DELAY);
    }
}
