//! Who has subscribed to the presence of which JID of the proxy's, and what of that is in storage.
//!
//! They are stored in parts, by a digest of the subscriber's JID, so that neither to read nor to write takes
//! long. What concerns a part that is not read yet waits until it is.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

use ring::digest;

/// How many parts there are: each has some 400 of 100,000 subscribers.
pub const PARTS: usize = 256;

/// What is read at a time, in subscriptions: about a millisecond's work.
const PORTION: usize = 410;

/// What it takes to find that a part is not there, in subscriptions.
const EMPTY: usize = 12;

/// How many subscriptions are kept.
pub const MAX_SUBSCRIPTIONS: usize = 100_000;

/// A subscription, in the order in which presence is spread.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// The part that it is stored in.
    part: u8,
    /// The bare JID of the subscriber.
    pub subscriber: Box<str>,
    /// The bare JID at the proxy's host.
    pub jid: Box<str>,
}

impl Subscription {
    /// The subscription of one bare JID to another.
    pub fn new(subscriber: &str, jid: &str) -> Self {
        Subscription {
            part: part_of(subscriber),
            subscriber: subscriber.into(),
            jid: jid.into(),
        }
    }
}

/// The part in which the subscriptions of a bare JID are stored.
pub fn part_of(subscriber: &str) -> u8 {
    digest::digest(&digest::SHA256, subscriber.as_bytes()).as_ref()[0]
}

/// What is known of a part's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Unread,
    Read,
    /// It cannot be read, and so must not be written.
    Unreadable,
}

/// All subscriptions.
pub struct Subscribers {
    all: BTreeSet<Subscription>,
    parts: [Part; PARTS],
    to_read: VecDeque<u8>,
    /// The size of the largest part that was read.
    largest: Option<usize>,
    bound: usize,
}

impl Default for Subscribers {
    fn default() -> Self {
        Subscribers {
            all: BTreeSet::new(),
            parts: [Part::Unread; PARTS],
            to_read: (0..=u8::MAX).collect(),
            largest: None,
            bound: MAX_SUBSCRIPTIONS,
        }
    }
}

impl Subscribers {
    /// How many subscriptions there are, as far as they have been read.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// As many as that at most.
    #[cfg(test)]
    pub fn bounded(bound: usize) -> Self {
        Subscribers {
            bound,
            ..Subscribers::default()
        }
    }

    /// The parts to read next, if any are left: so many as take no more than a portion, if they are like those
    /// before. The first is read alone.
    pub fn next_unread(&self) -> Vec<u8> {
        let like = |largest: usize| (PORTION / (EMPTY + largest)).max(1);
        let parts = self.largest.map_or(1, like);
        self.to_read.iter().copied().take(parts).collect()
    }

    /// Whether all parts have been read, as far as they can be.
    pub fn are_read(&self) -> bool {
        self.to_read.is_empty()
    }

    /// Whether that part has been read. If not it is the next one.
    pub fn is_read(&mut self, part: u8) -> bool {
        if self.parts[usize::from(part)] != Part::Unread {
            return true;
        }
        self.to_read.retain(|waiting| *waiting != part);
        self.to_read.push_front(part);
        false
    }

    /// A part has been read: these are its subscribers and what they subscribed to, or it cannot be read.
    pub fn read(&mut self, part: u8, stored: Option<Vec<(String, String)>>) {
        self.to_read.retain(|waiting| *waiting != part);
        self.parts[usize::from(part)] = match stored {
            Some(_) => Part::Read,
            None => Part::Unreadable,
        };
        let size = stored.as_ref().map_or(0, Vec::len);
        self.largest = self.largest.max(Some(size));
        for (subscriber, jid) in stored.into_iter().flatten() {
            self.add(&subscriber, &jid);
        }
    }

    /// Whether that part may be written.
    pub fn may_be_written(&self, part: u8) -> bool {
        self.parts[usize::from(part)] == Part::Read
    }

    /// What there is in a part.
    pub fn of_part(&self, part: u8) -> impl Iterator<Item = &Subscription> {
        let first = Subscription {
            part,
            subscriber: "".into(),
            jid: "".into(),
        };
        self.all
            .range(first..)
            .take_while(move |subscription| subscription.part == part)
    }

    /// Adds a subscription. Says whether there was room for it.
    pub fn add(&mut self, subscriber: &str, jid: &str) -> bool {
        let subscription = Subscription::new(subscriber, jid);
        if self.all.len() >= self.bound && !self.all.contains(&subscription) {
            return false;
        }
        self.all.insert(subscription);
        true
    }

    /// Removes a subscription. Says whether it was there.
    pub fn remove(&mut self, subscriber: &str, jid: &str) -> bool {
        self.all.remove(&Subscription::new(subscriber, jid))
    }

    /// Whether there is such a subscription.
    pub fn contains(&self, subscriber: &str, jid: &str) -> bool {
        self.all.contains(&Subscription::new(subscriber, jid))
    }

    /// The subscriptions that follow one, or all.
    pub fn after(&self, last: Option<&Subscription>) -> impl Iterator<Item = &Subscription> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.all.range((start, Bound::Unbounded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(subscriber: &str, jid: &str) -> (String, String) {
        (subscriber.into(), jid.into())
    }

    #[test]
    fn a_part_has_what_was_stored_there_and_what_has_come_since() {
        let mut subscribers = Subscribers::default();
        let part = part_of("a@b");
        assert!(!subscribers.is_read(part));
        assert_eq!(subscribers.next_unread()[0], part);
        subscribers.read(part, Some(vec![pair("a@b", "x@h"), pair("a@b", "h")]));
        assert!(subscribers.is_read(part) && subscribers.may_be_written(part));
        subscribers.add("a@b", "y@h");
        subscribers.remove("a@b", "h");
        let jids: Vec<&str> = subscribers.of_part(part).map(|s| &*s.jid).collect();
        assert_eq!(jids, ["x@h", "y@h"]);
    }

    #[test]
    fn every_part_is_read_once_and_an_unreadable_one_is_never_written() {
        let mut subscribers = Subscribers::default();
        let mut parts = 0;
        while let Some(part) = subscribers.next_unread().pop() {
            subscribers.read(part, None);
            assert!(!subscribers.may_be_written(part));
            parts += 1;
        }
        assert_eq!(parts, PARTS);
        assert!(subscribers.are_read());
    }

    #[test]
    fn many_parts_are_read_at_a_time_only_if_little_is_in_them() {
        for (size, expected) in [(0, 34), (10, 18), (190, 2), (390, 1)] {
            let mut subscribers = Subscribers::default();
            assert_eq!(subscribers.next_unread(), [0]);
            subscribers.read(0, Some(vec![pair("a@b", "h"); size]));
            assert_eq!(subscribers.next_unread().len(), expected, "{size}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        let mut subscribers = Subscribers::bounded(2);
        assert!(subscribers.add("a@b", "h") && subscribers.add("c@d", "h"));
        assert!(!subscribers.add("e@f", "h"));
        assert!(subscribers.add("a@b", "h"), "it is there already");
        subscribers.remove("a@b", "h");
        assert!(subscribers.add("e@f", "h"));
    }

    #[test]
    fn parts_are_of_like_size() {
        let mut sizes = [0; PARTS];
        for n in 0..100_000 {
            sizes[usize::from(part_of(&format!("user{n}@example.com")))] += 1;
        }
        assert!(sizes.iter().all(|size| (250..550).contains(size)));
    }
}
