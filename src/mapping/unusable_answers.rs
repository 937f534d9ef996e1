//! Answers that cannot be used, one by one, each with what is said of it.

use super::Unusable;
use super::answer::replies;
use crate::component_http::settings::tests::settings;
use crate::component_http::tests::message;
use crate::delivery::{AttemptFailure, Failure};
use crate::stanza::xml_in::XmlError;
use crate::stanza::{ErrorType, MAX_DEPTH};

/// Part of some of the answers, and of nothing that is said of them.
const SECRET: &str = "Geheimnis";

fn unusable(body: impl AsRef<[u8]>) -> Unusable {
    let body = body.as_ref();
    let outcome = replies(
        &message().envelope,
        body,
        &settings(&[]).rules(),
        &mut String::new,
    );
    let Err(unusable) = outcome else {
        panic!("{}: {outcome:?}", body.escape_ascii());
    };
    let error = Failure::Attempt(AttemptFailure::Unusable(unusable.clone())).to_error();
    assert_eq!(error.type_, ErrorType::Cancel);
    assert_eq!(error.condition.as_str(), "internal-server-error");
    let told = format!("{unusable} {:?}", error.text);
    assert!(!told.contains(SECRET), "{told}");
    unusable
}

/// The same of an answer whose property `stanza` is that XML.
fn of_stanza(xml: &str) -> Unusable {
    unusable(serde_json::json!({ "stanza": xml }).to_string())
}

#[test]
fn what_is_not_json() {
    for body in [
        &br#"{"body": "Geheimnis"#[..],
        br#"{"body": "x"} Geheimnis"#,
        br#"{"body": "x"}{"body": "y"}"#,
        b"{'body': 'x'}",
        br#"/* c */ {"body": "x"}"#,
        br#"{"body": NaN}"#,
        b"<html><body>502</body></html>",
        b"{\"body\": \"\xFF\xFE\"}",
        b"\xFF\xFE{\x00}\x00",
        b"{\"body\": \"\xC0\xAF\"}",
        b"{\"body\": \"\xED\xA0\x80\"}",
        br#"{"body": "\ud800"}"#,
        br#"[{"body": "good"}, {"body": "good"}"#,
    ] {
        assert!(matches!(unusable(body), Unusable::Json(_)));
    }
}

#[test]
fn what_is_no_object() {
    let nested = format!("{}{}", "[".repeat(9000), "]".repeat(9000));
    for body in [
        "\"\"",
        "\"Geheimnis\"",
        "1",
        "true",
        "[\"Geheimnis\"]",
        "[1, 2]",
        "[[{}]]",
        "[null]",
        "[{\"body\": \"good\"}, 5]",
        &nested,
    ] {
        assert_eq!(unusable(body), Unusable::NotAnObject, "{body}");
    }
}

#[test]
fn what_has_no_property_of_a_reply() {
    for body in [
        r#"{"text": "Geheimnis"}"#,
        r#"{"text": null}"#,
        r#"{"text": "Geheimnis", "body": null}"#,
        "[{}]",
        r#"[{"body": "good"}, {}]"#,
    ] {
        assert_eq!(unusable(body), Unusable::NoProperty, "{body}");
    }
}

#[test]
fn a_part_of_a_text_in_an_answer_that_is_whole() {
    for body in [
        r#"{"delta": "Geheimnis"}"#,
        r#"[{"body": "good"}, {"delta": "Geheimnis", "body": "good"}]"#,
    ] {
        assert_eq!(unusable(body), Unusable::StrayDelta, "{body}");
    }
}

