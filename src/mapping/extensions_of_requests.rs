//! What services are told of extensions.

use serde_json::{Value, json};

use super::{MAX_ELEMENTS_AND_ATTRIBUTES, fields, request};
use crate::component_http::tests::message;
use crate::stanza::{Allowance, Element, Stanza, xml_in};

/// The request for a message from a room that has that inside.
fn request(inside: &str) -> Value {
    let xml = format!("<message from='tea@rooms/Alice' id='1'>{inside}</message>");
    let (_, element) = xml_in::parse_stanza(&xml, &mut Allowance::new(1_000_000)).unwrap();
    let mut stanza: Stanza = message();
    stanza.texts =
        fields::CHILDREN.map(|name| element.child(name, None).map(Element::text).map(Into::into));
    stanza.extensions.any = true;
    stanza.xml = xml.into();
    serde_json::from_slice(&request::encode(&stanza)).unwrap()
}

#[test]
fn what_is_told_alone() {
    for (inside, name, value) in [
        (
            "<delay xmlns='urn:xmpp:delay' from='a@b' stamp='2026-09-10T23:08:25Z'/>",
            "delay",
            json!("2026-09-10T23:08:25Z"),
        ),
        (
            "<encryption xmlns='urn:xmpp:eme:0' name='OTR' namespace='urn:xmpp:otr:0'/>",
            "encryption",
            json!("urn:xmpp:otr:0"),
        ),
        (
            "<encryption xmlns='urn:xmpp:eme:0' name='OTR'/>",
            "encryption",
            json!("OTR"),
        ),
        (
            "<encryption xmlns='urn:xmpp:eme:0'/>",
            "encrypted",
            json!(true),
        ),
    ] {
        assert_eq!(request(inside)[name], value, "{inside}");
    }
}

#[test]
fn both_sorts_of_invitations() {
    let mediated = "<x xmlns='http://jabber.org/protocol/muc#user'>\
        <invite from='bob@example/desk'><reason>Tea?</reason></invite><password>p</password></x>";
    let direct = "<x xmlns='jabber:x:conference' jid='cake@rooms' reason='Cake?'/>";
    assert_eq!(
        request(mediated)["invite"],
        json!({"jid": "tea@rooms", "reason": "Tea?", "password": "p"})
    );
    assert_eq!(
        request(&format!("{mediated}{direct}"))["invite"],
        json!({"jid": "cake@rooms", "reason": "Cake?"})
    );
    let occupant = "<x xmlns='http://jabber.org/protocol/muc#user'><item role='participant'/></x>";
    assert_eq!(request(occupant).get("invite"), None);
}

#[test]
fn what_does_not_look_like_it_is_left_out() {
    for inside in [
        "<replace xmlns='urn:xmpp:message-correct:0'/>",
        "<replace xmlns='urn:xmpp:message-correct:0' id=''/>",
        "<replace xmlns='urn:other' id='1'/>",
        "<reply xmlns='urn:xmpp:reply:0' to='a@b'/>",
        "<reactions xmlns='urn:xmpp:reactions:0'><reaction>👍</reaction></reactions>",
        "<thinking xmlns='http://jabber.org/protocol/chatstates'/>",
        "<keep xmlns='urn:xmpp:hints'/>",
        "<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>",
        "<x xmlns='jabber:x:conference' jid='@'/>",
        "<reference xmlns='urn:xmpp:reference:0' type='data' uri='u'/>",
        "<x xmlns='jabber:x:data'/>",
        "<response xmlns='urn:xmpp:tmp:quick-response' value='yes'/>",
        "<x xmlns='urn:unknown'/>",
    ] {
        let request = request(inside);
        let properties: Vec<_> = request.as_object().unwrap().keys().collect();
        let plain = ["from", "id", "kind", "stanza", "to", "type"];
        assert_eq!(properties, plain, "{inside}");
    }
    let sizes = "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>\
        <size>+7</size><size>8</size></file><sources>\
        <url-data xmlns='http://jabber.org/protocol/url-data' target='u'/></sources></file-sharing>";
    assert_eq!(request(sizes)["files"], json!([{"url": "u"}]));
}

#[test]
fn a_body_is_told_without_what_it_quotes() {
    let reply =
        "<body>&gt; 🐢 Ann:\n&gt; hi\nHello Bob</body><reply xmlns='urn:xmpp:reply:0' id='1'/>";
    let fallback = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>\
        <body start='0' end='14'/></fallback>";
    let mentions = "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='b' begin='20' end='23'/>\
        <reference xmlns='urn:xmpp:reference:0' type='mention' uri='a' begin='4' end='7'/>";
    let told = request(&format!("{reply}{fallback}{mentions}"));
    assert_eq!(told["body"], "Hello Bob");
    assert_eq!(told["fallback_body"], "> 🐢 Ann:\n> hi\n");
    assert_eq!(
        told["mentions"],
        json!([{"uri": "b", "begin": 6, "end": 9}, {"uri": "a"}])
    );
    let told = request(&format!("{reply}{mentions}"));
    assert_eq!(told["body"], "> 🐢 Ann:\n> hi\nHello Bob");
    assert_eq!(told["mentions"][0]["begin"], 20);
    assert_eq!(told.get("fallback_body"), None);
}

#[test]
fn there_may_be_many_but_not_too_many() {
    let reactions = |count| {
        let inside = "<reaction xmlns='urn:xmpp:reactions:0'>👍</reaction>".repeat(count);
        request(&format!(
            "<body>b</body><reactions xmlns='urn:xmpp:reactions:0' id='1'>{inside}</reactions>"
        ))
    };
    let many = reactions(10_000);
    assert_eq!(
        many["reactions"]["reactions"].as_array().unwrap().len(),
        10_000
    );
    let too_many = reactions(3 * MAX_ELEMENTS_AND_ATTRIBUTES);
    assert_eq!(too_many.get("reactions"), None);
    assert_eq!(too_many["body"], "b");
}
