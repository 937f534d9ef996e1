//! Exchanges by real threads with a real web service.

use std::io::Write;
use std::net::TcpListener;

use super::super::testing::{Arrived, WebService};
use super::*;
use crate::component_http::clients;
use crate::component_http::settings::tests::{settings, text};
use crate::component_http::tests::{iq, message};
use crate::options::OptionValue::{Boolean, Number};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::time::Duration;

/// A driver whose every batch is kept.
struct Component {
    driver: Driver,
    sent: Vec<String>,
}

fn driver(settings: Settings) -> Driver {
    let clients = clients(&settings).unwrap();
    Driver::new(settings, clients).unwrap()
}

impl Component {
    fn new(settings: Settings) -> Self {
        Component {
            driver: driver(settings),
            sent: Vec::new(),
        }
    }

    fn submit(&mut self, mut stanza: Stanza, from: &str, id: &str) {
        stanza.envelope.from = from.to_owned();
        stanza.envelope.id = Some(id.to_owned());
        let mut batch = Batch::default();
        self.driver.admit(stanza, Instant::now(), &mut batch);
        self.driver.wake(Instant::now(), &mut batch);
        self.keep(&batch);
    }

    fn keep(&mut self, batch: &Batch) {
        self.sent.extend(batch.stanzas.iter().map(Element::to_xml));
    }

    /// Waits until so many stanzas were sent in all.
    fn wait_for(&mut self, count: usize) -> &[String] {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.sent.len() < count {
            assert!(Instant::now() < deadline, "only {:?}", self.sent);
            self.wait_for_outcome();
        }
        &self.sent
    }

    fn wait_for_outcome(&mut self) {
        let mut set = [PollFd::new(self.driver.fd(), PollFlags::POLLIN)];
        assert_eq!(
            poll(&mut set, PollTimeout::from(20_000u16)),
            Ok(1),
            "nothing was concluded"
        );
        self.wake(Instant::now());
    }

    fn wake(&mut self, now: Instant) {
        let mut batch = Batch::default();
        self.driver.wake(now, &mut batch);
        self.keep(&batch);
    }

    /// Waits until everything is concluded.
    fn finish(&mut self) {
        while !self.driver.delivery.is_empty() {
            self.wait_for_outcome();
        }
    }

    fn reload(&mut self, settings: Settings) {
        let mut new = driver(settings);
        new.adopt(&mut self.driver);
        self.driver = new;
    }

    fn stop(&mut self) {
        let mut batch = Batch::default();
        while self.driver.close(Instant::now(), &mut batch) {}
        self.keep(&batch);
    }
}

#[test]
fn a_conversation_is_delivered_in_order_and_others_do_not_wait() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    component.submit(message(), "romeo@a/1", "r1");
    component.submit(message(), "romeo@a/2", "r2");
    component.submit(message(), "juliet@a", "j1");
    let (first, second) = (web.next(), web.next());
    let mut ids = [first.id(), second.id()];
    ids.sort_unstable();
    assert_eq!(ids, ["j1", "r1"]);
    let (romeo, juliet) = if first.id() == "r1" {
        (first, second)
    } else {
        (second, first)
    };
    assert!(web.arrived.is_empty());
    romeo.accept();
    component.wait_for_outcome();
    let next = web.next();
    assert_eq!(next.id(), "r2");
    next.answer.send(Some(r#"{"body":"2"}"#)).unwrap();
    assert!(component.wait_for(1)[0].contains("<body>2</body>"));
    juliet.accept();
    component.stop();
}

#[test]
fn without_order_nobody_waits() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[("component_post_ordered", Boolean(false))]));
    component.submit(message(), "romeo@a", "1");
    component.submit(message(), "romeo@a", "2");
    let _both = (web.next(), web.next());
    component.stop();
    assert_eq!(component.sent.len(), 2);
}

#[test]
fn beyond_the_queue_senders_are_told_at_once() {
    let web = WebService::start();
    let options = [
        ("component_post_concurrency", Number(1.0)),
        ("component_post_queue_size", Number(2.0)),
    ];
    let mut component = Component::new(web.settings(&options));
    for id in 1..=4 {
        component.submit(message(), &format!("{id}@a"), &id.to_string());
    }
    assert_eq!(component.sent.len(), 1);
    assert!(component.sent[0].contains("id='4'"), "{:?}", component.sent);
    assert!(component.sent[0].contains("<resource-constraint "));
    for id in ["1", "2", "3"] {
        let request = web.next();
        assert_eq!(request.id(), id);
        request.accept();
        component.wait_for_outcome();
    }
    assert!(component.driver.delivery.is_empty());
    assert_eq!(component.sent.len(), 1);
}

