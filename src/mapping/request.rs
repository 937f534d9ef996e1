//! The JSON object that tells a web service of one stanza.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::MAX_ELEMENTS_AND_ATTRIBUTES;
use super::extension::{fallback, read};
use super::fields::{self, Place};
use crate::stanza::{Allowance, Element, Stanza, xml_in};

/// How many elements and attributes are read. As Prosody keeps them, each element in another namespace than the
/// stanza's has that as an attribute.
const READ: usize = 3 * MAX_ELEMENTS_AND_ATTRIBUTES;

struct Request<'a> {
    stanza: &'a Stanza,
    extended: Extended,
}

/// What a stanza has beside addresses and texts.
#[derive(Default)]
struct Extended {
    /// Names and values.
    properties: Vec<(&'static str, Value)>,
    /// The body, if a part of it is not for whoever knows the extensions.
    body: Option<String>,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (field, text) in fields::texts(self.stanza) {
            match field.value {
                fields::Value::Number => {
                    if let Ok(number) = text.trim().parse::<i64>() {
                        object.serialize_entry(field.name, &number)?;
                    }
                }
                _ => {
                    let text = match &self.extended.body {
                        Some(body) if field.name == "body" => body,
                        _ => text,
                    };
                    object.serialize_entry(field.name, text)?;
                }
            }
        }
        for (name, value) in &self.extended.properties {
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

impl Extended {
    /// Those of a captured stanza. One with more elements and attributes than any of use has has them in its XML
    /// alone.
    fn of(stanza: &Stanza) -> Self {
        let mut allowance = Allowance::new(READ);
        if !stanza.extensions.any {
            return Extended::default();
        }
        match xml_in::parse_stanza(&stanza.xml, &mut allowance) {
            Ok((_, element)) => Extended::read(&element, fields::child(stanza, "body")),
            Err(_) => Extended::default(),
        }
    }

    fn read(element: &Element, body: Option<&str>) -> Self {
        let quoted = body.and_then(|body| Some((fallback::of_reply(element, body)?, body)));
        let divided = quoted.as_ref().map(|(parts, body)| parts.divide(body));
        let (body, mut quotation) = divided.unzip();
        let mut properties = Vec::new();
        for field in fields::extensions_of_requests() {
            let value = match (field.place, &field.value) {
                (Place::Fallback, _) => quotation.take().map(Value::from),
                (Place::Extension(spot), fields::Value::Shaped(shape)) => {
                    read(element, spot, shape)
                }
                _ => None,
            };
            properties.extend(value.map(|value| (field.name, value)));
        }
        if let Some((parts, _)) = &quoted {
            let mentions = properties.iter_mut().find(|(name, _)| *name == "mentions");
            for mention in mentions
                .and_then(|(_, list)| list.as_array_mut())
                .into_iter()
                .flatten()
            {
                shift(mention, parts);
            }
        }
        Extended { properties, body }
    }
}

/// Has a mention say where it is in the body that is left. One in the quotation is nowhere there.
fn shift(mention: &mut Value, parts: &fallback::Parts) {
    let Some(mention) = mention.as_object_mut() else {
        return;
    };
    let place = |name: &str| parts.shift(mention.get(name)?.as_u64()?);
    match (place("begin"), place("end")) {
        (Some(begin), Some(end)) if begin < end => {
            mention.insert("begin".to_owned(), begin.into());
            mention.insert("end".to_owned(), end.into());
        }
        _ => {
            mention.remove("begin");
            mention.remove("end");
        }
    }
}

/// The body of the HTTP request for a stanza.
pub fn encode(stanza: &Stanza) -> Vec<u8> {
    // Twice the XML: the texts repeat a part of it, and quotes are escaped.
    let mut json = Vec::with_capacity(2 * stanza.xml.len() + 256);
    let request = Request {
        stanza,
        extended: Extended::of(stanza),
    };
    serde_json::to_writer(&mut json, &request).expect("strings and numbers go into memory");
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;
    use crate::mapping::fields::CHILDREN;
    use crate::stanza::Kind;
    use serde_json::{Value, json};

    #[test]
    fn has_what_the_stanza_has_and_nothing_else() {
        let mut stanza = message();
        stanza.lang = Some("en".into());
        stanza.texts[CHILDREN.len() - 1] = Some(" -5 ".into());
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(
            value,
            json!({
                "to": "bot.example", "from": "romeo@example/orchard", "kind": "message",
                "stanza": "<message><body>hi</body></message>", "body": "hi", "type": "chat",
                "id": "m1", "lang": "en", "priority": -5,
            })
        );
    }

    #[test]
    fn an_error_says_what_was_wrong() {
        let mut stanza = message();
        stanza.envelope.type_ = Some("error".into());
        stanza.extensions.any = true;
        stanza.xml = "<message type='error'><error type='cancel'>\
            <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
            .into();
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(
            value["error"],
            json!({"type": "cancel", "condition": "item-not-found"})
        );
    }

    #[test]
    fn only_a_message_has_a_body() {
        let mut stanza = message();
        stanza.envelope.kind = Kind::Presence;
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(value.get("body"), None);
    }
}
