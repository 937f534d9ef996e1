//! What is said to proxies, and what comes of what they say.

use super::super::error::TransportError;
use super::super::script::Script;
use super::*;
use std::time::Duration;

/// What is sent to a proxy that says that, and what comes of it.
fn tunnel(proxy: &str, uri: &str, comes: &[&[u8]]) -> (Vec<u8>, Result<(), TransportError>) {
    let mut wire = Script::default();
    wire.comes.extend(comes.iter().map(|bytes| bytes.to_vec()));
    wire.end = Some(super::super::wire::Received::End);
    let timeout = NextTimeout {
        after: Duration::from_secs(20).into(),
        reason: ureq::Timeout::Connect,
        ..NextTimeout::default()
    };
    let deadline = Instant::now() + *timeout.after;
    let opened = Proxy::parse(proxy).unwrap().open_tunnel(
        &mut wire,
        &uri.parse().unwrap(),
        deadline,
        timeout,
    );
    (wire.sent.concat(), opened.map_err(TransportError::from))
}

fn problem(proxy: &str, comes: &[&[u8]]) -> String {
    match tunnel(proxy, "https://bot.test/", comes).1.unwrap_err() {
        TransportError::NoConnection(reason) => reason,
        other => panic!("{other:?}"),
    }
}

const HTTP: &str = "http://me:se%3Acret@proxy.test";
const SOCKS: &str = "socks5://me:se%3Acret@proxy.test";
const WELCOME: &[u8] = b"\x05\x00";
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";

#[test]
fn connect_names_the_service() {
    for (proxy, uri, expected) in [
        (
            "http://proxy.test",
            "https://bot.test/path?secret",
            "CONNECT bot.test:443 HTTP/1.1\r\nHost: bot.test:443\r\n\r\n",
        ),
        (
            HTTP,
            "http://[::1]:8080/",
            "CONNECT [::1]:8080 HTTP/1.1\r\nHost: [::1]:8080\r\n\
             Proxy-Authorization: Basic bWU6c2U6Y3JldA==\r\n\r\n",
        ),
    ] {
        let answer: [&[u8]; 2] = [b"HTTP/1.1 200 Connection est", b"ablished\r\nX: y\r\n\r\n"];
        let (sent, opened) = tunnel(proxy, uri, &answer);
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
        assert_eq!(opened, Ok(()));
    }
}

#[test]
fn what_goes_wrong_with_connect_is_told() {
    for (comes, expected) in [
        (
            &[&b"HTTP/1.1 407 No\r\n\r\n"[..]][..],
            "does not take its user and password",
        ),
        (&[b"HTTP/1.1 403 No\r\n\r\n"], "HTTP status 403"),
        (&[b"SSH-2.0\r\n\r\n"], "does not speak HTTP"),
        (&[b"HTTP/1.1 200 OK\r\n"], "closed the connection"),
        (&[], "closed the connection"),
        (&[b"HTTP/1.1 200 OK\r\n\r\nsurplus"], "more than its answer"),
    ] {
        let said = problem(HTTP, comes);
        assert!(
            said.starts_with("the proxy") && said.contains(expected),
            "{said}"
        );
    }
    let endless = vec![b'x'; 20_000];
    let head = [b"HTTP/1.1 200 OK\r\nX: ", &*endless].concat();
    assert!(problem(HTTP, &[&head]).contains("does not speak HTTP"));
}

#[test]
fn socks_names_the_service() {
    let by_name = b"\x05\x01\x00\x03\x08bot.test\x01\xbb";
    for (proxy, uri, comes, expected) in [
        (
            "socks5://proxy.test",
            "https://bot.test/",
            vec![WELCOME, CONNECTED],
            [b"\x05\x01\x00", &by_name[..]].concat(),
        ),
        (
            SOCKS,
            "https://bot.test/",
            vec![
                b"\x05\x02",
                b"\x01\x00",
                b"\x05\x00\x00\x03\x01",
                b"x\x00\x00",
            ],
            [&b"\x05\x02\x00\x02\x01\x02me\x07se:cret"[..], by_name].concat(),
        ),
        (
            SOCKS,
            "http://[::1]:80/",
            vec![WELCOME, b"\x05\x00\x00\x04", &[0; 18]],
            [
                &b"\x05\x02\x00\x02\x05\x01\x00\x04"[..],
                &[0; 15],
                b"\x01\x00\x50",
            ]
            .concat(),
        ),
        (
            "socks5://proxy.test",
            "http://127.0.0.1:8080/",
            vec![WELCOME, CONNECTED],
            b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x1f\x90".to_vec(),
        ),
    ] {
        let (sent, opened) = tunnel(proxy, uri, &comes);
        assert_eq!(sent, expected, "{uri}");
        assert_eq!(opened, Ok(()), "{uri}");
    }
}

#[test]
fn what_goes_wrong_with_socks_is_told() {
    for (comes, expected) in [
        (vec![&b"HTTP/1.1 400"[..]], "does not speak SOCKS 5"),
        (vec![b"\x05\xff"], "asks for another authentication"),
        (
            vec![b"\x05\x02", b"\x01\x01"],
            "does not take its user and password",
        ),
        (vec![WELCOME, b"\x05\x05\x00\x01"], "connection refused"),
        (vec![WELCOME, b"\x05\x63\x00\x01"], "reply 99"),
        (vec![WELCOME, b"\x05\x00\x00\x07"], "does not speak SOCKS 5"),
        (vec![WELCOME, b"\x05\x00\x00"], "closed the connection"),
    ] {
        let said = problem(SOCKS, &comes);
        assert!(
            said.starts_with("the proxy") && said.contains(expected),
            "{said}"
        );
    }
    let surplus = [CONNECTED, b"surplus"].concat();
    assert!(problem(SOCKS, &[WELCOME, &surplus]).contains("more than its answer"));
    let strict = problem("socks5://proxy.test", &[b"\x05\x02"]);
    assert!(
        strict.contains("asks for another authentication"),
        "{strict}"
    );
}

#[test]
fn the_service_may_have_a_long_name_but_not_for_socks() {
    let uri = format!("http://{}.test/", "x".repeat(260));
    let (_, opened) = tunnel("socks5://proxy.test", &uri, &[WELCOME]);
    assert!(matches!(opened, Err(TransportError::NoConnection(_))));
}

#[test]
fn silence_ends_with_the_time_to_connect() {
    let mut wire = Script::default();
    let timeout = NextTimeout {
        after: Duration::from_millis(1).into(),
        reason: ureq::Timeout::Connect,
        ..NextTimeout::default()
    };
    let deadline = Instant::now() + *timeout.after;
    let uri = "http://bot.test/".parse().unwrap();
    let proxy = Proxy::parse(HTTP).unwrap();
    let opened = proxy.open_tunnel(&mut wire, &uri, deadline, timeout);
    let error = TransportError::from(opened.unwrap_err());
    assert_eq!(error, TransportError::NoConnectionInTime);
}
