//! Which backends there are, and which of them a conversation goes to.
//!
//! A conversation sticks to one URL of its route by rendezvous hashing: of each URL and the conversation a number
//! is made, and the URLs are asked in the order of these numbers, the greatest first. When one is down, its
//! conversations go to the next in their orders, which differ, so that all others share them; nobody else moves.
//! The number is the first eight bytes (big-endian) of the SHA-256 of the URL without user, password and fragment,
//! a line feed, and both bare addresses, sender first, with a slash between them. So it is the same after a restart,
//! on another machine, and in a service that wants to know.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::lanes::Conversation;

/// Stands for a backend as long as the component has it.
pub type BackendId = usize;

/// A URL that is POSTed to, as far as it matters here.
#[derive(Clone)]
pub struct Target {
    /// What it may be called in front of people.
    name: Arc<str>,
    /// The whole URL.
    identity: Arc<str>,
    /// What its numbers begin with.
    seed: Context,
}

impl Target {
    /// The target of a URL, which goes by that name. What changes nothing about which service it is, its
    /// password, is not part of the `location`.
    pub fn new(name: &str, identity: &str, location: &str) -> Self {
        let mut seed = Context::new(&SHA256);
        seed.update(location.as_bytes());
        seed.update(b"\n");
        Target {
            name: name.into(),
            identity: identity.into(),
            seed,
        }
    }

    /// What it may be called in front of people.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    fn number(&self, conversation: &Conversation) -> u64 {
        let mut hash = self.seed.clone();
        hash.update(conversation.as_bytes());
        let digest = hash.finish();
        digest
            .as_ref()
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}

/// Where an admin wants stanzas to go.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// All URLs, each of them once.
    pub targets: Vec<Target>,
    /// Which of them get what no route is for, by their places among the targets; none if nobody does.
    pub default: Vec<usize>,
    /// Which of them get what is addressed to a localpart; to the host itself if that is empty.
    pub by_localpart: BTreeMap<Box<str>, Vec<usize>>,
}

impl Plan {
    /// The routes, if the targets have become these backends.
    pub(super) fn routes(&self, backends: &[BackendId]) -> Routes {
        let group = |places: &Vec<usize>| {
            let members = places.iter();
            Group(
                members
                    .map(|place| (backends[*place], self.targets[*place].clone()))
                    .collect(),
            )
        };
        Routes {
            default: group(&self.default),
            by_localpart: self
                .by_localpart
                .iter()
                .map(|(localpart, places)| (localpart.clone(), group(places)))
                .collect(),
        }
    }
}

/// Which backends take what is addressed to whom.
#[derive(Debug, Default)]
pub(super) struct Routes {
    default: Group,
    by_localpart: BTreeMap<Box<str>, Group>,
}

impl Routes {
    /// The only backend that there is for everything, if there is but one.
    pub(super) fn only(&self) -> Option<BackendId> {
        let only = self.by_localpart.is_empty().then(|| self.default.only());
        only.flatten()
    }

    /// Whether stanzas go different ways by their addressees.
    pub(super) fn are_several(&self) -> bool {
        !self.by_localpart.is_empty()
    }

    /// The backends for a localpart, or for the host itself.
    pub(super) fn of(&self, localpart: Option<&str>) -> Option<&Group> {
        let group = self.by_localpart.get(localpart.unwrap_or_default());
        let group = group.unwrap_or(&self.default);
        (!group.0.is_empty()).then_some(group)
    }

    /// All groups of backends.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.by_localpart.values().chain([&self.default])
    }
}

/// Backends that stand in for each other.
#[derive(Debug, Default)]
pub(super) struct Group(Vec<(BackendId, Target)>);

