//! Requests that were sent on and are not answered yet.
//!
//! A request is known by the addresses and the id with which it was sent on, for these are what its answer
//! has the other way round. The id is the asker's own, unless the asker has a request of that id
//! outstanding at the same place already, for instance one addressed to another JID of the proxy: then it
//! is replaced by a fresh one, and restored in the answer. So each of them gets its own.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use rand::{Rng, RngExt};

use crate::stanza::Envelope;

/// How a stanza is sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The recipient.
    pub to: String,
    /// The sender, at the proxy's host.
    pub from: String,
    /// The id.
    pub id: String,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A resource of the target.
    Target,
    /// A requester, by the target.
    Requester,
}

/// A request that was sent on.
#[derive(Debug)]
pub struct Request<S> {
    /// The request as it came: the answer goes back to its sender, from the JID that it addressed.
    pub envelope: Envelope,
    /// Who is asked.
    pub asked: Asked,
    /// When it was sent on.
    pub sent: Instant,
    /// When it is answered by an error.
    pub deadline: Instant,
    /// The stanza, if it may be sent again to another resource.
    pub held: Option<S>,
}

/// All of them, by where they were sent and by deadline.
pub struct Pending<S> {
    by_deadline: BTreeMap<Slot, Entry<S>>,
    by_peer: HashMap<Rc<str>, HashMap<Rc<Key>, Slot>>,
    serial: u64,
}

/// A deadline, and a number that sets requests of the same deadline apart.
type Slot = (Instant, u64);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    from: String,
    id: String,
}

struct Entry<S> {
    peer: Rc<str>,
    key: Rc<Key>,
    request: Request<S>,
}

impl<S> Default for Pending<S> {
    fn default() -> Self {
        Pending {
            by_deadline: BTreeMap::new(),
            by_peer: HashMap::new(),
            serial: 0,
        }
    }
}

