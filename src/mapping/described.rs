//! What is written of the properties elsewhere says what their table says: the JSON Schemas of
//! `openapi.json`, and the tables of the manual.

use serde_json::{Map, Value, json};

use super::answer::replies;
use super::extension::{Member, Shape, Text};
use super::fields::{self, FIELDS, Field, Way};
use crate::component_http::settings::tests::settings;
use crate::component_http::tests::message;

const OPENAPI: &str = include_str!("../push/openapi.json");
const MANUAL: &str = include_str!("../../docs/json.markdown");
const PLAIN_MANUAL: &str = include_str!("../../docs/component_http.markdown");

fn extensions() -> impl Iterator<Item = (&'static Field, &'static Shape)> {
    FIELDS.iter().filter_map(|field| match &field.value {
        fields::Value::Shaped(shape) => Some((field, shape)),
        _ => None,
    })
}

/// The JSON Schema of what a shape describes: as it is in requests, or as a service may write it.
fn schema(shape: &Shape, way: Way) -> Value {
    match shape {
        Shape::True if way == Way::Request => json!({ "type": "boolean", "const": true }),
        Shape::True => json!({ "type": "boolean" }),
        Shape::Text(Text::Any) => json!({ "type": "string" }),
        Shape::Text(Text::Some | Text::Jid) => json!({ "type": "string", "minLength": 1 }),
        Shape::Text(Text::Time) => json!({ "type": "string", "format": "date-time" }),
        Shape::Text(Text::OneOf(texts)) => json!({ "type": "string", "enum": texts }),
        Shape::Number => json!({ "type": "integer", "minimum": 0 }),
        Shape::List(item) => json!({ "type": "array", "items": schema(item, way) }),
        Shape::Object(members) => object(members, way),
        Shape::Own(own) => match own.like {
            [like] => schema(like, way),
            likes => {
                let likes: Vec<_> = likes.iter().map(|like| schema(like, way)).collect();
                json!({ "anyOf": likes })
            }
        },
    }
}

fn object(members: &[Member], way: Way) -> Value {
    let property = |member: &Member| {
        let schema = schema(&member.shape, way);
        let may_be_null = way == Way::Reply && !member.is_required;
        let schema = if may_be_null { or_null(schema) } else { schema };
        (member.name.to_owned(), schema)
    };
    let required = members.iter().filter(|member| member.is_required);
    let required: Vec<_> = required.map(|member| member.name).collect();
    let properties: Map<_, _> = members.iter().map(property).collect();
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if way == Way::Request {
        object["additionalProperties"] = false.into();
    }
    object
}

/// The schema of a property that counts as absent if it is null.
fn or_null(mut schema: Value) -> Value {
    if let Some(likes) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        likes.push(json!({ "type": "null" }));
        return schema;
    }
    schema["type"] = json!([schema["type"], "null"]);
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    }
    schema
}

fn described(field: &Field, mut schema: Value) -> Value {
    let (about, xeps) = field.about;
    let xeps: Vec<_> = xeps.iter().map(|xep| format!("XEP-{xep:04}")).collect();
    let description = match xeps.as_slice() {
        [] => format!("{about}."),
        xeps => format!("{about} ({}).", xeps.join(", ")),
    };
    schema["description"] = description.into();
    schema
}

fn schemas() -> Value {
    let openapi: Value = serde_json::from_str(OPENAPI).unwrap();
    openapi["components"]["schemas"].clone()
}

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_schemas_have_the_properties_of_the_table() {
    for (name, other) in [("Request", Way::Reply), ("Stanza", Way::Request)] {
        let ours = FIELDS.iter().filter(|field| field.way != other);
        let mut ours: Vec<_> = ours.map(|field| field.name).collect();
        ours.sort_unstable();
        assert_eq!(names(&schemas()[name]["properties"]), ours, "{name}");
    }
    let one_of = schemas()["Stanza"]["anyOf"].clone();
    let mut one_of: Vec<_> = one_of
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["required"][0].as_str().unwrap())
        .collect();
    one_of.sort_unstable();
    assert_eq!(one_of, names(&schemas()["Stanza"]["properties"]));
}

#[test]
fn the_schema_of_each_is_that_of_its_shape() {
    for (field, shape) in extensions() {
        if field.way != Way::Reply && field.name != "error" {
            let ours = described(field, schema(shape, Way::Request));
            assert_eq!(
                schemas()["Request"]["properties"][field.name],
                ours,
                "\n{ours:#}"
            );
        }
        if field.way != Way::Request {
            let ours = described(field, or_null(schema(shape, Way::Reply)));
            assert_eq!(
                schemas()["Stanza"]["properties"][field.name],
                ours,
                "\n{ours:#}"
            );
        }
    }
}

/// Other servers have conditions and types of their own, which are told as they are.
#[test]
fn an_error_that_is_told_has_what_one_that_is_made_has() {
    let made = &schemas()["Stanza"]["properties"]["error"]["properties"];
    assert_eq!(names(&schemas()["StanzaError"]["properties"]), names(made));
}

/// What a shape looks like, for people.
fn looks(shape: &Shape) -> String {
    let quoted = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| format!("\"{text}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match shape {
        Shape::True => "true".to_owned(),
        Shape::Text(Text::Any | Text::Some) => "string".to_owned(),
        Shape::Text(Text::Jid) => "JID".to_owned(),
        Shape::Text(Text::Time) => "time".to_owned(),
        Shape::Text(Text::OneOf(texts)) => quoted(texts),
        Shape::Number => "number".to_owned(),
        Shape::List(item) => format!("[{}]", looks(item)),
        Shape::Object(members) => {
            let members = members.iter().map(|member| match &member.shape {
                shape @ (Shape::List(_) | Shape::Object(_)) => {
                    format!("{}: {}", member.name, looks(shape))
                }
                _ => member.name.to_owned(),
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Shape::Own(own) => own.like.iter().map(looks).collect::<Vec<_>>().join(" or "),
    }
}

fn row(field: &Field, shape: &Shape) -> String {
    let (about, xeps) = field.about;
    let link = |xep: &u16| format!("[XEP-{xep:04}](https://xmpp.org/extensions/xep-{xep:04}.html)");
    let xeps: Vec<_> = xeps.iter().map(link).collect();
    let xeps = match xeps.as_slice() {
        [] => String::new(),
        xeps => format!(" ({})", xeps.join(", ")),
    };
    let only = match field.way {
        Way::Both => "",
        Way::Request => ". In requests only",
        Way::Reply => ". In replies and pushes only",
    };
    format!(
        "| `{}` | `{}` | {about}{xeps}{only} |",
        field.name,
        looks(shape)
    )
}

#[test]
fn what_the_manual_shows_can_be_sent() {
    let shown: Vec<_> = MANUAL.split("``` {.json}\n").skip(1).collect();
    assert!(shown.len() > 5);
    for block in shown {
        let (json, _) = block.split_once("```").unwrap();
        let settings = settings(&[]);
        let sent = replies(
            &message().envelope,
            json.as_bytes(),
            &settings.rules(),
            &mut String::new,
        );
        assert!(sent.is_ok_and(|sent| !sent.is_empty()), "{json}");
    }
}

#[test]
fn the_manual_has_the_table() {
    let rows: Vec<_> = extensions()
        .map(|(field, shape)| row(field, shape))
        .collect();
    let shown: Vec<_> = MANUAL
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(shown, rows, "\n{}", rows.join("\n"));
    for field in fields::plain() {
        let shown = PLAIN_MANUAL.matches(&format!("`{}`", field.name)).count();
        assert!(shown > 1, "{}", field.name);
    }
}
