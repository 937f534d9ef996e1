//! What the objects have that stand for elements.

use super::form;
use super::{Member, Part, Shape, Spot, Tag, Text};
use crate::stanza::ns;

/// The attribute `id` that no such element is without.
const ID: Member = required("id", &[], Part::Attribute("id"), SOME);

/// XEP-0066 §3.
pub const OOB_TAG: Tag = Tag::new(ns::OOB, "x");
/// XEP-0439 §3.1.
pub const QUICK_RESPONSE: Tag = Tag::new(ns::QUICK_RESPONSE, "response");
/// XEP-0447 §3.
pub const FILE_SHARING: Tag = Tag::new(ns::FILE_SHARING, "file-sharing");

/// XEP-0461 §3.
pub const REPLY: &[Member] = &[ID, member("to", &[], Part::Attribute("to"), SOME)];

/// XEP-0444 §4. No reaction at all takes back those that there were.
pub const REACTIONS: &[Member] = &[
    ID,
    required(
        "reactions",
        &[Tag::new(ns::REACTIONS, "reaction")],
        Part::Text,
        Shape::List(&SOME),
    ),
];

/// XEP-0066 §3.
pub const OOB: &[Member] = &[
    required("url", &[Tag::new(ns::OOB, "url")], Part::Text, SOME),
    member("desc", &[Tag::new(ns::OOB, "desc")], Part::Text, ANY),
];

const FILE: Tag = Tag::new(ns::FILE_METADATA, "file");

/// Where a file is: in its `target`.
pub const SOURCE: &[Tag] = &[
    Tag::new(ns::FILE_SHARING, "sources"),
    Tag::new(ns::URL_DATA, "url-data"),
];

/// XEP-0447 §3, with what XEP-0446 §2 says of a file.
pub const FILES: &[Member] = &[
    required("url", SOURCE, Part::Attribute("target"), SOME),
    of_file("name", &[FILE, Tag::new(ns::FILE_METADATA, "name")], ANY),
    of_file(
        "media_type",
        &[FILE, Tag::new(ns::FILE_METADATA, "media-type")],
        ANY,
    ),
    of_file(
        "size",
        &[FILE, Tag::new(ns::FILE_METADATA, "size")],
        Shape::Number,
    ),
    of_file("desc", &[FILE, Tag::new(ns::FILE_METADATA, "desc")], ANY),
    member(
        "disposition",
        &[],
        Part::Attribute("disposition"),
        Shape::Text(Text::OneOf(&["inline", "attachment"])),
    ),
];

/// XEP-0359 §3.
pub const STANZA_ID: &[Member] = &[required("by", &[], Part::Attribute("by"), SOME), ID];

/// XEP-0372 §3.2.
pub const MENTION: &[Member] = &[
    required("uri", &[], Part::Attribute("uri"), SOME),
    member("begin", &[], Part::Attribute("begin"), Shape::Number),
    member("end", &[], Part::Attribute("end"), Shape::Number),
];

/// XEP-0439 §3.1.
pub const BUTTON: &[Member] = &[
    required("value", &[], Part::Attribute("value"), SOME),
    member("label", &[], Part::Attribute("label"), SOME),
];

/// XEP-0004 §3.1.
pub const FORM: &[Member] = &[
    required(
        "type",
        &[],
        Part::Attribute("type"),
        Shape::Text(Text::OneOf(&["form", "submit", "cancel", "result"])),
    ),
    member(
        "title",
        &[Tag::new(ns::DATA_FORMS, "title")],
        Part::Text,
        ANY,
    ),
    member(
        "instructions",
        &[Tag::new(ns::DATA_FORMS, "instructions")],
        Part::Text,
        ANY,
    ),
    member(
        "fields",
        &[Tag::new(ns::DATA_FORMS, "field")],
        Part::Element,
        Shape::List(&Shape::Object(FORM_FIELD)),
    ),
];

/// XEP-0004 §3.2.
const FORM_FIELD: &[Member] = &[
    member("var", &[], Part::Attribute("var"), ANY),
    member(
        "type",
        &[],
        Part::Attribute("type"),
        Shape::Text(Text::OneOf(form::FIELD_TYPES)),
    ),
    member("label", &[], Part::Attribute("label"), ANY),
    member("desc", &[Tag::new(ns::DATA_FORMS, "desc")], Part::Text, ANY),
    member(
        "required",
        &[Tag::new(ns::DATA_FORMS, "required")],
        Part::Element,
        Shape::True,
    ),
    member("value", &[], Part::Element, Shape::Own(&form::VALUE)),
    member(
        "options",
        &[Tag::new(ns::DATA_FORMS, "option")],
        Part::Element,
        Shape::List(&Shape::Object(FORM_OPTION)),
    ),
];

/// XEP-0004 §3.2.
const FORM_OPTION: &[Member] = &[
    member("label", &[], Part::Attribute("label"), ANY),
    required("value", &[form::VALUE_TAG], Part::Text, ANY),
];

const ANY: Shape = Shape::Text(Text::Any);
const SOME: Shape = Shape::Text(Text::Some);

const fn of_file(name: &'static str, path: &'static [Tag], shape: Shape) -> Member {
    member(name, path, Part::Text, shape)
}

const fn required(name: &'static str, path: &'static [Tag], part: Part, shape: Shape) -> Member {
    Member {
        is_required: true,
        ..member(name, path, part, shape)
    }
}

const fn member(name: &'static str, path: &'static [Tag], part: Part, shape: Shape) -> Member {
    Member {
        name,
        spot: Spot::new(path, part),
        shape,
        is_required: false,
    }
}
