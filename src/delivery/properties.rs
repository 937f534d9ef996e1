//! What holds whatever happens: services of any kind, reloads, time-outs and stops are played at random.

mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use world::World;

/// So many URLs there are to choose from.
const URLS: usize = 4;

/// Something that happens to a component.
#[derive(Clone, Debug)]
enum Happening {
    /// A stanza comes.
    Arrival {
        kind: Kind,
        sender: usize,
        recipient: usize,
    },
    /// Workers ask for so many attempts.
    Attempts(usize),
    /// The answer to the attempt at this place among those in flight begins, and comes bit by bit.
    Head(usize),
    /// A bit of it comes.
    Item(usize),
    /// The attempt at this place among those in flight ends.
    End {
        which: usize,
        end: End,
    },
    /// So many milliseconds pass, and the timer goes off if it is due.
    Pause(u64),
    /// So many effects are carried out.
    Effects(usize),
    Reload(Limits, Plan),
    /// An admin wants what waits for its next attempt attempted now.
    Retry,
    /// An admin wants what that sender has sent dropped.
    Drop(usize),
    Stop,
}

#[derive(Clone, Debug)]
enum End {
    Accepted {
        replies: usize,
    },
    Rejected {
        status: u16,
        retry_after: Option<u64>,
    },
    Broken,
}

impl End {
    fn is_surely_not_processed(&self) -> bool {
        matches!(
            self,
            End::Rejected {
                status: 429 | 503,
                ..
            }
        )
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let retry = (prop_oneof![Just(0), 1..5000_u64], any::<bool>());
    let bounds = (1..6usize, 0..12usize, 0..9000usize);
    (bounds, 1..2000u64, any::<bool>(), retry).prop_map(
        |((concurrency, stanzas, bytes), timeout, ordered, (retry_for, at_least_once))| Limits {
            concurrency,
            queue: Load { stanzas, bytes },
            timeout: Duration::from_millis(timeout),
            ordered,
            retry: RetryPolicy {
                retry_for: Duration::from_millis(retry_for),
                at_least_once,
            },
        },
    )
}

/// All or some URLs for everything, and perhaps others for some recipients.
fn plan() -> impl Strategy<Value = Plan> {
    let urls = |least| subsequence((0..URLS).collect::<Vec<_>>(), least..=URLS).prop_shuffle();
    let routes = vec(("[01]", urls(1)), 0..3);
    let one = Just(super::tests::plan(1));
    let several = (urls(0), routes).prop_map(|(default, routes)| Plan {
        default,
        by_localpart: routes
            .into_iter()
            .map(|(localpart, urls)| (localpart.into(), urls))
            .collect(),
        ..super::tests::plan(URLS)
    });
    prop_oneof![1 => one, 4 => several]
}

fn happening() -> impl Strategy<Value = Happening> {
    let kind = prop_oneof![
        3 => Just(Kind::Message),
        1 => Just(Kind::Presence),
        2 => Just(Kind::Iq),
    ];
    let end = prop_oneof![
        3 => (1..4usize).prop_map(|replies| End::Accepted { replies }),
        2 => (prop_oneof![Just(404), Just(429), Just(500), Just(503)], proptest::option::of(0..3_u64))
            .prop_map(|(status, retry_after)| End::Rejected { status, retry_after }),
        2 => Just(End::Broken),
    ];
    prop_oneof![
        30 => (kind, 0..4usize, 0..2usize).prop_map(|(kind, sender, recipient)| {
            Happening::Arrival { kind, sender, recipient }
        }),
        20 => (1..8usize).prop_map(Happening::Attempts),
        20 => (any::<usize>(), end).prop_map(|(which, end)| Happening::End { which, end }),
        5 => any::<usize>().prop_map(Happening::Head),
        10 => any::<usize>().prop_map(Happening::Item),
        10 => prop_oneof![0..20u64, 200..2000u64].prop_map(Happening::Pause),
        10 => (1..20usize).prop_map(Happening::Effects),
        3 => (limits(), plan()).prop_map(|(limits, plan)| Happening::Reload(limits, plan)),
        3 => Just(Happening::Retry),
        3 => (0..4usize).prop_map(Happening::Drop),
        1 => Just(Happening::Stop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn each_exchange_ends_once_in_order_in_turn_within_bounds_and_where_it_belongs(
        limits in limits(),
        plan in plan(),
        happenings in vec(happening(), 0..150),
    ) {
        let mut world = World::new(limits, plan);
        for happening in &happenings {
            world.play(happening);
        }
        world.finish();
    }
}