#[test]
fn a_queue_of_nothing_still_takes_what_can_be_sent() {
    let web = WebService::start();
    let options = [
        ("component_post_concurrency", Number(1.0)),
        ("component_post_queue_size", Number(0.0)),
    ];
    let mut component = Component::new(web.settings(&options));
    component.submit(message(), "1@a", "1");
    assert_eq!(component.sent.len(), 0);
    component.submit(message(), "2@a", "2");
    assert_eq!(component.sent.len(), 1);
    web.next().accept();
    component.wait_for_outcome();
    component.submit(message(), "3@a", "3");
    web.next().accept();
    component.finish();
    assert_eq!(component.sent.len(), 1);
}

#[test]
fn an_iq_expires_while_it_waits_and_is_not_sent_later() {
    let web = WebService::start();
    let mut component =
        Component::new(web.settings(&[("component_post_concurrency", Number(1.0))]));
    component.submit(message(), "romeo@a", "m");
    let hung = web.next();
    component.submit(iq(), "romeo@a", "i");
    let deadline = component.driver.next_due(Instant::now()).unwrap();
    component.wake(deadline - Duration::from_millis(1));
    assert_eq!(component.sent.len(), 0);
    component.wake(deadline);
    assert!(component.sent[0].contains("<remote-server-timeout "));
    assert_eq!(component.driver.next_due(deadline), None);
    hung.accept();
    component.wait_for_outcome();
    component.stop();
    assert_eq!(component.sent.len(), 1, "{:?}", component.sent);
}

#[test]
fn the_end_returns_all_that_is_outstanding_once() {
    let web = WebService::start();
    let mut component =
        Component::new(web.settings(&[("component_post_concurrency", Number(20.0))]));
    for id in 0..50 {
        component.submit(message(), &format!("{}@a", id / 2), &id.to_string());
    }
    let hung: Vec<_> = (0..20).map(|_| web.next()).collect();
    component.stop();
    assert_eq!(component.sent.len(), 50);
    for (id, error) in component.sent.iter().enumerate() {
        assert!(error.contains(&format!("id='{id}'")) && error.contains("<remote-server-timeout "));
    }
    component.stop();
    component.submit(message(), "late@a", "late");
    assert_eq!(component.sent.len(), 51);
    drop(hung);
}

#[test]
fn the_end_comes_in_parts_if_there_is_much_to_conclude() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    for id in 0..500 {
        component.submit(message(), "romeo@a", &id.to_string());
    }
    let mut parts = 1;
    loop {
        let mut batch = Batch::default();
        let more = component.driver.close(Instant::now(), &mut batch);
        let elements = batch.stanzas.iter().map(Element::count).sum::<usize>();
        assert!(elements < 2 * BUDGET);
        component.keep(&batch);
        if !more {
            break;
        }
        parts += 1;
    }
    assert!(parts > 2);
    for (id, error) in component.sent.iter().enumerate() {
        assert!(error.contains(&format!("id='{id}'")));
    }
    assert_eq!(component.sent.len(), 500);
}

#[test]
fn attempts_that_the_end_has_interrupted_are_neither_told_nor_left_readable() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    component.submit(message(), "romeo@a", "1");
    let hung = web.next();
    component.stop();
    assert_eq!(component.sent.len(), 1);
    component.wait_for_outcome();
    assert_eq!(component.sent.len(), 1);
    let mut set = [PollFd::new(component.driver.fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut set, PollTimeout::ZERO), Ok(0));
    drop(hung);
}

#[test]
fn threads_end_with_a_driver_that_nobody_stopped() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    component.submit(message(), "romeo@a", "1");
    web.next().accept();
    component.wait_for_outcome();
    let completions = Arc::downgrade(&component.driver.completions);
    drop(component);
    let deadline = Instant::now() + Duration::from_secs(20);
    while completions.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread is still there");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_started_for_what_ends_before_the_event_loop_runs() {
    let web = WebService::start();
    let mut driver = driver(web.settings(&[]));
    let mut batch = Batch::default();
    let now = Instant::now();
    driver.admit(message(), now, &mut batch);
    assert_eq!(driver.next_due(now), Some(now));
    driver.close(now, &mut batch);
    assert_eq!(driver.next_due(now), None);
    assert_eq!(batch.stanzas.len(), 1);
    assert!(web.arrived.is_empty());
}

