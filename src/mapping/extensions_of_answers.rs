//! What services write of extensions: as XML, and what is said of it if it cannot be written.

use serde_json::{Value, json};

use super::answer::replies;
use super::{MAX_ELEMENTS_AND_ATTRIBUTES, Unusable};
use crate::component_http::settings::tests::settings;
use crate::component_http::tests::{iq, message};
use crate::stanza::{Element, Envelope};

fn answered(request: &Envelope, answer: &Value) -> Result<Vec<String>, Unusable> {
    let answer = answer.to_string();
    let rules = settings(&[]);
    let mut fresh = || "fresh".to_owned();
    replies(request, answer.as_bytes(), &rules.rules(), &mut fresh)
        .map(|stanzas| stanzas.iter().map(Element::to_xml).collect())
}

/// What is inside the one stanza of an answer to a message.
fn inside(answer: &Value) -> String {
    let stanzas = answered(&message().envelope, answer).unwrap();
    let [stanza] = &stanzas[..] else {
        panic!("{stanzas:?}");
    };
    let (_, inside) = stanza.split_once("id='fresh'>").unwrap();
    inside.trim_end_matches("</message>").to_owned()
}

#[test]
fn each_makes_its_element() {
    for (answer, xml) in [
        (
            json!({"nick": "Ishmael"}),
            "<nick xmlns='http://jabber.org/protocol/nick'>Ishmael</nick>",
        ),
        (
            json!({"state": "composing"}),
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        ),
        (
            json!({"body": "b", "replace": "1"}),
            "<body>b</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>",
        ),
        (
            json!({"retract": "1"}),
            "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
        ),
        (
            json!({"reply": {"id": "1", "to": "a@b/c"}}),
            "<reply xmlns='urn:xmpp:reply:0' id='1' to='a@b/c'/>",
        ),
        (
            json!({"reactions": {"id": "1", "reactions": ["👋", "🐢"]}}),
            "<reactions xmlns='urn:xmpp:reactions:0' id='1'>\
             <reaction xmlns='urn:xmpp:reactions:0'>👋</reaction>\
             <reaction xmlns='urn:xmpp:reactions:0'>🐢</reaction></reactions>",
        ),
        (
            json!({"receipt": true, "received": null}),
            "<request xmlns='urn:xmpp:receipts'/>",
        ),
        (
            json!({"received": "1", "receipt": false}),
            "<received xmlns='urn:xmpp:receipts' id='1'/>",
        ),
        (
            json!({"markable": true}),
            "<markable xmlns='urn:xmpp:chat-markers:0'/>",
        ),
        (
            json!({"displayed": "1"}),
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
        ),
        (
            json!({"oob": {"url": "https://h/a", "desc": "<a>"}}),
            "<x xmlns='jabber:x:oob'><url xmlns='jabber:x:oob'>https://h/a</url>\
             <desc xmlns='jabber:x:oob'>&lt;a&gt;</desc></x>",
        ),
        (
            json!({"origin_id": "1"}),
            "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>",
        ),
        (
            json!({"stanza_ids": [{"by": "a@b", "id": "1"}, {"by": "c", "id": "2"}]}),
            "<stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='1'/>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='c' id='2'/>",
        ),
        (
            json!({"occupant_id": "1"}),
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>",
        ),
        (
            json!({"hints": ["no-store", "no-copy"]}),
            "<no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/>",
        ),
        (
            json!({"mentions": [{"uri": "xmpp:a@b", "begin": 0, "end": 3}]}),
            "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:a@b' begin='0' end='3'/>",
        ),
        (
            json!({"invite": {"jid": "Tea@Rooms", "password": "p"}}),
            "<x xmlns='jabber:x:conference' jid='tea@rooms' password='p'/>",
        ),
    ] {
        assert_eq!(inside(&answer), xml, "{answer}");
    }
}

