//! The subscription to the target's presence (RFC 6121 §3.1), which heals itself.
//!
//! Without presence it asks for it again and again, at growing intervals: the target's host may come up
//! later, or the subscription be granted later. With presence it probes (RFC 6121 §4.3) from time to time,
//! since a server that crashes says no goodbye for its clients.

use std::time::{Duration, Instant};

/// The time from the first request to the second; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two requests.
const MAX_DELAY: Duration = Duration::from_secs(300);

/// The time between two probes when all is well.
const PROBE_INTERVAL: Duration = Duration::from_secs(300);

/// The time from a probe that shall tell who is left to the next one, by when the answers are there.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Doubts within this time of the last one are passed over.
const DOUBT_INTERVAL: Duration = Duration::from_secs(60);

/// What is to be sent to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether to ask for a subscription, beside probing.
    pub subscribe: bool,
    /// When the last probe was sent.
    pub last_probe: Option<Instant>,
}

/// What is known of the subscription.
pub struct Subscription {
    state: State,
    due: Instant,
    last_probe: Option<Instant>,
    last_doubt: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    /// No presence yet, or none any more; `delay` follows the next request.
    Seeking { delay: Duration },
    /// Presence has come.
    Settled,
}

impl Subscription {
    /// A subscription that is to be asked for at once.
    pub fn new(now: Instant) -> Self {
        Subscription {
            state: State::Seeking { delay: FIRST_DELAY },
            due: now,
            last_probe: None,
            last_doubt: None,
        }
    }

    /// What is to be done now, if anything.
    pub fn step(&mut self, now: Instant) -> Option<Step> {
        if now < self.due {
            return None;
        }
        let subscribe = match &mut self.state {
            State::Seeking { delay } => {
                self.due = now + *delay;
                *delay = MAX_DELAY.min(*delay * 2);
                true
            }
            State::Settled => {
                let doubted = self.last_doubt.is_some_and(|at| now < at + ANSWER_TIME);
                let interval = if doubted { ANSWER_TIME } else { PROBE_INTERVAL };
                self.due = now + interval;
                false
            }
        };
        let last_probe = self.last_probe.replace(now);
        Some(Step {
            subscribe,
            last_probe,
        })
    }

    /// When the next step is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Available presence has come.
    pub fn settle(&mut self, now: Instant) {
        if let State::Seeking { .. } = self.state {
            self.state = State::Settled;
            self.due = now + ANSWER_TIME;
        }
    }

    /// No presence is left, or none will come: it is asked for anew.
    pub fn seek(&mut self, now: Instant) {
        if let State::Settled = self.state {
            self.state = State::Seeking {
                delay: FIRST_DELAY * 2,
            };
            self.due = now + FIRST_DELAY;
        }
    }

    /// Something makes it doubtful that the resources known are still there.
    pub fn doubt(&mut self, now: Instant) {
        let repeated = self.last_doubt.is_some_and(|at| now < at + DOUBT_INTERVAL);
        if let (State::Settled, false) = (self.state, repeated) {
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

    /// The steps within a time, in seconds from its start; `true` where a subscription is asked for.
    fn steps(subscription: &mut Subscription, start: Instant, within: u64) -> Vec<(u64, bool)> {
        let mut steps = Vec::new();
        let mut now = start;
        while now <= start + seconds(within) {
            if let Some(step) = subscription.step(now) {
                steps.push(((now - start).as_secs(), step.subscribe));
            }
            assert!(subscription.due() > now);
            now = subscription.due();
        }
        steps
    }

    fn settled(start: Instant) -> Subscription {
        let mut subscription = Subscription::new(start);
        assert!(subscription.step(start).is_some());
        subscription.settle(start);
        subscription
    }

    #[test]
    fn asks_at_growing_intervals_until_presence_arrives() {
        let start = Instant::now();
        let mut subscription = Subscription::new(start);
        let expected = [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111];
        let expected = expected.map(|at| (at, true));
        assert_eq!(steps(&mut subscription, start, 1200), expected);
        let later = start + seconds(1201);
        subscription.settle(later);
        assert_eq!(
            steps(&mut subscription, later, 700),
            [(30, false), (330, false), (630, false)]
        );
    }

    #[test]
    fn asks_anew_when_presence_is_lost() {
        let start = Instant::now();
        let mut subscription = settled(start);
        subscription.seek(start);
        // A second loss does not make it start again.
        let expected = [(1, true), (3, true), (7, true)];
        let mut seen = Vec::new();
        for second in 0..10 {
            let now = start + seconds(second);
            seen.extend(subscription.step(now).map(|step| (second, step.subscribe)));
            subscription.seek(now);
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_step_tells_when_the_last_probe_was() {
        let start = Instant::now();
        let mut subscription = Subscription::new(start);
        assert_eq!(subscription.step(start).unwrap().last_probe, None);
        let later = start + seconds(1);
        assert_eq!(subscription.step(later).unwrap().last_probe, Some(start));
    }

    #[test]
    fn doubt_brings_a_probe_and_soon_another() {
        let start = Instant::now();
        let mut subscription = settled(start);
        assert_eq!(steps(&mut subscription, start, 40), [(30, false)]);
        let doubtful = start + seconds(100);
        subscription.doubt(doubtful);
        let mut seen = Vec::new();
        for second in 0..400 {
            let now = doubtful + seconds(second);
            seen.extend(subscription.step(now).map(|_| second));
            // Doubts that follow at once change nothing.
            if second < 50 {
                subscription.doubt(now);
            }
        }
        assert_eq!(seen, [0, 30, 330]);
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
