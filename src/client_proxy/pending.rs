//! Requests that were sent on and are not answered yet.
//!
//! A request is known by the addresses and the id with which it was sent on, for these are what its answer
//! has the other way round. The id is the asker's own, unless the asker has a request of that id
//! outstanding at the same place already, for instance one addressed to another JID of the proxy: then it
//! is replaced by a fresh one, and restored in the answer. So each of them gets its own.
//!
//! A request may be outstanding at several places at once. The first answer takes it out of all of them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Instant;

use rand::{Rng, RngExt};

use super::request::{Attempt, Key, Request};
use crate::stanza::jid;

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

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests.
    pub requests: usize,
    /// Requests of one bare JID.
    pub of_one_requester: usize,
    /// Bytes of the stanzas that are kept in case that they have to be sent again.
    pub held_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            requests: 100_000,
            of_one_requester: 10_000,
            held_bytes: 64 << 20,
        }
    }
}

/// All of them, by where they were sent and by when something is due.
pub struct Pending<S> {
    by_time: BTreeMap<Slot, Request<S>>,
    by_peer: HashMap<Rc<str>, HashMap<Rc<Key>, Slot>>,
    /// How many each bare JID has asked.
    by_requester: HashMap<Box<str>, usize>,
    attempts: usize,
    held_bytes: usize,
    serial: u64,
}

/// A time, and a number that sets requests of the same time apart.
type Slot = (Instant, u64);

impl<S> Default for Pending<S> {
    fn default() -> Self {
        Pending {
            by_time: BTreeMap::new(),
            by_peer: HashMap::new(),
            by_requester: HashMap::new(),
            attempts: 0,
            held_bytes: 0,
            serial: 0,
        }
    }
}

