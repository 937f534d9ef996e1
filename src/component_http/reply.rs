//! One stanza of a web service's answer: from a JSON object to an [`Element`] that is fit to be sent.

use super::Settings;
use super::object::Object;
use super::response::Unusable;
use crate::stanza::jid::InvalidJid;
use crate::stanza::{Allowance, Element, Envelope, Kind, chars, jid, xml_in};

/// What a reply depends on.
pub(super) struct Context<'a> {
    pub(super) request: &'a Envelope,
    pub(super) settings: &'a Settings,
    pub(super) fresh_id: &'a mut dyn FnMut() -> String,
    /// What the replies of the answer that are still to come may have. An object counts for its element
    /// and once for each property: what is filled in does not count.
    pub(super) allowance: Allowance,
}

/// The stanza that a JSON object stands for, checked, with every default filled in.
pub(super) fn build(object: &Object, context: &mut Context) -> Result<Element, Unusable> {
    if object.count() == 0 {
        return Err(Unusable::NoProperty);
    }
    let xml = object.string("stanza")?;
    let (kind, mut element) = match &xml {
        Some(xml) => xml_in::parse_stanza(xml, &mut context.allowance)?,
        None => {
            context.allowance.take(1 + object.count())?;
            from_properties(object, context.request)?
        }
    };
    address(&mut element, context)?;
    if xml.is_none() || kind == Kind::Iq || element.attr("type") == Some("groupchat") {
        identify(kind, &mut element, context);
    }
    match kind {
        Kind::Iq => check_iq(&element, context.request)?,
        Kind::Message | Kind::Presence => check_room_error(&element, context.request)?,
    }
    Ok(element)
}

fn from_properties(object: &Object, request: &Envelope) -> Result<(Kind, Element), Unusable> {
    let kind = match object.string("kind")? {
        None => Kind::Message,
        Some(name) => Kind::from_name(&name).ok_or(Unusable::UnknownKind)?,
    };
    let default_type = match kind {
        Kind::Message if request.is_groupchat() => Some("groupchat"),
        Kind::Message => Some("chat"),
        Kind::Presence => None,
        Kind::Iq => Some("result"),
    };
    let type_ = object
        .string("type")?
        .or(default_type.map(str::to_owned))
        .filter(|type_| !type_.is_empty());
    let mut element = Element::new(kind.as_str())
        .with_opt_attr("to", object.string("to")?)
        .with_opt_attr("from", object.string("from")?)
        .with_opt_attr("id", object.string("id")?)
        .with_opt_attr("type", type_)
        .with_opt_attr("xml:lang", object.text("lang")?);
    for name in ["subject", "body", "thread", "show", "status", "priority"] {
        if let Some(text) = object.text(name)? {
            if !chars::all_allowed(&text) {
                return Err(Unusable::ForbiddenCharacter);
            }
            element = element.with_text_child(name, text);
        }
    }
    if !element
        .attrs
        .iter()
        .all(|(_, value)| chars::all_allowed(value))
    {
        return Err(Unusable::ForbiddenCharacter);
    }
    Ok((kind, element))
}

/// Sees to a prepared `to` and a prepared `from` of this component.
fn address(element: &mut Element, context: &Context) -> Result<(), Unusable> {
    let request = context.request;
    let to = match element.attr("to") {
        Some(to) => prepared(to, request).map_err(|_| Unusable::InvalidJid("to"))?,
        None if request.is_groupchat() => jid::bare(&request.from).to_owned(),
        None => request.from.clone(),
    };
    let from = match element.attr("from") {
        Some(from) => prepared(from, request).map_err(|_| Unusable::InvalidJid("from"))?,
        None => request.to.clone(),
    };
    if context.settings.validate_from && !context.settings.is_own(&from) {
        return Err(Unusable::ForeignFrom);
    }
    element.set_attr("to", to);
    element.set_attr("from", from);
    Ok(())
}

