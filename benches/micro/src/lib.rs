//! The functions that every stanza passes through, each as one repeatable call.

use std::hint::black_box;

use prosody_components::client_proxy::translation::{KEY_LEN, Translator};
use prosody_components::mapping::answer::replies;
use prosody_components::mapping::{Rules, Scope, fields, request};
use prosody_components::stanza::xml_in::{XmlError, parse_stanza};
use prosody_components::stanza::{Allowance, Element, Envelope, Extensions, Kind, Stanza, jid};

const TEXT: &str = "Let's meet where we met last time, at half past seven if that suits everybody. There is a \
    new café across the street & they say that the soup is worth the way.";
const XML: &str = "<message xmlns='jabber:client' to='romeo@example/orchard' from='bot.example' type='chat' id='a1'>\
    <body>Let&apos;s meet where we met last time, at half past seven if that suits everybody.</body>\
    <active xmlns='http://jabber.org/protocol/chatstates'/></message>";

const JID: &str = "romeo@example/orchard";

/// One call of a function, by the name that reports give it.
pub type Case = (&'static str, Box<dyn Fn()>);

/// Every function with an input as it comes in practice.
pub fn cases() -> Vec<Case> {
    let message = message();
    let (envelope, same) = (message.envelope.clone(), message.envelope.clone());
    let (_, element) = parse(XML).expect("the message is well-formed");
    let body_answer = format!("{{\"body\": \"{TEXT}\"}}");
    let stanza_answer = format!("{{\"stanza\": \"{XML}\"}}");
    let (there, back) = (
        Translator::new(&[7; KEY_LEN]),
        Translator::new(&[7; KEY_LEN]),
    );
    let resource = there.encode(JID).resource;
    vec![
        (
            "xml_write",
            Box::new(move || drop(black_box(black_box(&element).to_xml()))),
        ),
        (
            "xml_parse",
            Box::new(|| drop(black_box(parse(black_box(XML))))),
        ),
        (
            "jid_prepare",
            Box::new(|| drop(black_box(jid::prepare(black_box(JID))))),
        ),
        (
            "request_encode",
            Box::new(move || drop(black_box(request::encode(black_box(&message))))),
        ),
        (
            "response_by_body",
            Box::new(move || answer(&envelope, &body_answer)),
        ),
        (
            "response_by_stanza",
            Box::new(move || answer(&same, &stanza_answer)),
        ),
        (
            "proxy_translate",
            Box::new(move || drop(black_box(there.encode(black_box(JID))))),
        ),
        (
            "proxy_restore",
            Box::new(move || drop(black_box(back.decode(black_box(&resource), |_| None)))),
        ),
    ]
}

fn parse(xml: &str) -> Result<(Kind, Element), XmlError> {
    parse_stanza(xml, &mut Allowance::new(100))
}

fn answer(envelope: &Envelope, body: &str) {
    let stanzas = replies(envelope, black_box(body.as_bytes()), &RULES, &mut || {
        "fresh".to_owned()
    });
    assert_eq!(black_box(stanzas).map(|stanzas| stanzas.len()), Ok(1));
}

const RULES: Rules = Rules {
    host: "bot.example",
    scope: Scope::Component,
    validate_from: true,
};

fn message() -> Stanza {
    Stanza {
        envelope: Envelope {
            kind: Kind::Message,
            to: "bot.example".to_owned(),
            from: JID.to_owned(),
            type_: Some("chat".to_owned()),
            id: Some("a1".to_owned()),
            says_nothing: false,
        },
        lang: Some("en".into()),
        texts: fields::CHILDREN.map(|name| (name == "body").then(|| TEXT.into())),
        extensions: Extensions::default(),
        xml: XML.into(),
    }
}
