//! Several URLs: who goes where, and what becomes of the others when one fails.

use super::retries::{RETRYING, lost};
use super::*;

fn no_connection() -> AttemptFailure {
    AttemptFailure::Unanswered(NoAnswer::NoConnection("refused".to_owned()))
}

/// Each recipient's localpart is a route of its own, to these URLs; the last are for everything else.
fn routes(routes: &[(&str, &[usize])], default: &[usize]) -> Plan {
    Plan {
        default: default.into(),
        by_localpart: routes
            .iter()
            .map(|(localpart, urls)| ((*localpart).into(), (*urls).into()))
            .collect(),
        ..plan(3)
    }
}

fn to(localpart: &str) -> Stanza {
    let mut stanza = message();
    stanza.envelope.to = format!("{localpart}@bot.example");
    stanza
}

impl Component {
    /// Where the attempts to make now are made, by the ids of their stanzas.
    fn places(&mut self) -> BTreeMap<String, BackendId> {
        let attempts = self.attempts().into_iter();
        attempts
            .map(|(id, attempt)| (id, attempt.backend))
            .collect()
    }

    /// A message of so many senders, and where each is attempted; the attempts end like that.
    fn round(&mut self, senders: usize, end: impl Fn(BackendId) -> AttemptEnd) -> Vec<BackendId> {
        let mut places = Vec::new();
        for sender in 0..senders {
            self.admit(message(), &format!("{sender}@a"), "m");
            for (_, attempt) in self.attempts() {
                places.push(attempt.backend);
                self.end(attempt.id, end(attempt.backend));
            }
        }
        self.effects();
        places
    }
}

fn accept(_: BackendId) -> AttemptEnd {
    Ok(Vec::new())
}

#[test]
fn a_conversation_sticks_to_its_url_and_its_iqs_go_with_it() {
    let mut component = Component::with(LIMITS, &plan(3));
    let homes = component.round(30, accept);
    assert_eq!(component.round(30, accept), homes);
    assert!((0..3).all(|url| homes.contains(&url)));
    for (sender, home) in homes.iter().enumerate() {
        component.admit(iq(), &format!("{sender}@a/r"), "i");
        assert_eq!(component.places(), [("i".to_owned(), *home)].into());
        let id = component.delivery.last_id;
        component.end(id, Ok(Vec::new()));
    }
}

#[test]
fn what_finds_no_connection_is_attempted_at_the_next_url_and_what_is_answered_is_not() {
    for (failure, moves) in [(no_connection(), true), (rejected(429), false)] {
        let mut component = Component::with(RETRYING, &plan(2));
        component.admit(message(), "romeo@a", "1");
        let [(_, first)] = component.attempts().try_into().unwrap();
        component.end(first.id, Err(failure));
        component.pass();
        let [(_, again)] = component.attempts().try_into().unwrap();
        assert_eq!(again.number, 2);
        assert_eq!(again.backend != first.backend, moves);
        component.end(again.id, Ok(Vec::new()));
        component.admit(message(), "romeo@a", "2");
        let home = [("2".to_owned(), first.backend)];
        assert_eq!(
            component.places(),
            home.into(),
            "its home is not known to be down"
        );
    }
}

#[test]
fn what_is_down_leaves_its_conversations_to_the_others_and_gets_them_back() {
    let mut component = Component::with(RETRYING, &plan(3));
    let homes = component.round(30, accept);
    let down = homes[0];
    let end = |at| {
        if at == down {
            Err(no_connection())
        } else {
            Ok(Vec::new())
        }
    };
    component.round(30, end);
    let [Event::WentDown { service, .. }] = &*component.outages() else {
        panic!("{:?}", component.told);
    };
    assert_eq!(**service, format!("http://{down}.test/"));
    // Those that have failed find another one, and so does whoever comes.
    while component.timeout().is_some() {
        component.pass();
        for (_, attempt) in component.attempts() {
            component.end(attempt.id, end(attempt.backend));
        }
    }
    let away = component.round(30, end);
    for (home, there) in homes.iter().zip(&away) {
        assert!(home == there || *home == down && *there != down);
    }
    assert!(component.failed().is_empty());
    // One of them sees that it is back.
    component.now += 60 * SECOND;
    component.round(30, accept);
    assert!(matches!(&*component.outages(), [Event::CameBack { .. }]));
    assert_eq!(component.round(30, accept), homes);
}

