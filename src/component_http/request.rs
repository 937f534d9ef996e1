//! The JSON object that tells a web service of one stanza.

use serde::Serialize;

use crate::stanza::{Kind, Stanza};

#[derive(Serialize)]
struct Request<'a> {
    to: &'a str,
    from: &'a str,
    kind: &'static str,
    stanza: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    type_: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    show: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
}

/// The body of the HTTP request for a stanza.
pub fn encode(stanza: &Stanza) -> Vec<u8> {
    let Stanza {
        envelope,
        lang,
        texts,
        xml,
        ..
    } = stanza;
    let request = Request {
        to: &envelope.to,
        from: &envelope.from,
        kind: envelope.kind.as_str(),
        stanza: xml,
        body: texts
            .body
            .as_deref()
            .filter(|_| envelope.kind == Kind::Message),
        type_: envelope.type_.as_deref(),
        id: envelope.id.as_deref(),
        lang: lang.as_deref(),
        subject: texts.subject.as_deref(),
        thread: texts.thread.as_deref(),
        show: texts.show.as_deref(),
        status: texts.status.as_deref(),
        priority: texts
            .priority
            .as_deref()
            .and_then(|text| text.trim().parse().ok()),
    };
    // Twice the XML: the texts repeat a part of it, and quotes are escaped.
    let mut json = Vec::with_capacity(2 * xml.len() + 256);
    serde_json::to_writer(&mut json, &request).expect("strings and numbers go into memory");
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;
    use serde_json::{Value, json};

    #[test]
    fn has_what_the_stanza_has_and_nothing_else() {
        let mut stanza = message();
        stanza.lang = Some("en".into());
        stanza.texts.priority = Some(" -5 ".into());
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
    fn only_a_message_has_a_body() {
        let mut stanza = message();
        stanza.envelope.kind = Kind::Presence;
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(value.get("body"), None);
    }
}
