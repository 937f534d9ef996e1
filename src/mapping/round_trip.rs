//! What a service writes as JSON it would be told as the same JSON.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::answer::replies;
use super::extension::{Member, Shape, Text};
use super::fields::{self, FIELDS, Field, Way};
use super::request;
use crate::component_http::settings::tests::settings;
use crate::component_http::tests::message;
use crate::stanza::{Element, Stanza, chars};

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        select(&["", "\r\n\t", "<&>'\"]]>", "🐢", "\u{FFFD}", "xmpp:a@b?join"][..])
            .prop_map(str::to_owned),
    ]
    .prop_filter("a character of XML", |text| chars::all_allowed(text))
    .boxed()
}

/// What looks like that, in the form in which it comes back.
fn like(shape: &'static Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::True => Just(Value::Bool(true)).boxed(),
        Shape::Text(Text::OneOf(texts)) => select(*texts).prop_map(Value::from).boxed(),
        Shape::Text(Text::Jid) => select(&["a@b", "b", "🐢@b/🐢"][..])
            .prop_map(Value::from)
            .boxed(),
        Shape::Text(Text::Time) => Just(Value::from("2026-01-01T00:00:00Z")).boxed(),
        Shape::Text(Text::Some) => text()
            .prop_filter("not empty", |text| !text.is_empty())
            .prop_map(Value::from)
            .boxed(),
        Shape::Text(Text::Any) => text().prop_map(Value::from).boxed(),
        Shape::Number => (0_u64..1 << 53).prop_map(Value::from).boxed(),
        Shape::List(item) => vec(like(item), 1..4).prop_map(Value::from).boxed(),
        Shape::Object(members) => object(members),
        Shape::Own(own) => proptest::strategy::Union::new(own.like.iter().map(like)).boxed(),
    }
}

fn object(members: &'static [Member]) -> BoxedStrategy<Value> {
    let member = |member: &'static Member| -> BoxedStrategy<Option<(String, Value)>> {
        let value = like(&member.shape).prop_map(|value| (member.name.to_owned(), value));
        if member.is_required {
            value.prop_map(Some).boxed()
        } else {
            of(value).boxed()
        }
    };
    let members: Vec<_> = members.iter().map(member).collect();
    members
        .prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

/// The one form in which something comes back that may be written in several.
fn as_told(name: &str, mut value: Value) -> Value {
    match name {
        "error" if value.get("type").is_none() => value["type"] = json!("cancel"),
        "form" => {
            for field in value
                .get_mut("fields")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let is_list = matches!(
                    field.get("type").and_then(Value::as_str),
                    Some("list-multi" | "jid-multi")
                );
                let is_of_lines = field.get("type").is_some_and(|type_| type_ == "text-multi");
                let value = match field.get_mut("value").map_or(Value::Null, Value::take) {
                    Value::String(text) if is_list => json!([text]),
                    Value::Array(lines) if is_of_lines => {
                        let lines: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
                        json!(lines.join("\n"))
                    }
                    Value::Array(mut values)
                        if !is_list && (field.get("type").is_some() || values.len() == 1) =>
                    {
                        values.remove(0)
                    }
                    value => value,
                };
                let field = field.as_object_mut().unwrap();
                field.remove("value");
                if !value.is_null() {
                    field.insert("value".to_owned(), value);
                }
            }
        }
        _ => {}
    }
    value
}

/// What a service is told of the stanza that its answer makes.
fn told(answer: &Value) -> Value {
    let answer = answer.to_string();
    let rules = settings(&[]);
    let sent = replies(
        &message().envelope,
        answer.as_bytes(),
        &rules.rules(),
        &mut String::new,
    );
    let [sent] = &sent.unwrap()[..] else {
        panic!("one stanza for {answer}");
    };
    serde_json::from_slice(&request::encode(&captured(sent))).unwrap()
}

fn captured(element: &Element) -> Stanza {
    let mut stanza = message();
    stanza.envelope.type_ = element.attr("type").map(str::to_owned);
    stanza.texts =
        fields::CHILDREN.map(|name| element.child(name, None).map(Element::text).map(Into::into));
    stanza.extensions.any = true;
    stanza.xml = element.to_xml().into();
    stanza
}

fn property() -> impl Strategy<Value = (&'static str, Value)> {
    let both_ways = FIELDS.iter().filter(|field| field.way == Way::Both);
    let strategies = both_ways.filter_map(|Field { name, value, .. }| match value {
        fields::Value::Shaped(shape) => Some(like(shape).prop_map(|value| (*name, value)).boxed()),
        _ => None,
    });
    proptest::strategy::Union::new(strategies.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(3000)
    })]

    #[test]
    fn what_is_written_is_told((name, value) in property()) {
        let answer = json!({ name: value });
        let mut told = told(&answer);
        if name == "error" && value.get("type").is_none() {
            told[name]["type"] = json!("cancel");
        }
        prop_assert_eq!(&told[name], &as_told(name, value));
    }
}
