//! What is remembered of requesters: when they were served, by which resource, and the JIDs that no
//! address can carry.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::generations::Generations;
use super::translation::Tag;

/// For how long after a request the target may send one of its own to the requester.
pub const SERVED_FOR: Duration = Duration::from_secs(3600);

/// Whom the target serves, within bounds.
#[derive(Default)]
pub struct Requesters(Generations<Tag, Requester>);

struct Requester {
    served: Instant,
    resource: Rc<str>,
    jid: Option<Box<str>>,
}

impl Requesters {
    /// Remembers that a resource serves a requester from now on. The JID is given if its address does not
    /// carry it.
    pub fn serve(&mut self, tag: Tag, jid: Option<&str>, resource: Rc<str>, now: Instant) {
        let requester = Requester {
            served: now,
            resource,
            jid: jid.map(Box::from),
        };
        self.0.insert(tag, requester, jid.map_or(0, str::len));
    }

    /// The resource that served a requester last.
    pub fn resource(&self, tag: &Tag) -> Option<&str> {
        self.0.get(tag).map(|requester| &*requester.resource)
    }

    /// Whether a requester was served within [`SERVED_FOR`].
    pub fn is_served(&self, tag: &Tag, now: Instant) -> bool {
        self.0
            .get(tag)
            .is_some_and(|requester| now.duration_since(requester.served) <= SERVED_FOR)
    }

    /// The JID of a requester whose address does not carry it.
    pub fn jid(&self, tag: &Tag) -> Option<&str> {
        self.0
            .get(tag)
            .and_then(|requester| requester.jid.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::generations::GENERATION;
    use super::*;
    use crate::client_proxy::translation::{KEY_LEN, Translator};

    fn tag(jid: &str) -> Tag {
        Translator::new(&[0; KEY_LEN]).encode(jid).tag
    }

    #[test]
    fn a_requester_counts_as_served_for_an_hour() {
        let mut requesters = Requesters::default();
        let start = Instant::now();
        assert!(!requesters.is_served(&tag("a@b/c"), start));
        requesters.serve(tag("a@b/c"), None, "t@h/1".into(), start);
        requesters.serve(tag("a@b/d"), None, "t@h/1".into(), start);
        requesters.serve(
            tag("a@b/d"),
            None,
            "t@h/2".into(),
            start + Duration::from_secs(1),
        );
        assert!(requesters.is_served(&tag("a@b/c"), start + SERVED_FOR));
        let later = start + SERVED_FOR + Duration::from_secs(1);
        assert!(!requesters.is_served(&tag("a@b/c"), later));
        assert!(requesters.is_served(&tag("a@b/d"), later));
        assert_eq!(requesters.resource(&tag("a@b/d")), Some("t@h/2"));
        assert_eq!(requesters.jid(&tag("a@b/d")), None);
    }

    #[test]
    fn long_jids_are_remembered_within_bounds() {
        let mut requesters = Requesters::default();
        let now = Instant::now();
        let jid = |n: usize| format!("{}@b/{n}", "x".repeat(2500));
        let bound = 2 * GENERATION / 2600;
        for n in 0..2 * bound {
            requesters.serve(tag(&jid(n)), Some(&jid(n)), "t@h/1".into(), now);
            // This one keeps coming back.
            requesters.serve(tag(&jid(0)), Some(&jid(0)), "t@h/2".into(), now);
        }
        assert!(requesters.0.len() <= bound);
        let last = jid(2 * bound - 1);
        assert_eq!(requesters.jid(&tag(&last)), Some(last.as_str()));
        assert_eq!(requesters.jid(&tag(&jid(0))), Some(jid(0).as_str()));
        assert_eq!(requesters.jid(&tag(&jid(1))), None);
    }
}