#[test]
fn files_are_links_too() {
    let file = json!({
        "url": "https://h/a.png", "name": "a.png", "media_type": "image/png", "size": 7,
        "disposition": "inline",
    });
    let sharing = "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>";
    let metadata = "<file xmlns='urn:xmpp:file:metadata:0'>\
        <name xmlns='urn:xmpp:file:metadata:0'>a.png</name>\
        <media-type xmlns='urn:xmpp:file:metadata:0'>image/png</media-type>\
        <size xmlns='urn:xmpp:file:metadata:0'>7</size></file>";
    let link = "<x xmlns='jabber:x:oob'><url xmlns='jabber:x:oob'>https://h/a.png</url></x>";
    let xml = inside(&json!({"files": [file, {"url": "https://h/b"}], "body": "Look!"}));
    assert!(xml.starts_with("<body>Look!</body><file-sharing "), "{xml}");
    assert!(xml.contains(metadata) && xml.ends_with(link), "{xml}");
    assert_eq!(xml.matches("<file-sharing ").count(), 2);

    let xml = inside(&json!({"files": [{"url": "https://h/a.png", "disposition": "inline"}]}));
    let source = "<url-data xmlns='http://jabber.org/protocol/url-data' target='https://h/a.png'/>";
    let rest = format!(
        "{link}<body>https://h/a.png</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'>\
         <body xmlns='urn:xmpp:fallback:0'/></fallback>"
    );
    assert!(xml.starts_with(sharing) && xml.contains(source), "{xml}");
    assert!(xml.ends_with(&rest), "{xml}");

    let own = json!({"files": [{"url": "https://h/a"}], "oob": {"url": "https://h/preview"}});
    assert_eq!(inside(&own).matches("jabber:x:oob").count(), 2, "one link");
}

#[test]
fn buttons_are_listed_in_the_body() {
    let buttons = json!([{"value": "yes", "label": "Yes!"}, {"value": "no"}]);
    let elements = "<response xmlns='urn:xmpp:tmp:quick-response' value='yes' label='Yes!'/>\
        <response xmlns='urn:xmpp:tmp:quick-response' value='no'/>";
    assert_eq!(
        inside(&json!({"body": "Really?", "buttons": buttons})),
        format!("<body>Really?\n- yes: Yes!\n- no</body>{elements}")
    );
    assert_eq!(
        inside(&json!({ "buttons": buttons })),
        format!("{elements}<body>- yes: Yes!\n- no</body>")
    );
    for repeated in [
        json!([{"value": "a"}, {"value": "a"}]),
        json!([{"value": "a", "label": "x"}, {"value": "b", "label": "x"}]),
    ] {
        let end = answered(&message().envelope, &json!({ "buttons": repeated }));
        assert_eq!(end, Err(Unusable::RepeatedButton));
    }
}

