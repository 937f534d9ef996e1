//! Services that fail for a while, and when they answer again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::delivery::Failure;

/// Remembers since when which service has failed. One bad answer among many good ones is no outage to tell
/// of each time: it begins with a failure that was told as a warning, which happens once a minute at most.
#[derive(Debug, Default)]
pub struct Outages(Vec<Failing>);

#[derive(Debug)]
struct Failing {
    service: Arc<str>,
    since: Instant,
    stanzas: u64,
}

impl Outages {
    /// A stanza for that service has failed, by a failure that was told as a warning or not.
    pub fn failed(&mut self, service: &Arc<str>, failure: &Failure, told: bool, now: Instant) {
        if !failure.is_outage() {
            return;
        }
        match self.0.iter_mut().find(|one| one.service == *service) {
            Some(failing) => failing.stanzas += 1,
            None if told => {
                self.0.push(Failing {
                    service: Arc::clone(service),
                    since: now,
                    stanzas: 1,
                });
            }
            None => {}
        }
    }

    /// A service answers again, that was known to be down for that time and that so many stanzas wait for.
    /// Returns what to tell the admin.
    pub fn came_back(&mut self, service: &str, after: Duration, waiting: usize) -> String {
        let failed = self.take(service).map_or(0, |failing| failing.stanzas);
        format!(
            "the service answers again: it was down for {}, {waiting} stanzas have waited for {service} and \
             {failed} were not accepted",
            seconds(after)
        )
    }

    /// A service has answered. Returns what to tell the admin, if it had failed before.
    pub fn ended(&mut self, service: &str, now: Instant) -> Option<String> {
        let Failing { since, stanzas, .. } = self.take(service)?;
        Some(format!(
            "the service answers again, {} after the first of {stanzas} failures: {service}",
            seconds(now.duration_since(since))
        ))
    }

    fn take(&mut self, service: &str) -> Option<Failing> {
        let place = self.0.iter().position(|one| &*one.service == service)?;
        Some(self.0.swap_remove(place))
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{AttemptFailure, Refusal};

    fn rejected(status: u16) -> Failure {
        Failure::Attempt(AttemptFailure::Rejected {
            status,
            retry_after: None,
        })
    }

    #[test]
    fn ends_with_the_first_answer_of_the_same_service() {
        let now = Instant::now();
        let (mut outages, a) = (Outages::default(), Arc::from("http://a"));
        assert_eq!(outages.ended("http://a", now), None);
        outages.failed(&a, &Failure::Expired, true, now);
        outages.failed(&a, &rejected(503), false, now);
        outages.failed(&a, &Failure::Refused(Refusal::QueueFull), true, now);
        assert_eq!(outages.ended("http://b", now), None);
        let ended = outages.ended("http://a", now + Duration::from_secs(7));
        assert_eq!(
            ended.as_deref(),
            Some("the service answers again, 7 s after the first of 2 failures: http://a")
        );
        assert_eq!(outages.ended("http://a", now), None);
    }

    #[test]
    fn one_that_was_known_to_be_down_is_told_of_once() {
        let now = Instant::now();
        let (mut outages, a) = (Outages::default(), Arc::from("http://a"));
        outages.failed(&a, &Failure::ServiceDown, true, now);
        outages.failed(&a, &Failure::ServiceDown, false, now);
        assert_eq!(
            outages.came_back("http://a", Duration::from_secs(90), 7),
            "the service answers again: it was down for 90 s, 7 stanzas have waited for http://a and 2 were not \
             accepted"
        );
        assert_eq!(outages.ended("http://a", now), None);
    }

    #[test]
    fn what_the_admin_was_not_told_of_has_no_end_to_tell() {
        let (now, a) = (Instant::now(), Arc::from("http://a"));
        for (failure, told) in [
            (Failure::Expired, false),
            (rejected(404), true),
            (Failure::Stopped, true),
        ] {
            let mut outages = Outages::default();
            outages.failed(&a, &failure, told, now);
            assert_eq!(outages.ended("http://a", now), None, "{failure:?}");
        }
    }
}
