//! A service that fails for a while, and when it answers again.

use std::time::{Duration, Instant};

use crate::delivery::Failure;

/// Remembers since when the service has failed. One bad answer among many good ones is no outage to tell
/// of each time: it begins with a failure that was told as a warning, which happens once a minute at most.
#[derive(Debug, Default)]
pub struct Outage(Option<Failing>);

#[derive(Debug)]
struct Failing {
    since: Instant,
    stanzas: u64,
}

impl Outage {
    /// A stanza has failed, by a failure that was told as a warning or not.
    pub fn failed(&mut self, failure: &Failure, told: bool, now: Instant) {
        if !failure.is_outage() {
            return;
        }
        match &mut self.0 {
            Some(failing) => failing.stanzas += 1,
            None if told => {
                self.0 = Some(Failing {
                    since: now,
                    stanzas: 1,
                });
            }
            None => {}
        }
    }

    /// The service answers again, that was known to be down for that time while so many stanzas waited.
    /// Returns what to tell the admin.
    pub fn came_back(&mut self, after: Duration, waiting: usize) -> String {
        let failed = self.0.take().map_or(0, |failing| failing.stanzas);
        format!(
            "the service answers again: it was down for {}, {waiting} stanzas have waited for it and {failed} \
             were not accepted",
            seconds(after)
        )
    }

    /// The service has answered. Returns what to tell the admin, if it had failed before.
    pub fn ended(&mut self, now: Instant) -> Option<String> {
        let Failing { since, stanzas } = self.0.take()?;
        Some(format!(
            "the service answers again, {} after the first of {stanzas} failures",
            seconds(now.duration_since(since))
        ))
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
    fn ends_with_the_first_answer() {
        let now = Instant::now();
        let mut outage = Outage::default();
        assert_eq!(outage.ended(now), None);
        outage.failed(&Failure::Expired, true, now);
        outage.failed(&rejected(503), false, now);
        outage.failed(&Failure::Refused(Refusal::QueueFull), true, now);
        let ended = outage.ended(now + Duration::from_secs(7));
        assert_eq!(
            ended.as_deref(),
            Some("the service answers again, 7 s after the first of 2 failures")
        );
        assert_eq!(outage.ended(now), None);
    }

    #[test]
    fn one_that_was_known_to_be_down_is_told_of_once() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.failed(&Failure::ServiceDown, true, now);
        outage.failed(&Failure::ServiceDown, false, now);
        assert_eq!(
            outage.came_back(Duration::from_secs(90), 7),
            "the service answers again: it was down for 90 s, 7 stanzas have waited for it and 2 were not accepted"
        );
        assert_eq!(outage.ended(now), None);
    }

    #[test]
    fn what_the_admin_was_not_told_of_has_no_end_to_tell() {
        let now = Instant::now();
        for (failure, told) in [
            (Failure::Expired, false),
            (rejected(404), true),
            (Failure::Stopped, true),
        ] {
            let mut outage = Outage::default();
            outage.failed(&failure, told, now);
            assert_eq!(outage.ended(now), None, "{failure:?}");
        }
    }
}