#[test]
fn an_error_answers_what_was_asked() {
    const ERROR: &str = "<error type='cancel'>\
        <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>";
    let error = json!({"error": {"condition": "item-not-found"}});
    for (request, kind, id) in [
        (message().envelope, "message", "m1"),
        (iq().envelope, "iq", "i1"),
    ] {
        assert_eq!(
            answered(&request, &error).unwrap(),
            [format!(
                "<{kind} id='{id}' type='error' to='romeo@example/orchard' from='bot.example'>\
                 {ERROR}</error></{kind}>"
            )]
        );
    }
    let with_text = json!({"error": {
        "type": "wait", "condition": "item-not-found", "text": "Later", "by": "x",
    }});
    let xml = &answered(&message().envelope, &with_text).unwrap()[0];
    assert!(xml.contains("<error type='wait' by='x'>"), "{xml}");
    assert!(xml.contains("<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Later</text>"));

    let mut of_room = message().envelope;
    of_room.type_ = Some("groupchat".into());
    assert_eq!(answered(&of_room, &error), Err(Unusable::ErrorToRoom));
    let other_type = json!({"type": "chat", "error": {"condition": "conflict"}});
    let end = answered(&message().envelope, &other_type);
    assert_eq!(end, Err(Unusable::ErrorOfOtherType));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (answer, told) in [
        (
            json!({"nick": 5}),
            "'nick' should be a string, and is a number",
        ),
        (
            json!({"replace": ""}),
            "'replace' should be a string that is not empty, and is a string",
        ),
        (
            json!({"state": "typing"}),
            "'state' should be one of \"active\", \"composing\", \"paused\", \"inactive\", \"gone\", and is a string",
        ),
        (
            json!({"receipt": "m1"}),
            "'receipt' should be true, and is a string",
        ),
        (
            json!({"reply": "m1"}),
            "'reply' should be an object, and is a string",
        ),
        (
            json!({"reply": {"to": "a@b"}}),
            "'reply.id' is missing: it should be a string that is not empty",
        ),
        (
            json!({"reply": {"id": null}}),
            "'reply.id' is missing: it should be a string that is not empty",
        ),
        (
            json!({"reactions": {"id": "1", "reactions": "👍"}}),
            "'reactions.reactions' should be a list, and is a string",
        ),
        (
            json!({"reactions": {"id": "1", "reactions": ["👍", {}]}}),
            "'reactions.reactions[1]' should be a string that is not empty, and is an object",
        ),
        (
            json!({"files": [{"url": "u"}, {"url": "u", "size": 1.5}]}),
            "'files[1].size' should be a whole number from 0 on, and is a number",
        ),
        (
            json!({"mentions": [{"uri": "u", "begin": -1}]}),
            "'mentions[0].begin' should be a whole number from 0 on, and is a number",
        ),
        (
            json!({"mentions": [{"uri": "u", "end": 9_007_199_254_740_992_u64}]}),
            "'mentions[0].end' should be a whole number from 0 on, and is a number",
        ),
        (
            json!({"hints": ["store", "keep"]}),
            "'hints[1]' should be one of \"no-store\", \"no-copy\", \"store\", \"no-permanent-store\", and is a string",
        ),
        (
            json!({"hints": [null]}),
            "'hints[0]' should be one of \"no-store\", \"no-copy\", \"store\", \"no-permanent-store\", and is null",
        ),
        (
            json!({"invite": {"jid": "@"}}),
            "'invite.jid' should be a JID, and is a string",
        ),
        (
            json!({"form": {"type": "form", "fields": [{"value": true}]}}),
            "'form.fields[0].value' should be a string or a list, and is a boolean",
        ),
    ] {
        let Err(unusable) = answered(&message().envelope, &answer) else {
            panic!("{answer}");
        };
        assert_eq!(unusable.to_string(), format!("the property {told}"));
    }
    let end = answered(&message().envelope, &json!({"reactions": {"id": "\u{1}"}}));
    assert_eq!(end, Err(Unusable::ForbiddenCharacter("reactions")));
}

#[test]
fn what_a_service_is_told_alone_is_passed_over() {
    let told = json!({
        "body": "b", "delay": 1, "encryption": 2, "encrypted": 3, "fallback_body": 4,
        "reply": {"id": "1", "future": 5},
    });
    assert_eq!(
        inside(&told),
        "<body>b</body><reply xmlns='urn:xmpp:reply:0' id='1'/>"
    );
}

#[test]
fn all_of_it_counts() {
    let with_reactions = |count| {
        let reactions = vec!["👍"; count];
        json!({"reactions": {"id": "1", "reactions": reactions}})
    };
    assert!(answered(&message().envelope, &with_reactions(9990)).is_ok());
    let end = answered(&message().envelope, &with_reactions(10_000));
    assert_eq!(end, Err(Unusable::TooMany));
    let hints = json!({ "hints": vec!["store"; MAX_ELEMENTS_AND_ATTRIBUTES] });
    assert_eq!(
        answered(&message().envelope, &hints),
        Err(Unusable::TooMany)
    );
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let end = answered(&message().envelope, &json!({ "files": deep }));
    assert!(matches!(end, Err(Unusable::WrongShape(_))), "{end:?}");
}