impl Group {
    /// The backend, if it is alone.
    pub(super) fn only(&self) -> Option<BackendId> {
        match self.0.as_slice() {
            [(only, _)] => Some(*only),
            _ => None,
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = BackendId> {
        self.0.iter().map(|(id, _)| *id)
    }

    pub(super) fn contains(&self, id: BackendId) -> bool {
        self.ids().any(|member| member == id)
    }

    /// Where a conversation goes: to the first in its order that takes something, or after the one that it
    /// leaves to the next. If nobody takes anything, to the first.
    pub(super) fn choose(
        &self,
        conversation: &Conversation,
        left: Option<BackendId>,
        takes: impl Fn(BackendId) -> bool,
    ) -> Option<BackendId> {
        let mut order: Vec<(u64, BackendId)> = self
            .0
            .iter()
            .map(|(id, target)| (target.number(conversation), *id))
            .collect();
        // The older one first in the unlikely case of equal numbers.
        order.sort_unstable_by_key(|(number, id)| (Reverse(*number), *id));
        let first = order.first().map(|(_, id)| *id);
        let place = left.and_then(|left| order.iter().position(|(_, id)| *id == left));
        order.rotate_left(place.map_or(0, |place| place + 1));
        let next = order.into_iter().map(|(_, id)| id).find(|id| takes(*id));
        next.or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;

    fn conversation(sender: usize) -> Conversation {
        let mut envelope = message().envelope;
        envelope.from = format!("{sender}@example/home");
        Conversation::of(&envelope)
    }

    fn target(url: &str) -> Target {
        Target::new(url, url, url)
    }

    fn group(urls: &[&str]) -> Group {
        Group(urls.iter().map(|url| target(url)).enumerate().collect())
    }

    const THREE: [&str; 3] = ["http://a/", "http://b/", "http://c/"];

    fn homes(group: &Group, is_up: impl Fn(BackendId) -> bool) -> Vec<BackendId> {
        let conversations = (0..3000).map(conversation);
        conversations
            .map(|one| group.choose(&one, None, &is_up).unwrap())
            .collect()
    }

    #[test]
    fn the_number_is_what_it_is_said_to_be() {
        // printf 'http://a/\nromeo@example/bot.example' | sha256sum
        let number = target("http://a/").number(&Conversation::of(&message().envelope));
        assert_eq!(format!("{number:016x}"), "927a02cedc153ca5");
    }

    #[test]
    fn each_has_about_as_many_conversations_and_those_of_one_that_is_down_go_to_all_others() {
        let group = group(&THREE);
        let before = homes(&group, |_| true);
        let count = |homes: &[BackendId], id| homes.iter().filter(|home| **home == id).count();
        for id in 0..3 {
            assert!((800..1200).contains(&count(&before, id)));
        }
        let after = homes(&group, |id| id != 0);
        let moved: Vec<BackendId> = before
            .iter()
            .zip(&after)
            .filter(|(before, _)| **before == 0)
            .map(|(_, after)| *after)
            .collect();
        for id in [1, 2] {
            assert!(count(&moved, id) > moved.len() / 3);
        }
        for (before, after) in before
            .iter()
            .zip(&after)
            .filter(|(before, _)| **before != 0)
        {
            assert_eq!(before, after);
        }
    }

    #[test]
    fn one_more_url_takes_its_part_of_each_and_the_order_of_the_list_does_not_matter() {
        let urls = |group: &Group, homes: Vec<BackendId>| {
            let name = |id: BackendId| group.0[id].1.name().to_string();
            homes.into_iter().map(name).collect::<Vec<_>>()
        };
        let (two, three) = (group(&THREE[..2]), group(&THREE));
        let two = urls(&two, homes(&two, |_| true));
        let with_third = urls(&three, homes(&three, |_| true));
        for (before, after) in two.iter().zip(&with_third) {
            assert!(before == after || after == "http://c/");
        }
        let other_order = group(&["http://c/", "http://a/", "http://b/"]);
        assert_eq!(
            urls(&other_order, homes(&other_order, |_| true)),
            with_third
        );
    }

    #[test]
    fn whoever_leaves_one_goes_to_each_other_before_it_comes_back() {
        let group = group(&THREE);
        for sender in 0..100 {
            let conversation = conversation(sender);
            let first = group.choose(&conversation, None, |_| true).unwrap();
            let second = group.choose(&conversation, Some(first), |_| true).unwrap();
            let third = group.choose(&conversation, Some(second), |_| true).unwrap();
            let mut all = [first, second, third];
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2]);
            let again = group.choose(&conversation, Some(third), |_| true);
            assert_eq!(again, Some(first));
            let alone = group.choose(&conversation, Some(first), |id| id == first);
            assert_eq!(alone, Some(first));
            assert_eq!(
                group.choose(&conversation, Some(second), |_| false),
                Some(first)
            );
        }
    }

    #[test]
    fn localparts_have_their_own_and_all_others_the_default() {
        let mut plan = Plan {
            targets: THREE.map(target).into(),
            default: vec![0],
            by_localpart: [("".into(), vec![1]), ("x".into(), vec![2, 0])].into(),
        };
        let ids = |plan: &Plan, localpart| {
            let routes = plan.routes(&[10, 11, 12]);
            routes
                .of(localpart)
                .map(|group| group.ids().collect::<Vec<_>>())
        };
        assert_eq!(ids(&plan, None), Some(vec![11]));
        assert_eq!(ids(&plan, Some("x")), Some(vec![12, 10]));
        assert_eq!(ids(&plan, Some("y")), Some(vec![10]));
        plan.default.clear();
        assert_eq!(ids(&plan, Some("y")), None);
    }
}
