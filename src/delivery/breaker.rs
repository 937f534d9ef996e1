//! Whether the service is known to be down, and when it is tried again.

use std::time::{Duration, Instant};

use rand::Rng;

use super::ExchangeId;
use super::retry::jittered;

/// So many attempts in a row that say that the service is down are believed.
const THRESHOLD: u32 = 5;

/// The longest that the first pause may be; each one after it may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest that any pause may be.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an attempt says of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has answered, whatever it says.
    Up,
    /// There was no answer, or one of what stands before it: 502, 503, 504.
    Down,
    /// Nothing: the attempt did not get that far.
    Unknown,
}

/// What has become known of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is down.
    WentDown,
    /// It answers again, after that time.
    CameBack(Duration),
}

/// A circuit breaker: while the service is down, there is one attempt at a time, and pauses between them.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Attempts in a row that say that the service is down.
    failures: u32,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    /// The longest that the present pause may be.
    pause: Duration,
    /// When the next attempt may be made.
    next: Instant,
    /// The exchange that is under way to see whether the service is back.
    probe: Option<ExchangeId>,
}

impl Breaker {
    /// Whether the service is known to be down.
    pub fn is_open(&self) -> bool {
        self.outage.is_some()
    }

    /// From when on another attempt may be made: at any time if nothing is known against it, and not before
    /// the one that is under way has ended.
    pub fn next_attempt(&self, now: Instant) -> Option<Instant> {
        match &self.outage {
            None => Some(now),
            Some(outage) if outage.probe.is_none() => Some(outage.next),
            Some(_) => None,
        }
    }

    /// An attempt begins.
    pub fn begin(&mut self, id: ExchangeId) {
        if let Some(outage) = &mut self.outage {
            outage.probe = Some(id);
        }
    }

    /// An attempt has ended. One that was under way when the outage began does not make it longer.
    pub fn end(
        &mut self,
        id: ExchangeId,
        health: Health,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Change> {
        match health {
            Health::Unknown => {
                if let Some(outage) = self.outage.as_mut().filter(|one| one.probe == Some(id)) {
                    outage.probe = None;
                }
                None
            }
            Health::Up => {
                self.failures = 0;
                let outage = self.outage.take()?;
                Some(Change::CameBack(now.duration_since(outage.since)))
            }
            Health::Down => match &mut self.outage {
                Some(outage) => {
                    if outage.probe == Some(id) {
                        outage.probe = None;
                        outage.pause = (outage.pause * 2).min(LONGEST_PAUSE);
                        outage.next = now + jittered(outage.pause, rng);
                    }
                    None
                }
                None => {
                    self.failures += 1;
                    if self.failures < THRESHOLD {
                        return None;
                    }
                    self.outage = Some(Outage {
                        since: now,
                        pause: FIRST_PAUSE,
                        next: now + jittered(FIRST_PAUSE, rng),
                        probe: None,
                    });
                    Some(Change::WentDown)
                }
            },
        }
    }

    /// The next attempt may be made now, unless one is under way.
    pub fn hurry(&mut self, now: Instant) {
        if let Some(outage) = &mut self.outage {
            outage.next = outage.next.min(now);
        }
    }

    /// Since when the service is down, if it is, and when the next attempt is made, unless one is under way.
    pub fn outage(&self) -> Option<(Instant, Option<Instant>)> {
        let outage = self.outage.as_ref()?;
        let next = outage.probe.is_none().then_some(outage.next);
        Some((outage.since, next))
    }

    /// Forgets what is known.
    pub fn reset(&mut self) {
        *self = Breaker::default();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    struct Service {
        breaker: Breaker,
        rng: StdRng,
        now: Instant,
    }

    impl Service {
        fn new() -> Self {
            Service {
                breaker: Breaker::default(),
                rng: StdRng::seed_from_u64(5),
                now: Instant::now(),
            }
        }

        fn end(&mut self, id: ExchangeId, health: Health) -> Option<Change> {
            self.breaker.end(id, health, self.now, &mut self.rng)
        }

        fn down() -> Self {
            let mut service = Service::new();
            for id in 1..5 {
                service.breaker.begin(id);
                assert_eq!(service.end(id, Health::Down), None);
            }
            assert_eq!(service.end(5, Health::Down), Some(Change::WentDown));
            service
        }

        fn pause(&self) -> Duration {
            self.breaker.next_attempt(self.now).unwrap() - self.now
        }
    }

    #[test]
    fn five_in_a_row_are_believed() {
        let mut service = Service::new();
        for id in 0..100 {
            let health = if id % 5 == 4 {
                Health::Up
            } else {
                Health::Down
            };
            assert_eq!(service.end(id, health), None);
            assert_eq!(service.end(id, Health::Unknown), None);
        }
        assert!(!service.breaker.is_open());
        assert!(Service::down().breaker.is_open());
    }

    #[test]
    fn one_attempt_at_a_time_after_pauses_that_double() {
        let mut service = Service::down();
        for longest in [1, 2, 4, 8, 16, 30, 30] {
            let longest = Duration::from_secs(longest);
            assert!((longest / 2..=longest).contains(&service.pause()));
            service.now += service.pause();
            service.breaker.begin(9);
            assert_eq!(service.breaker.next_attempt(service.now), None);
            assert_eq!(service.end(9, Health::Down), None);
        }
    }

    #[test]
    fn attempts_that_were_under_way_do_not_lengthen_the_pause() {
        let mut service = Service::down();
        let pause = service.pause();
        for id in 10..100 {
            assert_eq!(service.end(id, Health::Down), None);
        }
        assert_eq!(service.pause(), pause);
    }

    #[test]
    fn the_first_answer_ends_it() {
        for id in [7, 8] {
            let mut service = Service::down();
            service.now += service.pause();
            service.breaker.begin(8);
            let Some(Change::CameBack(after)) = service.end(id, Health::Up) else {
                panic!("it is still down");
            };
            assert!(after >= FIRST_PAUSE / 2);
            assert_eq!(service.pause(), Duration::ZERO);
            assert_eq!(service.end(9, Health::Down), None, "counted anew");
        }
    }

    #[test]
    fn an_admin_need_not_wait_but_the_next_pause_is_as_long_as_it_would_have_been() {
        let mut service = Service::down();
        assert!(service.breaker.outage().unwrap().1.is_some());
        service.breaker.hurry(service.now);
        assert_eq!(service.pause(), Duration::ZERO);
        service.breaker.begin(9);
        service.breaker.hurry(service.now);
        assert_eq!(service.breaker.next_attempt(service.now), None);
        assert_eq!(service.breaker.outage(), Some((service.now, None)));
        assert_eq!(service.end(9, Health::Down), None);
        assert!(service.pause() >= FIRST_PAUSE);
    }

    #[test]
    fn an_attempt_that_says_nothing_makes_room_for_the_next() {
        let mut service = Service::down();
        service.now += service.pause();
        service.breaker.begin(8);
        assert_eq!(service.end(8, Health::Unknown), None);
        assert_eq!(service.pause(), Duration::ZERO);
        assert!(service.breaker.is_open());
    }
}
