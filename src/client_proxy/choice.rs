//! Which of the resources that could serve a request gets it.

use std::rc::Rc;

use rand::Rng;
use rand::seq::{IndexedRandom, IteratorRandom};

/// How a resource is chosen (`proxy_strategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Any, each with the same chance.
    Random,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests outstanding.
    LeastOutstanding,
    /// The one that served the requester before, while it is there.
    Sticky,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Strategy; 4] = [
        Strategy::Random,
        Strategy::RoundRobin,
        Strategy::LeastOutstanding,
        Strategy::Sticky,
    ];

    /// The value of the option.
    pub const fn as_str(self) -> &'static str {
        match self {
            Strategy::Random => "random",
            Strategy::RoundRobin => "round-robin",
            Strategy::LeastOutstanding => "least-outstanding",
            Strategy::Sticky => "sticky",
        }
    }
}

/// What a choice may depend on.
pub trait Circumstances {
    /// The resource chosen last, for whichever requester.
    fn last(&self) -> Option<&str>;
    /// The resource that served this requester last.
    fn known(&self) -> Option<&str>;
    /// How many requests are outstanding at a resource.
    fn outstanding(&self, resource: &str) -> usize;
}

/// Chooses one of the candidates, which are in the order of their JIDs; `None` if there is none.
pub fn choose(
    strategy: Strategy,
    candidates: &[&Rc<str>],
    circumstances: &impl Circumstances,
    rng: &mut impl Rng,
) -> Option<Rc<str>> {
    if let [only] = candidates {
        return Some(Rc::clone(only));
    }
    let chosen = match strategy {
        Strategy::Random => candidates.choose(rng),
        Strategy::RoundRobin => after(candidates, circumstances.last()),
        Strategy::LeastOutstanding => {
            let load = |jid: &&Rc<str>| circumstances.outstanding(jid);
            let least = candidates.iter().map(load).min()?;
            let idle = candidates.iter().filter(|jid| load(jid) == least);
            idle.choose(rng)
        }
        Strategy::Sticky => {
            let known = circumstances.known();
            let same = candidates.iter().find(|jid| known == Some(jid));
            same.or_else(|| candidates.choose(rng))
        }
    };
    chosen.map(|jid| Rc::clone(jid))
}

/// The first candidate behind the one chosen last, which may be gone.
fn after<'a>(candidates: &'a [&'a Rc<str>], last: Option<&str>) -> Option<&'a &'a Rc<str>> {
    let behind = last.map_or(0, |last| candidates.partition_point(|jid| &***jid <= last));
    candidates.get(behind).or_else(|| candidates.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::HashMap;

    fn jids(names: &[&str]) -> Vec<Rc<str>> {
        names.iter().map(|name| Rc::from(*name)).collect()
    }

    struct Known<'a> {
        last: Option<Rc<str>>,
        known: Option<&'a str>,
        load: &'a HashMap<&'a str, usize>,
    }

    impl Circumstances for Known<'_> {
        fn last(&self) -> Option<&str> {
            self.last.as_deref()
        }

        fn known(&self) -> Option<&str> {
            self.known
        }

        fn outstanding(&self, resource: &str) -> usize {
            self.load.get(resource).copied().unwrap_or_default()
        }
    }

    /// Chooses that often; `load` tells what is outstanding.
    fn chosen(
        strategy: Strategy,
        candidates: &[Rc<str>],
        known: Option<&str>,
        load: &HashMap<&str, usize>,
        times: usize,
    ) -> Vec<String> {
        let mut rng = StdRng::seed_from_u64(3);
        let candidates: Vec<&Rc<str>> = candidates.iter().collect();
        let last = None;
        let mut circumstances = Known { last, known, load };
        let mut chosen = Vec::new();
        for _ in 0..times {
            circumstances.last = choose(strategy, &candidates, &circumstances, &mut rng);
            chosen.extend(circumstances.last.as_deref().map(str::to_owned));
        }
        chosen
    }

    #[test]
    fn nobody_there_nobody_chosen() {
        for strategy in Strategy::ALL {
            assert!(chosen(strategy, &[], Some("a"), &HashMap::new(), 1).is_empty());
        }
    }

    #[test]
    fn random_gives_each_its_share() {
        let names = ["a", "b", "c"];
        let chosen = chosen(
            Strategy::Random,
            &jids(&names),
            None,
            &HashMap::new(),
            30_000,
        );
        for name in names {
            let share = chosen.iter().filter(|jid| *jid == name).count();
            assert!((9_000..11_000).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn round_robin_takes_turns_though_some_leave() {
        let turns = chosen(
            Strategy::RoundRobin,
            &jids(&["a", "b", "c"]),
            None,
            &HashMap::new(),
            5,
        );
        assert_eq!(turns, ["a", "b", "c", "a", "b"]);
        let remaining = jids(&["a", "c", "d"]);
        let candidates: Vec<&Rc<str>> = remaining.iter().collect();
        for (last, next) in [("b", "c"), ("c", "d"), ("d", "a"), ("e", "a")] {
            assert_eq!(&***after(&candidates, Some(last)).unwrap(), next);
        }
    }

    #[test]
    fn least_outstanding_spares_the_busy() {
        let load = HashMap::from([("a", 2), ("b", 1), ("c", 1)]);
        let chosen = chosen(
            Strategy::LeastOutstanding,
            &jids(&["a", "b", "c"]),
            None,
            &load,
            100,
        );
        assert!(!chosen.contains(&"a".to_owned()));
        assert!(chosen.contains(&"b".to_owned()) && chosen.contains(&"c".to_owned()));
    }

    #[test]
    fn sticky_stays_while_it_can() {
        let candidates = jids(&["a", "b", "c"]);
        let stays = chosen(
            Strategy::Sticky,
            &candidates,
            Some("b"),
            &HashMap::new(),
            50,
        );
        assert!(stays.iter().all(|jid| jid == "b"));
        let anew = chosen(
            Strategy::Sticky,
            &candidates,
            Some("z"),
            &HashMap::new(),
            50,
        );
        assert!(
            candidates
                .iter()
                .all(|jid| anew.contains(&jid.as_ref().to_owned()))
        );
    }
}