/// The address as it is sent. One that came with the request is what Prosody itself has made of it, and
/// stays so, whichever library Prosody does that with.
fn prepared(address: &str, request: &Envelope) -> Result<String, InvalidJid> {
    let came_along = [&request.from, &request.to]
        .into_iter()
        .any(|known| known == address || jid::bare(known) == address);
    if came_along && !address.is_empty() {
        Ok(address.to_owned())
    } else {
        jid::prepare(address)
    }
}

/// Sees to an id: the request's on the answer to an iq, else a fresh one where there is none.
///
/// A stanza given as XML is sent as it is and left alone, but for an iq, which must have one (RFC 6120
/// §8.2.3), and a message to a room, which is known by its id when the room sends it back.
fn identify(kind: Kind, element: &mut Element, context: &mut Context) {
    if element.attr("id").is_some_and(|id| !id.is_empty()) {
        return;
    }
    let id = match &context.request.id {
        Some(id) if kind == Kind::Iq && is_iq_answer(element) => id.clone(),
        _ => (context.fresh_id)(),
    };
    element.set_attr("id", id);
}

fn is_iq_answer(element: &Element) -> bool {
    matches!(element.attr("type"), Some("result" | "error"))
}

/// Whether a reply is the answer to the iq that was POSTed.
pub(super) fn answers(element: &Element, request: &Envelope) -> bool {
    request.is_request()
        && element.name == Kind::Iq.as_str()
        && is_iq_answer(element)
        && element.attr("to") == Some(&request.from)
        && element.attr("from") == Some(&request.to)
        && element.attr("id") == request.id.as_deref()
}

/// RFC 6120 §8.2.3: the four types; one child in a request; at most one in a result; an error in an
/// error; and a result or error only as the answer to a request.
fn check_iq(element: &Element, request: &Envelope) -> Result<(), Unusable> {
    let children = element.elements().count();
    let well_formed = match element.attr("type") {
        Some("get" | "set") => children == 1,
        Some("result") => children <= 1,
        Some("error") => element.child("error", None).is_some(),
        _ => false,
    };
    if !well_formed {
        return Err(Unusable::ForbiddenIq);
    }
    if is_iq_answer(element) && !answers(element, request) {
        return Err(Unusable::UnrequestedIq);
    }
    Ok(())
}

