//! Pushes from request to answer, with workers that are done at once.

use super::settings::tests::{RULES, TOKEN, settings};
use super::*;
use crate::mapping::fields::CHILDREN;
use crate::stanza::{Envelope, Extensions};

/// Pushes, and what became of them.
struct Fixture {
    pushes: Pushes,
    now: Instant,
    sent: Vec<String>,
    answered: Vec<(Ticket, Response)>,
    /// What the workers have not done yet.
    work: VecDeque<Task>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        Fixture {
            pushes: Pushes::new(settings, &RULES),
            now: Instant::now(),
            sent: Vec::new(),
            answered: Vec::new(),
            work: VecDeque::new(),
        }
    }

    fn poll(&mut self) {
        while let Some(effect) = self.pushes.poll_effect() {
            match effect {
                Effect::Work(task) => self.work.push_back(*task),
                Effect::Send(stanza) => self.sent.push(stanza.to_xml()),
                Effect::Respond(ticket, response) => self.answered.push((ticket, response)),
            }
        }
    }

    fn begin(&mut self, request: Request) -> Ticket {
        let ticket = self.pushes.admit(request, self.now);
        self.poll();
        ticket
    }

    fn work(&mut self) {
        while let Some(Task { ticket, work }) = self.work.pop_front() {
            let result = work.carry_out();
            self.pushes.handle_done(Done { ticket, result }, self.now);
            self.poll();
        }
    }

    /// The status and JSON that a request is answered with.
    fn answer(&self, ticket: Ticket) -> Option<(u16, serde_json::Value)> {
        let mut answers = self.answered.iter().filter(|(whose, _)| *whose == ticket);
        let (_, response) = answers.next()?;
        assert!(answers.next().is_none(), "answered twice");
        Some((
            response.status,
            serde_json::from_slice(&response.body).unwrap(),
        ))
    }

    fn push(&mut self, request: Request) -> (u16, serde_json::Value) {
        let ticket = self.begin(request);
        self.work();
        self.answer(ticket).expect("an answer")
    }

    fn status(&mut self, request: Request) -> u16 {
        self.push(request).0
    }
}

fn json(body: &str) -> Request {
    Request {
        method: "POST".into(),
        authorization: Some(format!("Bearer {TOKEN}")),
        content_type: Some("application/json".into()),
        body: Body::Whole(body.into()),
        ..Request::default()
    }
}

fn keyed(key: &str, body: &str) -> Request {
    Request {
        idempotency_key: Some(key.into()),
        ..json(body)
    }
}

const HELLO: &str = r#"{"to": "a@b", "body": "hello", "id": "1"}"#;
const PING: &str =
    r#"{"stanza": "<iq type='get' to='a@b/c' id='q'><ping xmlns='urn:xmpp:ping'/></iq>"}"#;

fn pong() -> (Asked, Stanza) {
    let asked = Asked {
        from: "bot.example".into(),
        to: "a@b/c".into(),
        id: "q".into(),
    };
    let stanza = Stanza {
        envelope: Envelope {
            kind: Kind::Iq,
            to: asked.from.clone(),
            from: asked.to.clone(),
            type_: Some("result".into()),
            id: Some(asked.id.clone()),
            says_nothing: false,
        },
        lang: None,
        texts: CHILDREN.map(|_| None),
        extensions: Extensions {
            any: true,
            ..Extensions::default()
        },
        xml: "<iq type='result'/>".into(),
    };
    (asked, stanza)
}

#[test]
fn stanzas_are_sent_in_order_and_their_ids_returned() {
    let mut fixture = Fixture::new();
    let body = r#"[{"to": "a@b", "id": "1"}, {"to": "c@d", "id": "2"}]"#;
    let (status, answer) = fixture.push(json(body));
    assert_eq!(
        (status, answer),
        (202, serde_json::json!({"ids": ["1", "2"]}))
    );
    assert!(fixture.sent[0].contains("to='a@b'") && fixture.sent[1].contains("to='c@d'"));
}

