//! What subscribers are told of the service's presence, and how far that has come.
//!
//! A change is told to all of them, a portion at a time; the next one not before [`INTERVAL`] has gone by.

use std::time::{Duration, Instant};

use super::availability::Show;
use super::subscribers::{Subscribers, Subscription};

/// The least time from one announcement to the next.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// How many are told at a time: about half a millisecond's work for Prosody.
pub const PORTION: usize = 25;

/// The pause after each portion, in which Prosody sees to others, and writes. What it cannot write as fast as it is
/// told piles up, and is copied each time that it tries again: that would hold its thread for longer than any portion.
pub const PAUSE: Duration = Duration::from_micros(2_500);

/// What is being told, or was told last.
#[derive(Default)]
pub struct Announcement {
    show: Option<Show>,
    began: Option<Instant>,
    number: u64,
    progress: Progress,
}

#[derive(Default)]
enum Progress {
    #[default]
    Done,
    /// All up to that one have been told, or none yet; the next ones are told then.
    Told(Option<Subscription>, Instant),
}

impl Announcement {
    /// How the service shows; `None` if it is unavailable, or nothing was told yet.
    pub fn show(&self) -> Option<Show> {
        self.show
    }

    /// How many there were, this one included.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When there is something to tell, if the service is to show like that.
    pub fn due(&self, show: Option<Show>, now: Instant) -> Option<Instant> {
        if let Progress::Told(_, next) = self.progress {
            return Some(next);
        }
        if show == self.show {
            return None;
        }
        Some(self.began.map_or(now, |began| now.max(began + INTERVAL)))
    }

    /// The next who are to be told, at most [`PORTION`].
    pub fn next(
        &mut self,
        show: Option<Show>,
        subscribers: &Subscribers,
        now: Instant,
    ) -> Vec<Subscription> {
        if self.due(show, now).is_none_or(|due| due > now) {
            return Vec::new();
        }
        if let Progress::Done = self.progress {
            self.show = show;
            self.began = Some(now);
            self.number += 1;
            self.progress = Progress::Told(None, now);
        }
        let Progress::Told(last, _) = &self.progress else {
            return Vec::new();
        };
        let next: Vec<_> = subscribers
            .after(last.as_ref())
            .take(PORTION)
            .cloned()
            .collect();
        self.progress = match next.last() {
            Some(last) if next.len() == PORTION => Progress::Told(Some(last.clone()), now + PAUSE),
            _ => Progress::Done,
        };
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn subscribers(count: usize) -> Subscribers {
        let mut subscribers = Subscribers::default();
        for n in 0..count {
            subscribers.add(&format!("{n}@example"), "h");
        }
        subscribers
    }

    #[test]
    fn all_are_told_once_in_portions() {
        let (subscribers, mut now) = (subscribers(4 * PORTION + 7), Instant::now());
        let mut announcement = Announcement::default();
        let mut told = HashSet::new();
        let show = Some(Show::Available);
        let mut portions = 0;
        while announcement.due(show, now) == Some(now) {
            for subscription in announcement.next(show, &subscribers, now) {
                assert!(told.insert(subscription.subscriber));
            }
            portions += 1;
            now += PAUSE;
        }
        assert_eq!((told.len(), portions), (4 * PORTION + 7, 5));
        assert_eq!(announcement.due(show, now), None);
    }

    #[test]
    fn changes_keep_their_distance_and_only_the_last_one_counts() {
        let (subscribers, now) = (subscribers(1), Instant::now());
        let mut announcement = Announcement::default();
        announcement.next(Some(Show::Available), &subscribers, now);
        let soon = now + Duration::from_secs(1);
        assert_eq!(announcement.due(None, soon), Some(now + INTERVAL));
        assert!(announcement.next(None, &subscribers, soon).is_empty());
        assert_eq!(announcement.due(Some(Show::Available), soon), None);
        let told = announcement.next(Some(Show::Away), &subscribers, now + INTERVAL);
        assert_eq!(told.len(), 1);
        assert_eq!(announcement.show(), Some(Show::Away));
    }

    #[test]
    fn what_changes_on_the_way_is_told_afterwards() {
        let (subscribers, now) = (subscribers(PORTION + 1), Instant::now());
        let mut announcement = Announcement::default();
        announcement.next(Some(Show::Available), &subscribers, now);
        assert!(announcement.next(None, &subscribers, now).is_empty());
        let rest = announcement.next(None, &subscribers, now + PAUSE);
        assert_eq!(rest.len(), 1);
        assert_eq!(announcement.show(), Some(Show::Available));
        assert_eq!(announcement.due(None, now), Some(now + INTERVAL));
    }

    #[test]
    fn nothing_is_told_of_a_service_that_was_never_there() {
        let announcement = Announcement::default();
        assert_eq!(announcement.due(None, Instant::now()), None);
    }
}