/// A room throws out an occupant that answers it with an error.
fn check_room_error(element: &Element, request: &Envelope) -> Result<(), Unusable> {
    let to_room = || {
        element
            .attr("to")
            .is_some_and(|to| jid::bare(to) == jid::bare(&request.from))
    };
    if request.is_groupchat() && element.attr("type") == Some("error") && to_room() {
        return Err(Unusable::ErrorToRoom);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::settings::tests::{settings, text as option_text};
    use crate::component_http::tests::{iq, message};
    use serde_json::{Value, json};

    fn built(request: &Envelope, object: Value) -> Result<String, Unusable> {
        built_by(&settings(&[]), request, object)
    }

    fn built_by(
        settings: &Settings,
        request: &Envelope,
        object: Value,
    ) -> Result<String, Unusable> {
        let mut context = Context {
            request,
            settings,
            fresh_id: &mut || "fresh".to_owned(),
            allowance: Allowance::new(100),
        };
        let object = object.to_string();
        build(&serde_json::from_str(&object).unwrap(), &mut context).map(|element| element.to_xml())
    }

    fn to_message(object: Value) -> Result<String, Unusable> {
        built(&message().envelope, object)
    }

    #[test]
    fn every_default_comes_from_the_request() {
        assert_eq!(
            to_message(json!({"body": "hi"})).unwrap(),
            "<message type='chat' to='romeo@example/orchard' from='bot.example' id='fresh'>\
             <body>hi</body></message>"
        );
        assert_eq!(
            to_message(json!({"kind": "presence"})).unwrap(),
            "<presence to='romeo@example/orchard' from='bot.example' id='fresh'/>"
        );
        assert_eq!(
            built(&iq().envelope, json!({"kind": "iq"})).unwrap(),
            "<iq type='result' to='romeo@example/orchard' from='bot.example' id='i1'/>"
        );
    }

    #[test]
    fn every_property_has_its_place() {
        let object = json!({
            "to": "Juliet@Example/b", "from": "x@bot.example/y", "kind": "message", "type": "normal",
            "id": "mine", "body": "b", "subject": "s", "thread": "t", "lang": "de", "unknown": [1],
        });
        assert_eq!(
            to_message(object).unwrap(),
            "<message to='juliet@example/b' from='x@bot.example/y' id='mine' type='normal' xml:lang='de'>\
             <subject>s</subject><body>b</body><thread>t</thread></message>"
        );
        let object = json!({"kind": "presence", "show": "away", "status": true, "priority": -1});
        assert_eq!(
            to_message(object).unwrap(),
            "<presence to='romeo@example/orchard' from='bot.example' id='fresh'>\
             <show>away</show><status>true</status><priority>-1</priority></presence>"
        );
    }

    #[test]
    fn each_text_is_written_as_it_is() {
        for (kind, names) in [
            ("message", ["body", "subject", "thread"]),
            ("presence", ["show", "status", "priority"]),
        ] {
            for (value, text) in [
                (json!("text <&> \"'"), "text &lt;&amp;&gt; \"'"),
                (json!("Grüße 世界 🎉"), "Grüße 世界 🎉"),
                (json!("two\nlines\ttab"), "two\nlines\ttab"),
                (json!(""), ""),
                (json!(42), "42"),
                (json!(-1), "-1"),
                (json!(0), "0"),
                (json!(1.5), "1.5"),
                (json!(9_007_199_254_740_993_u64), "9007199254740993"),
                (json!(true), "true"),
                (json!(false), "false"),
            ] {
                for name in names {
                    let written = to_message(json!({"kind": kind, name: value})).unwrap();
                    let expected = format!("<{name}>{text}</{name}></{kind}>");
                    assert!(written.ends_with(&expected), "{written}");
                }
            }
        }
    }

    #[test]
    fn null_stands_for_nothing() {
        let names = [
            "to", "from", "kind", "type", "id", "subject", "lang", "stanza",
        ];
        let without = to_message(json!({"body": "hi", "thread": "t"}));
        for name in names {
            let with_null = json!({"body": "hi", "thread": "t", name: null});
            assert_eq!(to_message(with_null), without);
        }
        let only_thread = to_message(json!({"body": null, "thread": "t"}));
        assert_eq!(only_thread, to_message(json!({"thread": "t"})));
    }

    #[test]
    fn a_room_is_answered_as_a_whole() {
        let mut request = message().envelope;
        request.type_ = Some("groupchat".into());
        request.from = "room@muc.example/romeo".into();
        assert_eq!(
            built(&request, json!({"body": 1})).unwrap(),
            "<message type='groupchat' to='room@muc.example' from='bot.example' id='fresh'>\
             <body>1</body></message>"
        );
        assert_eq!(
            built(&request, json!({"type": "error"})),
            Err(Unusable::ErrorToRoom)
        );
        let error = "<message type='error' to='room@muc.example/x'/>";
        assert_eq!(
            built(&request, json!({"stanza": error})),
            Err(Unusable::ErrorToRoom)
        );
    }

    #[test]
    fn a_stanza_overrides_the_rest_and_is_completed() {
        let object =
            json!({"to": "x@y", "body": "no", "stanza": "<presence id='p' type='unavailable'/>"});
        assert_eq!(
            to_message(object).unwrap(),
            "<presence id='p' type='unavailable' to='romeo@example/orchard' from='bot.example'/>"
        );
        let result = "<iq type='result' to='romeo@example/orchard'><q xmlns='urn:q'/></iq>";
        assert_eq!(
            built(&iq().envelope, json!({"stanza": result})).unwrap(),
            "<iq to='romeo@example/orchard' type='result' from='bot.example' id='i1'>\
             <q xmlns='urn:q'/></iq>"
        );
    }

    #[test]
    fn properties_of_the_wrong_type_and_none_at_all() {
        for name in ["to", "from", "kind", "type", "id", "stanza"] {
            assert_eq!(to_message(json!({name: 1})), Err(Unusable::WrongType(name)));
            assert!(to_message(json!({name: null, "thread": "t"})).is_ok());
        }
        for name in [
            "body", "subject", "thread", "lang", "show", "status", "priority",
        ] {
            assert_eq!(
                to_message(json!({name: {}})),
                Err(Unusable::WrongType(name))
            );
            assert_eq!(
                to_message(json!({name: ["x"]})),
                Err(Unusable::WrongType(name))
            );
        }
        for object in [
            json!({}),
            json!({"text": "hi"}),
            json!({"text": 1, "body": null}),
        ] {
            assert_eq!(to_message(object), Err(Unusable::NoProperty));
        }
        assert_eq!(
            to_message(json!({"kind": "stream"})),
            Err(Unusable::UnknownKind)
        );
    }

    #[test]
    fn forbidden_characters_and_addresses() {
        for name in ["body", "lang", "id", "type"] {
            assert_eq!(
                to_message(json!({name: "\u{1}"})),
                Err(Unusable::ForbiddenCharacter)
            );
        }
        assert_eq!(
            to_message(json!({"to": "a@@b//"})),
            Err(Unusable::InvalidJid("to"))
        );
        assert_eq!(
            to_message(json!({"to": ""})),
            Err(Unusable::InvalidJid("to"))
        );
        assert_eq!(
            to_message(json!({"from": "@"})),
            Err(Unusable::InvalidJid("from"))
        );
        for from in [
            "admin@example",
            "bot.example.evil",
            "example",
            "x@evil/bot.example",
        ] {
            assert_eq!(
                to_message(json!({"from": from})),
                Err(Unusable::ForeignFrom)
            );
        }
    }

    #[test]
    fn what_came_with_the_request_can_be_said_back() {
        let mut request = message().envelope;
        // Some library lets it through: to us it is no JID.
        request.from = "a@b c/\u{202E}".into();
        request.to = "\u{202E}@bot.example/r".into();
        for (to, from) in [
            ("a@b c/\u{202E}", "\u{202E}@bot.example/r"),
            ("a@b c", "\u{202E}@bot.example"),
        ] {
            let element = built(&request, json!({"to": to, "from": from})).unwrap();
            assert!(element.contains(&format!("to='{to}' from='{from}'")));
        }
        let other = built(&request, json!({"to": "a@b c/other"}));
        assert_eq!(other, Err(Unusable::InvalidJid("to")));
        request.to = String::new();
        assert_eq!(
            built(&request, json!({"to": ""})),
            Err(Unusable::InvalidJid("to"))
        );
    }

    #[test]
    fn from_can_be_left_unchecked() {
        let settings = settings(&[("validate_from_addresses", option_text("no"))]);
        let object = json!({"from": "a@elsewhere"});
        let element = built_by(&settings, &message().envelope, object).unwrap();
        assert!(element.contains("from='a@elsewhere'"), "{element}");
    }

    #[test]
    fn iqs_that_may_not_be() {
        let forbidden = |xml: &str| built(&iq().envelope, json!({"stanza": xml}));
        for xml in [
            "<iq/>",
            "<iq type='done'/>",
            "<iq type='get'/>",
            "<iq type='set'><a/><b/></iq>",
            "<iq type='result'><a/><b/></iq>",
            "<iq type='error'/>",
        ] {
            assert_eq!(forbidden(xml), Err(Unusable::ForbiddenIq), "{xml}");
        }
        for xml in [
            "<iq type='result' id='other'/>",
            "<iq type='result' to='juliet@example'/>",
            "<iq type='result' from='x@bot.example'/>",
        ] {
            assert_eq!(forbidden(xml), Err(Unusable::UnrequestedIq), "{xml}");
        }
        assert_eq!(
            to_message(json!({"kind": "iq"})),
            Err(Unusable::UnrequestedIq)
        );
        assert!(forbidden("<iq type='get' to='x@y'><ping xmlns='urn:xmpp:ping'/></iq>").is_ok());
    }
}