impl<S> Pending<S> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// How many there are, each counted once for every place where it is outstanding.
    pub fn attempts(&self) -> usize {
        self.attempts
    }

    /// Whether there is room for one more of that JID.
    pub fn has_room(&self, requester: &str, bounds: &Bounds) -> bool {
        let of_it = self.by_requester.get(jid::bare(requester));
        self.len() < bounds.requests && of_it.is_none_or(|count| *count < bounds.of_one_requester)
    }

    /// How many bytes the stanzas have that are kept.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// How many bare JIDs have asked.
    #[cfg(test)]
    pub fn requesters(&self) -> usize {
        self.by_requester.len()
    }

    /// How many are outstanding at that full JID.
    pub fn outstanding(&self, peer: &str) -> usize {
        self.by_peer.get(peer).map_or(0, HashMap::len)
    }

    /// Adds a request that is sent from one address to another, under its own id if that is free there.
    /// Gives back the addresses.
    pub fn insert(
        &mut self,
        to: Rc<str>,
        from: &str,
        mut request: Request<S>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Addresses {
        let slot = self.slot(&request);
        let sent_there = self.by_peer.entry(Rc::clone(&to)).or_default();
        let mut key = Key {
            from: from.to_owned(),
            id: request.envelope.id.clone().unwrap_or_default(),
        };
        while sent_there.contains_key(&key) {
            key.id = format!("{:016x}", rng.random::<u64>());
        }
        let addresses = Addresses {
            to: to.as_ref().to_owned(),
            from: key.from.clone(),
            id: key.id.clone(),
        };
        let key = Rc::new(key);
        sent_there.insert(Rc::clone(&key), slot);
        self.attempts += 1;
        request.attempts.push(Attempt::new(to, key, now));
        self.by_time.insert(slot, request);
        addresses
    }

    /// Adds a request that was taken out, which goes on being outstanding where it was sent.
    pub fn put_back(&mut self, request: Request<S>) {
        let slot = self.slot(&request);
        self.by_time.insert(slot, request);
    }

    /// Takes out the request that was sent with these addresses, if it is outstanding there.
    pub fn take(&mut self, to: &str, from: String, id: String) -> Option<Request<S>> {
        let slot = self.forget(to, &Key { from, id })?;
        let request = self.by_time.remove(&slot)?;
        self.discount(&request);
        let elsewhere = request.outstanding().filter(|(peer, _)| &***peer != to);
        for (peer, key) in elsewhere {
            self.forget(peer, key);
        }
        Some(request)
    }

    /// Takes out the requests that are outstanding at that full JID, in the order in which they are due.
    pub fn take_peer(&mut self, peer: &str) -> Vec<Request<S>> {
        let sent_there = self.by_peer.get(peer);
        let mut slots: Vec<Slot> =
            sent_there.map_or_else(Vec::new, |keys| keys.values().copied().collect());
        slots.sort_unstable();
        let requests = slots.into_iter().filter_map(|slot| self.remove(slot));
        requests.collect()
    }

    /// Takes out a request for which something is due.
    pub fn take_due(&mut self, now: Instant) -> Option<Request<S>> {
        if self.next_due()? > now {
            return None;
        }
        self.take_first()
    }

    /// Takes out the one for which something is due first.
    pub fn take_first(&mut self) -> Option<Request<S>> {
        let slot = *self.by_time.first_key_value()?.0;
        self.remove(slot)
    }

    /// When something is due for the next of them.
    pub fn next_due(&self) -> Option<Instant> {
        self.by_time.keys().next().map(|slot| slot.0)
    }

    fn remove(&mut self, slot: Slot) -> Option<Request<S>> {
        let request = self.by_time.remove(&slot)?;
        self.discount(&request);
        for (peer, key) in request.outstanding() {
            self.forget(peer, key);
        }
        Some(request)
    }

    /// A slot of its own for a request, which counts from now on and is found by where it is outstanding.
    fn slot(&mut self, request: &Request<S>) -> Slot {
        self.serial += 1;
        let slot = (request.due(), self.serial);
        for (peer, key) in request.outstanding() {
            let sent_there = self.by_peer.entry(Rc::clone(peer)).or_default();
            sent_there.insert(Rc::clone(key), slot);
            self.attempts += 1;
        }
        self.held_bytes += request.held.as_ref().map_or(0, |held| held.bytes);
        let requester = jid::bare(&request.envelope.from);
        match self.by_requester.get_mut(requester) {
            Some(count) => *count += 1,
            None => {
                self.by_requester.insert(requester.into(), 1);
            }
        }
        slot
    }

    /// A request does not count any more.
    fn discount(&mut self, request: &Request<S>) {
        self.held_bytes -= request.held.as_ref().map_or(0, |held| held.bytes);
        let requester = jid::bare(&request.envelope.from);
        if let Some(count) = self.by_requester.get_mut(requester) {
            *count -= 1;
            if *count == 0 {
                self.by_requester.remove(requester);
            }
        }
    }

    /// Nothing is outstanding there any more; gives back the slot of what was.
    fn forget(&mut self, peer: &str, key: &Key) -> Option<Slot> {
        let sent_there = self.by_peer.get_mut(peer)?;
        let slot = sent_there.remove(key)?;
        self.attempts -= 1;
        if sent_there.is_empty() {
            self.by_peer.remove(peer);
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_proxy::request::Asked;
    use crate::stanza::{Envelope, Kind};
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
            let envelope = Envelope {
                kind: Kind::Iq,
                to: addressed.into(),
                from: "romeo@example/orchard".into(),
                type_: Some("get".into()),
                id: Some(id.into()),
                says_nothing: false,
            };
            let deadline = self.start + Duration::from_secs(seconds);
            let request = Request::new(envelope, Asked::Target, deadline, None);
            self.send(to, request)
        }

        fn send(&mut self, to: &str, request: Request<()>) -> Addresses {
            let from = "proxy/romeo";
            self.pending
                .insert(to.into(), from, request, self.start, &mut self.rng)
        }

        fn take(&mut self, sent: &Addresses) -> Option<Request<()>> {
            let Addresses { to, from, id } = sent.clone();
            self.pending.take(&to, from, id)
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
            assert!(fixture.take(&other).is_none(), "{other:?}");
        }
        assert!(fixture.take(&sent).is_some());
        assert!(fixture.take(&sent).is_none());
        assert_eq!(fixture.pending.len(), 0);
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
            let envelope = fixture.take(&sent).unwrap().envelope;
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
        assert_eq!(fixture.pending.next_due(), Some(at(4)));
        assert!(fixture.pending.take_due(at(3)).is_none());
        let mut expired = Vec::new();
        while let Some(request) = fixture.pending.take_due(at(4)) {
            expired.push(request.envelope.id.unwrap());
        }
        assert_eq!(expired, ["early", "same time"]);
        assert_eq!(fixture.pending.next_due(), Some(at(9)));
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
        assert!(fixture.take(&other).is_some());
    }

    #[test]
    fn a_request_may_be_outstanding_at_several_places() {
        let mut fixture = Fixture::new();
        let other = fixture.insert("t@h/2", "other", "1", 9);
        let first = fixture.insert("t@h/1", "proxy", "1", 5);
        let request = fixture.take(&first).unwrap();
        assert_eq!(fixture.pending.outstanding("t@h/1"), 0);
        let second = fixture.send("t@h/2", request);
        assert_ne!(second.id, "1");
        assert_eq!((fixture.pending.len(), fixture.pending.attempts()), (2, 3));
        assert_eq!(fixture.pending.outstanding("t@h/1"), 1);
        assert_eq!(fixture.pending.outstanding("t@h/2"), 2);
        let envelope = fixture.take(&second).unwrap().envelope;
        assert_eq!(envelope.to, "proxy");
        assert!(fixture.take(&first).is_none());
        assert_eq!((fixture.pending.len(), fixture.pending.attempts()), (1, 1));
        assert_eq!(fixture.pending.outstanding("t@h/1"), 0);
        assert!(fixture.take(&other).is_some());
    }

    #[test]
    fn what_was_given_up_is_waited_for_no_more() {
        let mut fixture = Fixture::new();
        let first = fixture.insert("t@h/1", "proxy", "1", 5);
        let request = fixture.take(&first).unwrap();
        let second = fixture.send("t@h/2", request);
        let mut request = fixture.take(&first).unwrap();
        request.give_up("t@h/1");
        assert!(request.is_outstanding() && request.was_sent_to("t@h/1"));
        fixture.pending.put_back(request);
        assert!(fixture.take(&first).is_none());
        let mut request = fixture.take(&second).unwrap();
        request.give_up("t@h/2");
        assert!(!request.is_outstanding());
        request.forget("t@h/2");
        assert!(!request.was_sent_to("t@h/2"));
        assert_eq!(fixture.pending.attempts(), 0);
    }

    #[test]
    fn one_after_the_other() {
        let mut fixture = Fixture::new();
        let sent = fixture.insert("t@h/1", "proxy", "1", 5);
        fixture.insert("t@h/2", "proxy", "2", 4);
        let ids: Vec<_> = std::iter::from_fn(|| fixture.pending.take_first())
            .map(|request| request.envelope.id.unwrap())
            .collect();
        assert_eq!(ids, ["2", "1"]);
        assert_eq!((fixture.pending.len(), fixture.pending.attempts()), (0, 0));
        assert!(fixture.take(&sent).is_none());
    }
}