impl<S> Pending<S> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_deadline.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_deadline.is_empty()
    }

    /// How many were sent to that full JID.
    pub fn outstanding(&self, peer: &str) -> usize {
        self.by_peer.get(peer).map_or(0, HashMap::len)
    }

    /// Adds a request that is sent from one address to another, under its own id if that is free there.
    /// Gives back the addresses.
    pub fn insert(
        &mut self,
        to: &str,
        from: String,
        request: Request<S>,
        rng: &mut impl Rng,
    ) -> Addresses {
        let peer = match self.by_peer.get_key_value(to) {
            Some((peer, _)) => Rc::clone(peer),
            None => Rc::from(to),
        };
        let sent_there = self.by_peer.entry(Rc::clone(&peer)).or_default();
        let id = request.envelope.id.clone().unwrap_or_default();
        let mut key = Key { from, id };
        while sent_there.contains_key(&key) {
            key.id = format!("{:016x}", rng.random::<u64>());
        }
        let key = Rc::new(key);
        let addresses = Addresses {
            to: to.to_owned(),
            from: key.from.clone(),
            id: key.id.clone(),
        };
        self.serial += 1;
        let slot = (request.deadline, self.serial);
        sent_there.insert(Rc::clone(&key), slot);
        self.by_deadline.insert(slot, Entry { peer, key, request });
        addresses
    }

    /// Takes out the request that was sent with these addresses, if it is outstanding.
    pub fn take(&mut self, sent: &Addresses) -> Option<Request<S>> {
        let key = Key {
            from: sent.from.clone(),
            id: sent.id.clone(),
        };
        let slot = *self.by_peer.get(&*sent.to)?.get(&key)?;
        self.remove(slot)
    }

    /// Takes out the requests that were sent to that full JID, the oldest deadline first.
    pub fn take_peer(&mut self, peer: &str) -> Vec<Request<S>> {
        let sent_there = self.by_peer.remove(peer).unwrap_or_default();
        let mut slots: Vec<Slot> = sent_there.into_values().collect();
        slots.sort_unstable();
        let entries = slots
            .iter()
            .filter_map(|slot| self.by_deadline.remove(slot));
        entries.map(|entry| entry.request).collect()
    }

    /// Takes out a request whose deadline has come, with the full JID that it was sent to.
    pub fn take_expired(&mut self, now: Instant) -> Option<(Rc<str>, Request<S>)> {
        let (slot, entry) = self.by_deadline.first_key_value()?;
        if slot.0 > now {
            return None;
        }
        let (slot, peer) = (*slot, Rc::clone(&entry.peer));
        self.remove(slot).map(|request| (peer, request))
    }

    /// Takes out all, the oldest deadline first.
    pub fn take_all(&mut self) -> Vec<Request<S>> {
        self.by_peer.clear();
        let entries = std::mem::take(&mut self.by_deadline);
        entries.into_values().map(|entry| entry.request).collect()
    }

    /// When the next deadline comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.keys().next().map(|slot| slot.0)
    }

    fn remove(&mut self, slot: Slot) -> Option<Request<S>> {
        let entry = self.by_deadline.remove(&slot)?;
        if let Some(sent_there) = self.by_peer.get_mut(&entry.peer) {
            sent_there.remove(&entry.key);
            if sent_there.is_empty() {
                self.by_peer.remove(&entry.peer);
            }
        }
        Some(entry.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Kind;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::time::Duration;

    struct Fixture {
        pending: Pending<()>,
        rng: StdRng,
        start: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            Fixture {
                pending: Pending::default(),
                rng: StdRng::seed_from_u64(5),
                start: Instant::now(),
            }
        }

        /// Adds a request that was addressed to `addressed`, with a deadline so many seconds from now.
        fn insert(&mut self, to: &str, addressed: &str, id: &str, seconds: u64) -> Addresses {
            let request = Request {
                envelope: Envelope {
                    kind: Kind::Iq,
                    to: addressed.into(),
                    from: "romeo@example/orchard".into(),
                    type_: Some("get".into()),
                    id: Some(id.into()),
                },
                asked: Asked::Target,
                sent: self.start,
                deadline: self.start + Duration::from_secs(seconds),
                held: None,
            };
            self.pending
                .insert(to, "proxy/romeo".into(), request, &mut self.rng)
        }
    }

    #[test]
    fn an_answer_has_to_fit_in_everything() {
        let mut fixture = Fixture::new();
        let sent = fixture.insert("t@h/1", "proxy", "1", 5);
        assert_eq!(sent.id, "1");
        for (to, from, id) in [
            ("t@h/2", "proxy/romeo", "1"),
            ("t@h/1", "proxy", "1"),
            ("t@h/1", "proxy/romeo", "2"),
        ] {
            let other = Addresses {
                to: to.into(),
                from: from.into(),
                id: id.into(),
            };
            assert!(fixture.pending.take(&other).is_none(), "{other:?}");
        }
        assert!(fixture.pending.take(&sent).is_some());
        assert!(fixture.pending.take(&sent).is_none());
        assert!(fixture.pending.is_empty());
        assert!(fixture.pending.by_peer.is_empty());
    }

    #[test]
    fn an_id_used_twice_is_replaced_and_each_request_keeps_its_own() {
        let mut fixture = Fixture::new();
        let first = fixture.insert("t@h/1", "a@proxy", "1", 5);
        let second = fixture.insert("t@h/1", "b@proxy", "1", 5);
        let elsewhere = fixture.insert("t@h/2", "c@proxy", "1", 5);
        assert_eq!((first.id.as_str(), elsewhere.id.as_str()), ("1", "1"));
        assert_ne!(second.id, "1");
        for (sent, addressed) in [
            (second, "b@proxy"),
            (elsewhere, "c@proxy"),
            (first, "a@proxy"),
        ] {
            let envelope = fixture.pending.take(&sent).unwrap().envelope;
            assert_eq!(
                (envelope.to.as_str(), envelope.id.as_deref()),
                (addressed, Some("1"))
            );
        }
    }

    #[test]
    fn deadlines_come_in_their_order() {
        let mut fixture = Fixture::new();
        fixture.insert("t@h/1", "proxy", "late", 9);
        fixture.insert("t@h/2", "proxy", "early", 4);
        fixture.insert("t@h/2", "proxy", "same time", 4);
        let at = |seconds| fixture.start + Duration::from_secs(seconds);
        assert_eq!(fixture.pending.next_deadline(), Some(at(4)));
        assert!(fixture.pending.take_expired(at(3)).is_none());
        let mut expired = Vec::new();
        while let Some((peer, request)) = fixture.pending.take_expired(at(4)) {
            expired.push((peer.to_string(), request.envelope.id.unwrap()));
        }
        assert_eq!(
            expired,
            [
                ("t@h/2".to_owned(), "early".to_owned()),
                ("t@h/2".to_owned(), "same time".to_owned())
            ]
        );
        assert_eq!(fixture.pending.next_deadline(), Some(at(9)));
    }

    #[test]
    fn what_was_sent_to_one_peer() {
        let mut fixture = Fixture::new();
        fixture.insert("t@h/1", "proxy", "1", 5);
        let other = fixture.insert("t@h/2", "proxy", "1", 5);
        fixture.insert("t@h/1", "proxy", "2", 3);
        assert_eq!(fixture.pending.outstanding("t@h/1"), 2);
        let taken = fixture.pending.take_peer("t@h/1");
        let ids: Vec<_> = taken.iter().map(|r| r.envelope.id.as_deref()).collect();
        assert_eq!(ids, [Some("2"), Some("1")]);
        assert_eq!(fixture.pending.outstanding("t@h/1"), 0);
        assert!(fixture.pending.take_peer("t@h/1").is_empty());
        assert_eq!(fixture.pending.len(), 1);
        assert!(fixture.pending.take(&other).is_some());
    }

    #[test]
    fn all_at_once() {
        let mut fixture = Fixture::new();
        let sent = fixture.insert("t@h/1", "proxy", "1", 5);
        fixture.insert("t@h/2", "proxy", "1", 5);
        assert_eq!(fixture.pending.take_all().len(), 2);
        assert!(fixture.pending.is_empty());
        assert!(fixture.pending.take(&sent).is_none());
    }
}