#[test]
fn all_or_none() {
    let mut fixture = Fixture::new();
    let (status, problem) = fixture.push(json(r#"[{"to": "a@b"}, {"to": "@"}]"#));
    assert_eq!(
        (status, &problem["item"], &problem["property"]),
        (400, &2.into(), &"to".into())
    );
    assert!(fixture.sent.is_empty());
}

#[test]
fn a_text_and_a_stanza_as_xml() {
    let mut fixture = Fixture::new();
    let text = Request {
        path: "to/a@b".into(),
        content_type: Some("text/plain".into()),
        ..json("hello")
    };
    assert_eq!(fixture.status(text.clone()), 202);
    assert!(fixture.sent[0].contains("<body>hello</body>"));
    let nothing = Request {
        body: Body::default(),
        ..text.clone()
    };
    assert_eq!(fixture.status(nothing), 400);
    let latin1 = Request {
        body: Body::Whole(vec![b'h', 0xE9]),
        ..text
    };
    let (status, problem) = fixture.push(latin1);
    assert_eq!(
        (status, problem["detail"].as_str()),
        (400, Some("the body is not UTF-8 from byte 1 on"))
    );
    let xml = Request {
        content_type: Some("application/xmpp+xml".into()),
        ..json("<presence to='a@b' id='p'/>")
    };
    assert_eq!(fixture.push(xml), (202, serde_json::json!({"ids": ["p"]})));
}

#[test]
fn whoever_has_no_token_learns_nothing() {
    let mut fixture = Fixture::new();
    for authorization in [None, Some("Bearer wrong"), Some("Basic eA==")] {
        let request = Request {
            authorization: authorization.map(str::to_owned),
            ..json("{")
        };
        assert_eq!(fixture.status(request), 401);
    }
    let description = Request {
        method: "GET".into(),
        path: "openapi.json".into(),
        ..Request::default()
    };
    assert_eq!(fixture.status(description), 200);
}

#[test]
fn a_key_sends_once() {
    let mut fixture = Fixture::new();
    let first = fixture.push(keyed("k", HELLO));
    assert_eq!(fixture.push(keyed("k", HELLO)), first);
    assert_eq!(fixture.status(keyed("k", r#"{"to": "a@b"}"#)), 422);
    assert_eq!(fixture.sent.len(), 1);
    assert_eq!(fixture.status(keyed("other", HELLO)), 202);
    assert_eq!(fixture.sent.len(), 2);
}

#[test]
fn a_key_under_way_is_in_use() {
    let mut fixture = Fixture::new();
    let first = fixture.begin(keyed("k", HELLO));
    assert_eq!(fixture.answer(first), None);
    let second = fixture.begin(keyed("k", HELLO));
    assert_eq!(fixture.answer(second).unwrap().0, 409);
    fixture.work();
    assert_eq!(fixture.answer(first).unwrap().0, 202);
}

#[test]
fn a_key_of_which_nothing_was_sent_can_be_used() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.status(keyed("k", "{")), 400);
    assert_eq!(fixture.status(keyed("k", HELLO)), 202);
}

#[test]
fn an_iq_waits_for_its_answer() {
    let mut fixture = Fixture::new();
    let ticket = fixture.begin(keyed("k", PING));
    fixture.work();
    assert_eq!((fixture.sent.len(), fixture.answer(ticket)), (1, None));
    let (asked, answer) = pong();
    assert!(fixture.pushes.awaits(&asked));
    fixture.pushes.handle_answer(&asked, answer);
    assert!(!fixture.pushes.awaits(&asked));
    fixture.poll();
    fixture.work();
    let (status, object) = fixture.answer(ticket).unwrap();
    assert_eq!((status, object["type"].as_str()), (200, Some("result")));
    assert_eq!(fixture.push(keyed("k", PING)), (status, object));
    assert_eq!(fixture.sent.len(), 1);
}

#[test]
fn an_iq_waits_so_long() {
    let mut fixture = Fixture::new();
    let request = Request {
        prefer: Some("wait=5".into()),
        ..json(PING)
    };
    let ticket = fixture.begin(request);
    fixture.work();
    let due = fixture.now + Duration::from_secs(5);
    assert_eq!(fixture.pushes.poll_timeout(), Some(due));
    fixture.pushes.handle_timeout(due);
    fixture.poll();
    assert_eq!(fixture.answer(ticket).unwrap().0, 504);
    assert!(!fixture.pushes.awaits(&pong().0));
}

#[test]
fn iqs_that_wait_are_bounded_and_different() {
    let mut fixture = Fixture::with(Settings {
        waiting: 1,
        ..settings()
    });
    fixture.begin(json(PING));
    fixture.work();
    assert_eq!(fixture.status(json(PING)), 503);
    fixture.pushes.settings.waiting = 2;
    assert_eq!(fixture.status(json(PING)), 409);
    let several = format!("[{PING}, {HELLO}]");
    assert_eq!(
        fixture.status(json(&several)),
        202,
        "nobody waits for one among others"
    );
}

#[test]
fn the_rate_is_one_of_stanzas() {
    let mut fixture = Fixture::with(Settings {
        rate: 2,
        ..settings()
    });
    assert_eq!(
        fixture.status(keyed("k", &format!("[{HELLO}, {HELLO}]"))),
        202
    );
    assert_eq!(fixture.status(json(HELLO)), 429);
    assert_eq!(
        fixture.status(keyed("k", &format!("[{HELLO}, {HELLO}]"))),
        202,
        "sends nothing"
    );
    fixture.now += Duration::from_secs(1);
    assert_eq!(fixture.status(json(HELLO)), 202);
}

#[test]
fn the_end_answers_everything_once() {
    let mut fixture = Fixture::new();
    let asking = fixture.begin(json(PING));
    fixture.work();
    let reading = fixture.begin(json(HELLO));
    fixture.pushes.close();
    fixture.poll();
    for ticket in [asking, reading] {
        assert_eq!(fixture.answer(ticket).unwrap().0, 503);
    }
    fixture.work();
    assert_eq!(fixture.sent.len(), 1, "what was being read is not sent");
    assert_eq!(fixture.status(json(HELLO)), 503);
}

#[test]
fn the_description_is_of_this_version() {
    let description: serde_json::Value = serde_json::from_slice(DESCRIPTION).unwrap();
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
}
