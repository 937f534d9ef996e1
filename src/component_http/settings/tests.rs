//! What an admin can write, and what is said of what cannot be used.

use super::stanzas::DEPRECATED_OPTION;
use super::*;
use crate::engine::Budget;
use crate::options::OptionValue;
use crate::stanza::Kind;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Settings for tests: defaults, but for the options given.
pub(crate) fn settings(options: &[(&'static str, OptionValue)]) -> Settings {
    read(Scope::Component, options).unwrap()
}

fn read(scope: Scope, options: &[(&'static str, OptionValue)]) -> Result<Settings, OptionError> {
    let look_up = |name: &'static str| {
        let set = options.iter().find(|(option, _)| *option == name);
        match (set, name) {
            (Some((_, value)), _) => value.clone(),
            (None, "component_post_url") => text("http://127.0.0.1:1/"),
            (None, _) => OptionValue::Absent,
        }
    };
    Settings::read("bot.example", scope, &Options::new(&look_up))
}

pub(crate) fn text(text: &str) -> OptionValue {
    OptionValue::Text(text.to_owned())
}

pub(crate) fn list(items: &[&str]) -> OptionValue {
    OptionValue::List(items.iter().map(|item| text(item)).collect())
}

#[test]
fn what_is_wrong_with_the_url_is_said_of_its_option() {
    for url in ["", "ftp://secret/", "http:///secret"] {
        let error = read(Scope::Component, &[("component_post_url", text(url))]).unwrap_err();
        assert_eq!(error.option, "component_post_url");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn what_counts_where_nothing_is_set() {
    let defaults = settings(&[]);
    assert_eq!(defaults.forwarded.kinds, [Kind::Message]);
    assert_eq!(defaults.timeout, Duration::from_secs(30));
    assert_eq!(defaults.service.connect_timeout, Duration::from_secs(10));
    assert_eq!(defaults.concurrency, 256);
    assert_eq!(defaults.queue_size, 10_000);
    assert_eq!(defaults.queue_bytes, 64 << 20);
    assert_eq!(defaults.retry.retry_for, Duration::from_secs(30));
    assert!(!defaults.retry.at_least_once);
    assert_eq!(defaults.response_limit, 1 << 20);
    assert!(defaults.ordered && defaults.validate_from && !defaults.forwarded.body_only);
    assert_eq!(defaults.service.tls_files.authorities, None);
    assert!(defaults.signs.receipts && !defaults.signs.typing);
}

#[test]
fn an_unusable_value_is_told_by_its_option() {
    let word = || text("maybe");
    let number = OptionValue::Number;
    let table = |name: &str, value| OptionValue::Table(vec![(name.to_owned(), value)]);
    for (option, values) in [
        (
            "component_post_url",
            vec![OptionValue::Absent, number(17.0), list(&[])],
        ),
        (
            "component_post_url",
            vec![
                list(&["http://h/", "ftp://tellnobody/"]),
                list(&["http://h/tellnobody", "http://h/tellnobody"]),
                OptionValue::List(vec![number(1.0)]),
                table("x", text("http://h/")),
            ],
        ),
        (
            "component_post_routes",
            vec![
                text("http://h/tellnobody"),
                list(&["http://h/tellnobody"]),
                table("x", number(1.0)),
                table("x", text("tellnobody")),
                table("x", list(&["http://h/", "tellnobody"])),
                table("x", list(&[])),
                table("a@b", text("http://h/tellnobody")),
                OptionValue::Table(vec![
                    ("x".to_owned(), text("http://h/tellnobody")),
                    ("X".to_owned(), text("http://h/tellnobody")),
                ]),
            ],
        ),
        (
            "component_post_url",
            vec![word(), text("example.com/api"), text("http://h:99999/")],
        ),
        (
            "component_post_url",
            vec![text("how do I do this?"), text("http:///api")],
        ),
        (
            "component_post_stanzas",
            vec![number(5.0), list(&["message", "letter"]), list(&[])],
        ),
        ("post_stanza_types", vec![list(&["letter"])]),
        (
            "component_post_timeout",
            vec![number(0.0), number(-1.0), number(f64::NAN), word()],
        ),
        (
            "component_post_connect_timeout",
            vec![number(0.0), number(86_401.0), word()],
        ),
        (
            "component_post_stream_timeout",
            vec![number(0.0), number(86_401.0), word()],
        ),
        (
            "component_post_concurrency",
            vec![number(0.0), number(-3.0), number(1.5), word()],
        ),
        (
            "component_post_queue_size",
            vec![number(-1.0), number(f64::INFINITY), word()],
        ),
        (
            "component_post_queue_bytes",
            vec![number(0.0), number(0.5), text("64 MB")],
        ),
        (
            "component_post_retry_for",
            vec![number(-1.0), number(86_401.0), text("2 years"), word()],
        ),
        (
            "component_post_delivery",
            vec![
                word(),
                text("exactly-once"),
                text(""),
                number(1.0),
                OptionValue::Boolean(true),
            ],
        ),
        (
            "component_post_response_limit",
            vec![number(0.0), number(-1.0), text("1 MB")],
        ),
        ("component_post_ordered", vec![word(), number(1.0)]),
        ("component_post_typing", vec![word(), number(1.0)]),
        ("component_post_receipts", vec![word(), number(0.0)]),
        ("component_post_body_only", vec![word(), number(3.0)]),
        ("component_post_ca_file", vec![number(1.0), text("")]),
        (
            "component_post_client_certificate",
            vec![number(1.0), text(""), text("/bot.pem")],
        ),
        (
            "component_post_client_key",
            vec![number(1.0), text("/bot.key")],
        ),
        (
            "component_post_proxy",
            vec![
                number(1.0),
                text(""),
                text("tellnobody:3128"),
                text("https://tellnobody/"),
                text("http://me:tellnobody@h/path"),
                text("socks5://tellnobody@h"),
            ],
        ),
        (
            "component_post_secret",
            vec![
                number(1.0),
                text("tellnobody"),
                text("whsec_AAAA"),
                list(&[]),
                list(&[SECRET, "tellnobody"]),
                list(&[SECRET; 6]),
            ],
        ),
        (
            "component_post_headers",
            vec![
                text("X-Key: tellnobody"),
                list(&["X-Key: tellnobody"]),
                table("Content-Type", text("tellnobody")),
                table("X Key", text("tellnobody")),
                table("X-Key", text("tellnobody\r\n")),
                table("X-Key", number(1.0)),
            ],
        ),
        (
            "validate_from_addresses",
            vec![word(), OptionValue::Other("a function")],
        ),
        (
            "component_avatar",
            vec![
                number(1.0),
                text(""),
                text("/nonexistent.png"),
                text("/"),
                text("/dev/zero"),
                text("/etc/passwd"),
            ],
        ),
        (
            "component_description",
            vec![number(1.0), text(""), text("a\u{1}b")],
        ),
        (
            "component_url",
            vec![number(1.0), text("example.com"), text("https://h/\u{FFFF}")],
        ),
        ("name", vec![number(1.0), text("\u{1}")]),
    ] {
        for value in values {
            let error = read(Scope::Component, &[(option, value.clone())]).unwrap_err();
            assert_eq!(error.option, option, "{value:?}");
            let told = ["is ", "must ", "has ", "sets ", "names "]
                .iter()
                .any(|verb| error.problem.starts_with(verb));
            assert!(!error.problem.contains("tellnobody"), "{error}");
            assert!(told && error.problem.len() > 10, "{error}");
        }
    }
}

#[test]
fn the_old_name_of_the_stanza_option_works() {
    let list = OptionValue::List(vec![text("iq"), text("presence")]);
    let old = settings(&[(DEPRECATED_OPTION, list.clone())]);
    assert!(old.forwarded.used_deprecated_name);
    assert!(old.forwards(Kind::Iq) && old.forwards(Kind::Presence) && !old.forwards(Kind::Message));
    let both = settings(&[
        (DEPRECATED_OPTION, list),
        ("component_post_stanzas", text("message")),
    ]);
    assert!(!both.forwarded.used_deprecated_name);
    assert_eq!(both.forwarded.kinds, [Kind::Message]);
    let wrong = OptionValue::List(vec![text("messages")]);
    let error = read(Scope::Component, &[("component_post_stanzas", wrong)]).unwrap_err();
    assert_eq!(error.option, "component_post_stanzas");
}

#[test]
fn beside_accounts_only_the_host_is_served() {
    let component = settings(&[]);
    assert_eq!(component.events().len(), 9);
    for own in [
        "bot.example",
        "bot.example/r",
        "x@bot.example",
        "x@bot.example/r",
    ] {
        assert!(component.rules().is_own(own), "{own}");
    }
    assert!(!component.rules().is_own("x@example"));

    let host = read(Scope::VirtualHost, &[]).unwrap();
    assert_eq!(host.events(), ["message/host"]);
    assert!(host.rules().is_own("bot.example/r"));
    assert!(!host.rules().is_own("x@bot.example"));
}

/// The line that says what is on, from the limits on.
fn what_is_on(options: &[(&'static str, OptionValue)]) -> String {
    let notes = settings(options).introduction();
    let (_, on) = notes[0].text.split_once("s for each").unwrap();
    on.to_owned()
}

#[test]
fn what_is_on_is_told_and_what_is_secret_is_not() {
    let secrets = |count| OptionValue::List(vec![text(SECRET); count]);
    let headers = OptionValue::Table(vec![("X-Key".to_owned(), text("tellnobody"))]);
    assert_eq!(what_is_on(&[]), "");
    for (option, value, expected) in [
        ("component_post_secret", text(SECRET), ", signed"),
        ("component_post_secret", secrets(1), ", signed"),
        (
            "component_post_secret",
            secrets(2),
            ", signed with 2 secrets",
        ),
        (
            "component_post_headers",
            headers,
            ", with headers of its own",
        ),
        (
            "component_post_typing",
            OptionValue::Boolean(true),
            ", with typing shown",
        ),
        (
            "component_post_receipts",
            OptionValue::Boolean(false),
            ", without receipts",
        ),
        (
            "component_post_proxy",
            text("http://me:tellnobody@proxy.test:3128"),
            ", through the proxy http://proxy.test:3128",
        ),
    ] {
        assert_eq!(what_is_on(&[(option, value)]), expected);
    }
}

#[test]
fn files_for_all_urls_are_counted_once_for_the_component() {
    let urls = list(&["http://a.test/", "http://b.test/"]);
    let settings = settings(&[("component_post_url", urls)]);
    assert_eq!(
        settings
            .shortage(Budget::new(2048, 1))
            .map(|note| note.text),
        None
    );
    let note = settings.shortage(Budget::new(1024, 1)).unwrap();
    assert!(
        note.text
            .starts_with("component_post_concurrency is 2 times 256, but"),
        "{}",
        note.text
    );
    assert!(
        note.text.contains("no more than 510 can be"),
        "{}",
        note.text
    );
    assert!(note.text.contains("LimitNOFILE=4096 "), "{}", note.text);
}

#[test]
fn the_authorization_comes_from_one_place() {
    let headers = OptionValue::Table(vec![("authorization".to_owned(), text("Bearer x"))]);
    let url = text("http://me:secret@127.0.0.1:1/");
    let both = [
        ("component_post_headers", headers.clone()),
        ("component_post_url", url),
    ];
    let error = read(Scope::Component, &both).unwrap_err();
    assert_eq!(error.option, "component_post_headers");
    assert!(read(Scope::Component, &[("component_post_headers", headers)]).is_ok());
}