#[test]
fn what_waits_at_a_url_that_goes_down_is_attempted_at_another_however_long_it_has_waited() {
    let limits = Limits {
        concurrency: 2,
        ..RETRYING
    };
    let mut component = Component::with(limits, &plan(2));
    let homes = component.round(30, accept);
    let down = homes[0];
    for (sender, _) in homes.iter().enumerate().filter(|(_, home)| **home == down) {
        component.admit(message(), &format!("{sender}@a"), "m");
    }
    let hanging = component.attempts();
    assert_eq!(hanging.len(), 2);
    component.now += RETRYING.retry.retry_for + SECOND;
    component.delivery.backends[down].breaker = {
        let mut breaker = super::super::breaker::Breaker::default();
        for id in 0..4 {
            breaker.end(id, Health::Down, component.now, &mut component.rng);
        }
        breaker
    };
    component.end(hanging[0].1.id, Err(lost()));
    component.delivery.handle_timeout(component.now);
    let failed = component.failed();
    assert_eq!(
        failed.len(),
        1,
        "the one that was lost: {:?}",
        component.failed
    );
    let places = component.attempts();
    assert_eq!(places.len(), 2);
    assert!(places.iter().all(|(_, attempt)| attempt.backend != down));
}

#[test]
fn one_url_that_hangs_with_all_that_it_may_have_delays_no_other() {
    let plan = routes(&[("slow", &[0]), ("quick", &[1])], &[]);
    let mut component = Component::with(LIMITS, &plan);
    for sender in 0..20 {
        component.admit(to("slow"), &format!("{sender}@a"), "slow");
    }
    assert_eq!(component.attempts().len(), LIMITS.concurrency);
    component.admit(to("quick"), "0@a", "quick");
    assert_eq!(component.places(), [("quick".to_owned(), 1)].into());
}

#[test]
fn what_waits_for_one_route_leaves_half_of_the_queue_to_others() {
    let plan = routes(&[("slow", &[0])], &[1]);
    let limits = Limits {
        concurrency: 1,
        queue: queue(10),
        ..RETRYING
    };
    let mut component = Component::with(limits, &plan);
    for sender in 0..20 {
        component.admit(to("slow"), &format!("{sender}@a"), "slow");
    }
    assert_eq!(
        component.failed().len(),
        13,
        "one may be attempted, six wait"
    );
    for id in 0..3 {
        component.admit(to("other"), &format!("{id}@a"), "other");
    }
    assert_eq!(component.failed().len(), 13);
}

#[test]
fn addressees_have_their_routes_and_without_one_there_is_no_exchange() {
    let mut host = message();
    host.envelope.to = "bot.example".into();
    let mut component = Component::with(LIMITS, &routes(&[("", &[0]), ("x", &[1])], &[2]));
    component.admit(host, "romeo@a", "host");
    component.admit(to("x"), "romeo@a", "x");
    component.admit(to("y"), "romeo@a", "y");
    let expected = [("host", 0), ("x", 1), ("y", 2)];
    let expected = expected.map(|(id, at)| (id.to_owned(), at));
    assert_eq!(component.places(), expected.into());

    let mut component = Component::with(LIMITS, &routes(&[("x", &[1])], &[]));
    component.admit(to("y"), "romeo@a", "y");
    component.effects();
    let refused = Failure::Refused(Refusal::NoRoute);
    assert_eq!(component.failed, [("y".to_owned(), refused)]);
    assert!(component.sent[0].contains("type='cancel'><item-not-found "));
}

#[test]
fn a_reload_sends_what_waits_where_it_belongs_now() {
    let limits = Limits {
        concurrency: 1,
        ..LIMITS
    };
    let mut component = Component::with(limits, &routes(&[("x", &[0]), ("y", &[0])], &[]));
    component.admit(to("x"), "romeo@a", "under way");
    component.admit(to("x"), "romeo@a", "x");
    component.admit(to("y"), "romeo@a", "y");
    component.admit(to("y"), "juliet@a", "y2");
    let [(_, under_way)] = component.attempts().try_into().unwrap();
    component
        .delivery
        .reconfigure(limits, &routes(&[("x", &[1])], &[]));
    assert!(
        component.attempts().is_empty(),
        "not before all is where it belongs"
    );
    component.pass();
    assert_eq!(component.failed(), ["y", "y2"]);
    component.end(under_way.id, Ok(Vec::new()));
    assert_eq!(
        component.places(),
        [("x".to_owned(), component.delivery.backends()[1])].into()
    );
    component.delivery.handle_timeout(component.now);
    assert!(component.failed().len() == 2 && component.told.len() == 2);
}

#[test]
fn where_nothing_is_tried_again_what_is_down_is_passed_over_all_the_same() {
    let mut component = Component::with(LIMITS, &plan(2));
    let homes = component.round(30, accept);
    let end = |at| {
        if at == homes[0] {
            Err(lost())
        } else {
            Ok(Vec::new())
        }
    };
    component.round(30, end);
    assert_eq!(component.failed().len(), 5);
    component.round(30, end);
    assert_eq!(component.failed().len(), 5);
    // When all are down everything is attempted.
    component.round(30, |_| Err(lost()));
    component.failed.clear();
    assert_eq!(component.round(30, |_| Err(lost())).len(), 30);
    assert_eq!(component.failed().len(), 30);
}
