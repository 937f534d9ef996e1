//! Nobody takes from others more than the wait for one place.

use super::*;

#[test]
fn one_sender_has_at_most_half_of_the_places() {
    let mut component = Component::new(LIMITS);
    for id in 0..20 {
        component.admit(iq(), "flood@a", &id.to_string());
    }
    assert_eq!(component.attempted(), ["0", "1", "2", "3", "4"]);
    component.admit(iq(), "romeo@a", "r");
    assert_eq!(component.attempted(), ["r"]);
    component.end(1, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["5"]);
}

#[test]
fn places_of_exchanges_that_have_expired_are_their_senders_still() {
    let mut component = Component::new(Limits {
        concurrency: 4,
        ..LIMITS
    });
    component.admit(iq(), "flood@a", "1");
    component.admit(iq(), "flood@a", "2");
    assert_eq!(component.attempted().len(), 2);
    component.now += LIMITS.timeout;
    component.delivery.handle_timeout(component.now);
    assert_eq!(component.failed(), ["1", "2"]);
    component.admit(iq(), "flood@a", "3");
    assert!(component.attempted().is_empty());
    component.end(1, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["3"]);
}

/// What is refused of so many stanzas of one sender, after so many of others, and why.
fn refused(limits: Limits, others: usize, own: usize) -> Vec<(String, Failure)> {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..limits
    });
    for id in 0..=others {
        component.admit(message(), &format!("{id}@a"), "other");
    }
    assert_eq!(component.attempted().len(), 1);
    for id in 0..own {
        component.admit(message(), "own@a", &id.to_string());
    }
    component.effects();
    component.failed
}

#[test]
fn of_a_queue_that_is_more_than_half_full_a_sender_has_a_tenth() {
    assert_eq!(refused(LIMITS, 39, 11), []);
    let share_full = |id: &str| (id.to_owned(), Failure::Refused(Refusal::ShareFull));
    assert_eq!(refused(LIMITS, 39, 13), [share_full("12")]);
    assert_eq!(refused(LIMITS, 60, 12), [share_full("11")]);
    let full = ("1".to_owned(), Failure::Refused(Refusal::QueueFull));
    assert_eq!(refused(LIMITS, 99, 2), [full]);
}

#[test]
fn the_bytes_of_the_xml_count_as_well() {
    let bytes = message().xml.len();
    let limits = Limits {
        queue: Load {
            stanzas: 1_000_000,
            bytes: 100 * bytes,
        },
        ..LIMITS
    };
    let share_full = |id: &str| (id.to_owned(), Failure::Refused(Refusal::ShareFull));
    assert_eq!(refused(limits, 39, 13), [share_full("12")]);
    let full = ("1".to_owned(), Failure::Refused(Refusal::QueueFull));
    assert_eq!(refused(limits, 99, 2), [full]);
}
