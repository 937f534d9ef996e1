//! The available resources of the target, as its presence tells them (RFC 6121 §4).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::availability::{Availability, Show};

/// After this many requests in a row that timed out, a resource rests.
const TIMEOUTS_BEFORE_REST: u32 = 3;

/// The first rest; each further one without an answer in between lasts twice as long.
const FIRST_REST: Duration = Duration::from_secs(30);

/// How often a rest is doubled at most: to 32 minutes.
const MAX_DOUBLINGS: u32 = 6;

/// How willing a resource is: requests go to the lowest of these that any resource has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Ready to serve.
    Ready,
    /// Available, but asks to be spared.
    Reluctant,
    /// Ready by its own account, but lets requests time out.
    Resting,
}

struct Resource {
    availability: Availability,
    heard: Instant,
    timeouts: u32,
    rests: u32,
    rests_until: Option<Instant>,
}

/// The target's available resources, by full JID.
#[derive(Default)]
pub struct Resources(BTreeMap<Rc<str>, Resource>);

impl Resources {
    /// Takes in an available presence.
    pub fn available(&mut self, jid: &str, availability: Availability, now: Instant) {
        match self.0.get_mut(jid) {
            Some(resource) => {
                resource.availability = availability;
                resource.heard = now;
            }
            None => {
                let resource = Resource {
                    availability,
                    heard: now,
                    timeouts: 0,
                    rests: 0,
                    rests_until: None,
                };
                self.0.insert(jid.into(), resource);
            }
        }
    }

    /// Whether a resource is available.
    pub fn contains(&self, jid: &str) -> bool {
        self.0.contains_key(jid)
    }

    /// The JID of a resource, if it is available.
    pub fn get(&self, jid: &str) -> Option<Rc<str>> {
        self.0.get_key_value(jid).map(|(jid, _)| Rc::clone(jid))
    }

