//! One stanza of what a web service says: from a JSON object to an [`Element`] that is fit to be sent.

use super::Unusable;
use super::check::{self, Rules};
use super::extension::{Writer, for_others};
use super::fields::{self, DELTA, Field, Place, Value};
use super::object::Object;
use crate::stanza::{Allowance, Element, Envelope, Kind, chars, xml_in};

/// Why a service says something, which is where defaults come from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// It was asked.
    Answer(&'a Envelope),
    /// It speaks first.
    Push(Speaker<'a>),
}

/// Who speaks first.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    /// The prepared address from which a stanza comes that names none.
    pub from: &'a str,
    /// Whether no stanza may come from another bare JID than that.
    pub is_bound: bool,
}

impl<'a> Origin<'a> {
    /// What is answered, if anything is.
    pub(super) fn request(self) -> Option<&'a Envelope> {
        match self {
            Origin::Answer(request) => Some(request),
            Origin::Push(_) => None,
        }
    }
}

/// What a stanza depends on.
pub(super) struct Context<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) rules: &'a Rules<'a>,
    pub(super) fresh_id: &'a mut dyn FnMut() -> String,
    /// What the stanzas that are still to come may have. An object counts for its element
    /// and once for each property: what is filled in does not count.
    pub(super) allowance: Allowance,
}

/// The stanza that a JSON object stands for, checked, with every default filled in.
pub(super) fn build(object: &Object, context: &mut Context) -> Result<Element, Unusable> {
    if object.count() == 0 {
        return Err(Unusable::NoProperty);
    }
    if object.has(DELTA) {
        return Err(Unusable::StrayDelta);
    }
    let xml = object.string("stanza")?;
    let (kind, element) = match &xml {
        Some(xml) => xml_in::parse_stanza(xml, &mut context.allowance)?,
        None => {
            let (kind, mut element) = from_properties(object, context)?;
            for_others::add(&mut element, &mut context.allowance)?;
            (kind, element)
        }
    };
    complete(kind, element, xml.is_some(), context)
}

/// What is or changes the body of a message, or has none.
const OF_WHOLE_MESSAGES: [&str; 5] = ["body", "stanza", "files", "buttons", "error"];

/// The message that a delta is a part of: checked, and without a body.
pub(super) fn build_growing(object: &Object, context: &mut Context) -> Result<Element, Unusable> {
    if OF_WHOLE_MESSAGES.iter().any(|name| object.has(name)) {
        return Err(Unusable::MixedDelta);
    }
    match from_properties(object, context)? {
        (Kind::Message, element) => complete(Kind::Message, element, false, context),
        (Kind::Presence | Kind::Iq, _) => Err(Unusable::MixedDelta),
    }
}

/// The stanza with all that is left out filled in, if it may be sent. Of one that somebody wrote as XML no
/// more is touched than has to be.
pub(super) fn complete(
    kind: Kind,
    mut element: Element,
    is_xml: bool,
    context: &mut Context,
) -> Result<Element, Unusable> {
    let is_push = matches!(context.origin, Origin::Push(_));
    if kind == Kind::Iq && is_push && element.attr("type").is_none() {
        element = element.with_attr("type", "get");
    }
    check::address(&mut element, context)?;
    let is_known_by_id = kind == Kind::Iq || element.attr("type") == Some("groupchat") || is_push;
    if !is_xml || is_known_by_id {
        check::identify(kind, &mut element, context);
    }
    let request = context.origin.request();
    match kind {
        Kind::Iq => check::iq(&element, request)?,
        Kind::Message | Kind::Presence => check::room_error(&element, request)?,
    }
    Ok(element)
}

fn from_properties(object: &Object, context: &mut Context) -> Result<(Kind, Element), Unusable> {
    context.allowance.take(1 + object.count())?;
    let request = context.origin.request();
    let is_error = object.has("error");
    let kind = match object.string("kind")? {
        None if is_error => request.map_or(Kind::Message, |request| request.kind),
        None => Kind::Message,
        Some(name) => Kind::from_name(&name).ok_or(Unusable::UnknownKind)?,
    };
    let default_type = match (kind, context.origin) {
        _ if is_error => Some("error"),
        (Kind::Message, Origin::Answer(request)) if request.is_groupchat() => Some("groupchat"),
        (Kind::Message, _) => Some("chat"),
        (Kind::Presence, _) => None,
        (Kind::Iq, Origin::Answer(_)) => Some("result"),
        (Kind::Iq, Origin::Push(_)) => Some("get"),
    };
    let mut element = Element::new(kind.as_str());
    for field in fields::plain() {
        let text = object.of(field)?;
        if text
            .as_deref()
            .is_some_and(|text| !chars::all_allowed(text))
        {
            return Err(Unusable::ForbiddenCharacter(field.name));
        }
        element = match (field.place, text) {
            (Place::Attribute("type"), text) => {
                let type_ = text.or(default_type.map(str::to_owned));
                element.with_opt_attr("type", type_.filter(|type_| !type_.is_empty()))
            }
            // What is wrong with a stanza is told with its id (RFC 6120 §8.3.1).
            (Place::Attribute("id"), None) if is_error => {
                element.with_opt_attr("id", request.and_then(|request| request.id.clone()))
            }
            (Place::Attribute(name), text) => element.with_opt_attr(name, text),
            (Place::Child(name), Some(text)) => element.with_text_child(name, text),
            _ => element,
        };
    }
    if is_error && element.attr("type") != Some("error") {
        return Err(Unusable::ErrorOfOtherType);
    }
    extend(&mut element, object, &mut context.allowance)?;
    Ok((kind, element))
}

/// Adds what an object says of extensions.
fn extend(
    element: &mut Element,
    object: &Object,
    allowance: &mut Allowance,
) -> Result<(), Unusable> {
    for (name, value) in object.properties() {
        if let Some(Field {
            place: Place::Extension(spot),
            value: Value::Shaped(shape),
            ..
        }) = fields::of_reply(name)
        {
            Writer::new(name, allowance).write(value, element, *spot, shape)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::Settings;
    use crate::component_http::settings::tests::{settings, text as option_text};
    use crate::component_http::tests::{iq, message};
    use crate::mapping::object;
    use serde_json::value::to_raw_value;
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
            origin: Origin::Answer(request),
            rules: &settings.rules(),
            fresh_id: &mut || "fresh".to_owned(),
            allowance: Allowance::new(100),
        };
        let object = to_raw_value(&object).unwrap();
        build(&object::object(&object)?, &mut context).map(|element| element.to_xml())
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
                Err(Unusable::ForbiddenCharacter(name))
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