#[test]
fn what_a_room_sends_back_is_not_forwarded() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    let mut said = message();
    said.envelope.type_ = Some("groupchat".into());
    component.submit(said.clone(), "room@muc/romeo", "1");
    web.next()
        .answer
        .send(Some(r#"{"body":"echo","id":"mine"}"#))
        .unwrap();
    assert!(component.wait_for(1)[0].contains("to='room@muc'"));
    component.submit(said.clone(), "room@muc/bot", "mine");
    component.submit(said, "room@muc/romeo", "2");
    assert_eq!(web.next().id(), "2");
    component.stop();
    assert_eq!(component.sent.len(), 1, "a room gets no error");
}

#[test]
fn a_connection_that_breaks_off_is_an_error_and_no_second_request() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    component.submit(message(), "romeo@a", "1");
    web.next().accept();
    component.wait_for_outcome();
    component.submit(message(), "romeo@a", "2");
    web.next().answer.send(None).unwrap();
    assert!(component.wait_for(1)[0].contains("<remote-server-timeout "));
    component.stop();
    assert!(web.arrived.is_empty());
}

#[test]
fn as_many_at_a_time_as_allowed() {
    let web = WebService::start();
    let mut component =
        Component::new(web.settings(&[("component_post_concurrency", Number(60.0))]));
    for id in 0..100 {
        component.submit(message(), &format!("{id}@a"), &id.to_string());
    }
    let hung: Vec<_> = (0..60).map(|_| web.next()).collect();
    assert!(web.arrived.is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            hung.into_iter().for_each(Arrived::accept);
            (0..40).for_each(|_| web.next().accept());
        });
        component.finish();
    });
    assert_eq!(component.sent.len(), 0);
}

#[test]
fn a_long_answer_is_sent_in_parts_and_in_order() {
    let web = WebService::start();
    let mut component = Component::new(web.settings(&[]));
    component.submit(message(), "romeo@a", "1");
    component.submit(message(), "romeo@a", "2");
    let items: Vec<String> = (0..500).map(|n| format!(r#"{{"id":"{n}"}}"#)).collect();
    web.next()
        .answer
        .send(Some(format!("[{}]", items.join(",")).leak()))
        .unwrap();
    component.wait_for_outcome();
    assert!(component.sent.len() < 500);
    web.next().answer.send(Some(r#"{"id":"500"}"#)).unwrap();
    while component.driver.has_more {
        component.wake(Instant::now());
    }
    for (id, stanza) in component.wait_for(501).iter().enumerate() {
        assert!(stanza.contains(&format!("id='{id}'")), "{id}: {stanza}");
    }
    component.stop();
}

#[test]
fn settings_change_for_what_comes_next() {
    let (old, new) = (WebService::start(), WebService::start());
    let mut component = Component::new(old.settings(&[]));
    component.submit(message(), "romeo@a", "1");
    component.submit(message(), "romeo@a", "2");
    let first = old.next();
    component.reload(new.settings(&[]));
    first.accept();
    component.wait_for_outcome();
    let second = new.next();
    assert_eq!(second.id(), "2");
    second.accept();
    component.finish();
    assert!(component.sent.is_empty(), "{:?}", component.sent);
}

#[test]
fn a_service_that_sends_faster_than_is_taken_is_read_more_slowly() {
    // More than the kernel keeps for anybody.
    const ITEMS: usize = 200_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (tell, told) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\n\r\n";
        stream.write_all(head).unwrap();
        let item = format!("{{\"body\":\"{}\"}}\n", "x".repeat(1000));
        let written = (0..ITEMS).take_while(|_| stream.write_all(item.as_bytes()).is_ok());
        tell.send(written.count()).unwrap();
    });
    let options = [("component_post_url", text(&url))];
    let mut component = Component::new(settings(&options));
    component.submit(message(), "romeo@a", "1");
    let written = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(written < ITEMS);
    let mut news = VecDeque::new();
    component.driver.completions.take(&mut news);
    assert!((2..100).contains(&news.len()), "{}", news.len());
    component.stop();
}