#[test]
fn characters_that_xml_forbids() {
    for property in ["body", "subject", "id", "type", "lang"] {
        for character in [
            r"\u0000", r"\u0001", r"\u0008", r"\u001f", r"\ufffe", r"\uffff",
        ] {
            let body = format!(r#"{{"thread": "x", "{property}": "a{character}b"}}"#);
            assert_eq!(unusable(&body), Unusable::ForbiddenCharacter(property));
        }
    }
}

#[test]
fn values_of_the_wrong_type() {
    let nested = format!("{}1{}", "{\"a\":".repeat(2000), "}".repeat(2000));
    for (name, value) in [
        ("body", r#"{"text": "Geheimnis"}"#),
        ("body", "[\"Geheimnis\"]"),
        ("body", &nested),
        ("to", "5"),
        ("to", r#"["a@b", "b@b"]"#),
        ("from", "true"),
        ("kind", "1"),
        ("type", "1"),
        ("id", "17"),
        ("stanza", r#"{"name": "message"}"#),
        ("stanza", "1"),
    ] {
        let body = format!(r#"{{"thread": "x", "{name}": {value}}}"#);
        assert_eq!(unusable(body), Unusable::WrongType(name));
    }
    for kind in ["letter", "MESSAGE"] {
        let body = format!(r#"{{"body": "x", "kind": "{kind}"}}"#);
        assert_eq!(unusable(body), Unusable::UnknownKind);
    }
}

#[test]
fn addresses_that_are_none() {
    let long = format!("{}@example", "a".repeat(1024));
    for name in ["to", "from"] {
        for address in [
            "",
            "@",
            "a@@b//",
            "a@",
            "@example",
            "a@example/",
            "a b@example",
            &long,
        ] {
            let body = serde_json::json!({ "body": "x", name: address }).to_string();
            assert_eq!(unusable(&body), Unusable::InvalidJid(name), "{body}");
            let stanza = of_stanza(&format!("<message {name}='{address}'/>"));
            assert_eq!(stanza, Unusable::InvalidJid(name), "{address}");
        }
    }
}

#[test]
fn senders_elsewhere() {
    for from in [
        "bot@elsewhere.example",
        "alice@example",
        "bot@sub.bot.example",
        "bot@mybot.example",
    ] {
        let body = format!(r#"{{"body": "x", "from": "{from}"}}"#);
        assert_eq!(unusable(body), Unusable::ForeignFrom, "{from}");
        let stanza = of_stanza(&format!("<message from='{from}'/>"));
        assert_eq!(stanza, Unusable::ForeignFrom, "{from}");
    }
}

/// Ten times as much with each of the entities.
fn entities() -> String {
    let mut declared = "<!ENTITY a 'ha'>".to_owned();
    for (before, name) in ('a'..'i').zip('b'..='i') {
        declared += &format!("<!ENTITY {name} '{}'>", format!("&{before};").repeat(10));
    }
    format!("<!DOCTYPE m [{declared}]><message><body>&i;</body></message>")
}

#[test]
fn xml_that_is_not_well_formed() {
    for xml in [
        "",
        "  ",
        "Geheimnis",
        "<message><body>Geheimnis</body>",
        "<message><a><b></a></b></message>",
        "<message/>Geheimnis",
        "<message/><message/>",
        "Geheimnis<message/>",
        "<message type=chat/>",
        "<message><body>a & b</body></message>",
        "<message><body>&nbsp;</body></message>",
        &entities(),
        "<!DOCTYPE m [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><message><body>&x;</body></message>",
        "<!DOCTYPE message><message/>",
        "<message><body>\u{1}</body></message>",
        "<message><body>&#1;</body></message>",
        "<message><body>&#0;</body></message>",
        "<message><body>\u{FFFF}</body></message>",
        "<message><body>&#xD800;</body></message>",
        "<message><x xmlns='urn:x' a='&#8;'/></message>",
    ] {
        let unusable = of_stanza(xml);
        assert!(
            matches!(unusable, Unusable::Xml(XmlError::NotWellFormed(_))),
            "{xml:?}: {unusable:?}"
        );
    }
}

#[test]
fn xml_that_is_no_stanza_for_everybody() {
    let deep = |levels: usize| {
        let inner = levels - 1;
        format!(
            "<message>{}{}</message>",
            "<y>".repeat(inner),
            "</y>".repeat(inner)
        )
    };
    for (xml, expected) in [
        (
            "<message type='chat' type='normal'/>",
            XmlError::DuplicateAttribute,
        ),
        ("<message><p:x/></message>", XmlError::UndeclaredPrefix),
        ("<message p:a='1'/>", XmlError::UndeclaredPrefix),
        (&deep(MAX_DEPTH + 1), XmlError::TooDeep),
        (&deep(2000), XmlError::TooDeep),
        ("<letter/>", XmlError::NotAStanza),
        (
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>",
            XmlError::NotAStanza,
        ),
        ("<message xmlns='urn:example:x'/>", XmlError::NotAStanza),
        ("<message xmlns='jabber:server'/>", XmlError::NotAStanza),
        ("<x:message xmlns:x='urn:example:x'/>", XmlError::NotAStanza),
        (
            "<message><x xmlns='http://www.w3.org/2000/xmlns/'/></message>",
            XmlError::ReservedNamespace,
        ),
        (
            "<message><x xmlns:xml='urn:x' xmlns='urn:x'/></message>",
            XmlError::ReservedNamespace,
        ),
        ("<message><x xmlns='urn:a}b'/></message>", XmlError::NotAUri),
        (
            "<message><\u{2C00} xmlns='urn:x'/></message>",
            XmlError::UncommonName,
        ),
    ] {
        assert_eq!(of_stanza(xml), Unusable::Xml(expected), "{xml:?}");
    }
}

#[test]
fn iqs_that_answer_no_message() {
    for (xml, expected) in [
        ("<iq id='x'><q xmlns='urn:x'/></iq>", Unusable::ForbiddenIq),
        (
            "<iq id='x' type='ask'><q xmlns='urn:x'/></iq>",
            Unusable::ForbiddenIq,
        ),
        ("<iq id='x' type='get' to='a@b'/>", Unusable::ForbiddenIq),
        (
            "<iq id='x' type='set'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>",
            Unusable::ForbiddenIq,
        ),
        (
            "<iq id='x' type='result' to='a@b'/>",
            Unusable::UnrequestedIq,
        ),
        (
            "<iq id='x' type='error'><error type='cancel'/></iq>",
            Unusable::UnrequestedIq,
        ),
    ] {
        assert_eq!(of_stanza(xml), expected, "{xml}");
    }
    assert_eq!(unusable(r#"{"kind": "iq"}"#), Unusable::UnrequestedIq);
    let without_payload = unusable(r#"{"kind": "iq", "type": "get"}"#);
    assert_eq!(without_payload, Unusable::ForbiddenIq);
}