    /// Forgets a resource.
    pub fn remove(&mut self, jid: &str) {
        self.0.remove(jid);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All of them, in the order of their JIDs.
    pub fn jids(&self) -> Vec<Rc<str>> {
        self.0.keys().map(Rc::clone).collect()
    }

    /// The resources that did not answer a probe sent then, if others did. If none did, the probe says
    /// nothing: it may have been lost, or refused to us while presence was sent of the client's own accord.
    pub fn silent_since(&self, probe: Instant) -> Vec<Rc<str>> {
        let silent: Vec<Rc<str>> = self
            .0
            .iter()
            .filter(|(_, resource)| resource.heard < probe)
            .map(|(jid, _)| Rc::clone(jid))
            .collect();
        if silent.len() == self.0.len() {
            return Vec::new();
        }
        silent
    }

    /// A request that was sent to a resource then has timed out. Says how long the resource rests now, if
    /// it was this that made it.
    pub fn timed_out(&mut self, jid: &str, sent: Instant, now: Instant) -> Option<Duration> {
        let resource = self.0.get_mut(jid)?;
        // What was sent before the last rest was over tells nothing new.
        if resource.rests_until.is_some_and(|until| sent < until) {
            return None;
        }
        resource.timeouts += 1;
        if resource.timeouts < TIMEOUTS_BEFORE_REST {
            return None;
        }
        let rest = FIRST_REST * 2u32.pow(resource.rests.min(MAX_DOUBLINGS));
        resource.timeouts = 0;
        resource.rests += 1;
        resource.rests_until = Some(now + rest);
        Some(rest)
    }

    /// A resource has answered a request.
    pub fn answered(&mut self, jid: &str) {
        if let Some(resource) = self.0.get_mut(jid) {
            resource.timeouts = 0;
            resource.rests = 0;
            resource.rests_until = None;
        }
    }

    /// The eligible resources of the best standing that there is among them, in the order of their JIDs.
    pub fn best(&self, now: Instant, is_eligible: impl Fn(&str) -> bool) -> Vec<&Rc<str>> {
        let mut best = Vec::new();
        let mut standing = Standing::Resting;
        for (jid, resource) in self.0.iter().filter(|(jid, _)| is_eligible(jid)) {
            let this = resource.standing(now);
            if this < standing {
                standing = this;
                best.clear();
            }
            if this == standing {
                best.push(jid);
            }
        }
        best
    }

    /// How the service shows as a whole: like the best of them.
    pub fn best_show(&self) -> Option<Show> {
        let shows = self.0.values().map(|resource| resource.availability.show);
        shows.min()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Resource {
    fn standing(&self, now: Instant) -> Standing {
        if self.rests_until > Some(now) {
            Standing::Resting
        } else if self.availability.reluctant {
            Standing::Reluctant
        } else {
            Standing::Ready
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Availability = Availability {
        show: Show::Available,
        reluctant: false,
    };
    const RELUCTANT: Availability = Availability {
        show: Show::Available,
        reluctant: true,
    };

    fn best(resources: &Resources, now: Instant) -> Vec<String> {
        let best = resources.best(now, |_| true);
        best.into_iter().map(|jid| jid.to_string()).collect()
    }

    fn of(jids: &[&str], now: Instant) -> Resources {
        let mut resources = Resources::default();
        for jid in jids {
            resources.available(jid, READY, now);
        }
        resources
    }

    #[test]
    fn do_not_disturb_and_negative_priority_are_reluctant() {
        for (show, priority, reluctant) in [
            (None, None, false),
            (Some("chat"), Some("0"), false),
            (Some("away"), Some("127"), false),
            (Some("dnd"), None, true),
            (None, Some("-1"), true),
            (Some("xa"), Some(" -128 "), true),
        ] {
            assert_eq!(Availability::new(show, priority).reluctant, reluctant);
        }
    }

    #[test]
    fn reluctant_resources_serve_only_alone() {
        let now = Instant::now();
        let mut resources = of(&["t@h/1", "t@h/2"], now);
        resources.available("t@h/1", RELUCTANT, now);
        assert_eq!(best(&resources, now), ["t@h/2"]);
        resources.remove("t@h/2");
        assert_eq!(best(&resources, now), ["t@h/1"]);
        resources.available("t@h/1", READY, now);
        resources.available("t@h/3", READY, now);
        assert_eq!(best(&resources, now), ["t@h/1", "t@h/3"]);
        resources.available("t@h/4", RELUCTANT, now);
        let others = |jid: &str| jid == "t@h/4";
        assert_eq!(resources.best(now, others), [&Rc::from("t@h/4")]);
        resources.remove("t@h/4");
        assert_eq!(resources.jids().len(), 2);
        resources.clear();
        assert!(best(&resources, now).is_empty());
    }

    #[test]
    fn three_timeouts_in_a_row_earn_a_rest_and_each_rest_is_longer() {
        let start = Instant::now();
        let mut resources = of(&["t@h/1", "t@h/2"], start);
        let mut now = start;
        for expected in [30, 60, 120, 240, 480, 960, 1920, 1920] {
            assert_eq!(resources.timed_out("t@h/1", now, now), None);
            assert_eq!(resources.timed_out("t@h/1", now, now), None);
            assert_eq!(best(&resources, now).len(), 2);
            let rest = resources.timed_out("t@h/1", now, now).unwrap();
            assert_eq!(rest, Duration::from_secs(expected));
            assert_eq!(best(&resources, now), ["t@h/2"]);
            now += rest;
            assert_eq!(best(&resources, now).len(), 2);
        }
    }

    #[test]
    fn an_answer_ends_the_row_and_the_rest() {
        let now = Instant::now();
        let mut resources = of(&["t@h/1", "t@h/2"], now);
        let timed_out = |resources: &mut Resources| resources.timed_out("t@h/1", now, now);
        assert_eq!(timed_out(&mut resources), None);
        assert_eq!(timed_out(&mut resources), None);
        resources.answered("t@h/1");
        assert_eq!(timed_out(&mut resources), None);
        assert_eq!(timed_out(&mut resources), None);
        assert_eq!(timed_out(&mut resources), Some(FIRST_REST));
        resources.answered("t@h/1");
        assert_eq!(best(&resources, now).len(), 2);
    }

    #[test]
    fn requests_from_before_a_rest_do_not_prolong_it() {
        let now = Instant::now();
        let mut resources = of(&["t@h/1", "t@h/2"], now);
        let rests = (0..50).filter_map(|_| resources.timed_out("t@h/1", now, now));
        assert_eq!(rests.collect::<Vec<_>>(), [FIRST_REST]);
        let later = now + FIRST_REST;
        assert_eq!(resources.timed_out("t@h/1", now, later), None);
        assert_eq!(best(&resources, later).len(), 2);
    }

    #[test]
    fn whoever_rests_serves_when_nobody_else_is_there() {
        let now = Instant::now();
        let mut resources = of(&["t@h/1", "t@h/2"], now);
        for _ in 0..3 {
            resources.timed_out("t@h/1", now, now);
        }
        resources.available("t@h/2", RELUCTANT, now);
        assert_eq!(best(&resources, now), ["t@h/2"]);
        resources.remove("t@h/2");
        assert_eq!(best(&resources, now), ["t@h/1"]);
    }

    #[test]
    fn a_probe_that_others_answered_shows_who_is_gone() {
        let start = Instant::now();
        let probe = start + Duration::from_secs(1);
        let mut resources = of(&["t@h/1", "t@h/2"], start);
        assert!(resources.silent_since(probe).is_empty());
        resources.available("t@h/2", READY, probe);
        assert_eq!(&*resources.silent_since(probe)[0], "t@h/1");
        resources.available("t@h/1", READY, probe);
        assert!(resources.silent_since(probe).is_empty());
    }
}
