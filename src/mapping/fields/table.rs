//! The one table of the properties.

use super::{Field, Place, Value, Way};
use crate::mapping::extension::error::ERROR;
use crate::mapping::extension::invitation::INVITATION;
use crate::mapping::extension::members::{
    BUTTON, FILE_SHARING, FILES, FORM, MENTION, OOB, OOB_TAG, QUICK_RESPONSE, REACTIONS, REPLY,
    STANZA_ID,
};
use crate::mapping::extension::{Part, Shape, Spot, Tag, Text};
use crate::stanza::{Kind, ns};

/// How many of the properties are no extension: those come first.
pub(super) const PLAIN: usize = 13;

/// All of them, attributes and children in the order in which a stanza has them.
pub static FIELDS: [Field; 38] = {
    use Place::{Attribute, Child, Whole};
    use Value::{Number, String, Text as Words};
    const ID: Part = Part::Attribute("id");
    [
        plain("to", Attribute("to"), String, "The recipient."),
        plain("from", Attribute("from"), String, "The sender."),
        plain("id", Attribute("id"), String, "The id of the stanza."),
        plain("type", Attribute("type"), String, "The type of the stanza."),
        plain(
            "lang",
            Attribute("xml:lang"),
            Words,
            "xml:lang of the stanza.",
        ),
        plain("kind", Place::Kind, String, "message, presence or iq."),
        plain("stanza", Whole, String, "The whole stanza as XML."),
        plain(
            "subject",
            Child("subject"),
            Words,
            "The text of the subject.",
        ),
        Field {
            only_of: Some(Kind::Message),
            ..plain("body", Child("body"), Words, "The text of a message.")
        },
        plain(
            "thread",
            Child("thread"),
            Words,
            "The identifier of a thread.",
        ),
        plain(
            "show",
            Child("show"),
            Words,
            "The availability in a presence.",
        ),
        plain("status", Child("status"), Words, "The text of a presence."),
        plain(
            "priority",
            Child("priority"),
            Number,
            "The priority in a presence.",
        ),
        extension(
            "nick",
            &[Tag::new(ns::NICK, "nick")],
            Part::Text,
            ANY,
            ("A nickname", &[172]),
        ),
        extension(
            "state",
            &[],
            Part::Name(ns::CHAT_STATES),
            Shape::Text(Text::OneOf(&[
                "active",
                "composing",
                "paused",
                "inactive",
                "gone",
            ])),
            ("What somebody does in the chat", &[85]),
        ),
        Field {
            way: Way::Request,
            ..extension(
                "delay",
                &[Tag::new(ns::DELAY, "delay")],
                Part::Attribute("stamp"),
                Shape::Text(Text::Time),
                ("When it was said, if it comes late", &[203]),
            )
        },
        extension(
            "replace",
            &[Tag::new(ns::CORRECTION, "replace")],
            ID,
            SOME,
            (
                "The id of the message that this one corrects, in its first version",
                &[308],
            ),
        ),
        extension(
            "retract",
            &[Tag::new(ns::RETRACTION, "retract")],
            ID,
            SOME,
            ("The id of the message that is taken back", &[424]),
        ),
        extension(
            "reply",
            &[Tag::new(ns::REPLIES, "reply")],
            Part::Element,
            Shape::Object(REPLY),
            (
                "The message that this one replies to, by its id and author",
                &[461],
            ),
        ),
        Field {
            name: "fallback_body",
            place: Place::Fallback,
            value: Value::Shaped(ANY),
            only_of: None,
            way: Way::Request,
            about: (
                "What the body quotes of that message: it has been taken out there",
                &[428, 461],
            ),
        },
        extension(
            "reactions",
            &[Tag::new(ns::REACTIONS, "reactions")],
            Part::Element,
            Shape::Object(REACTIONS),
            ("All reactions to the message with that id", &[444]),
        ),
        extension(
            "receipt",
            &[Tag::new(ns::RECEIPTS, "request")],
            Part::Element,
            Shape::True,
            ("A receipt is asked for", &[184]),
        ),
        extension(
            "received",
            &[Tag::new(ns::RECEIPTS, "received")],
            ID,
            SOME,
            ("The receipt for the message with that id", &[184]),
        ),
        extension(
            "markable",
            &[Tag::new(ns::CHAT_MARKERS, "markable")],
            Part::Element,
            Shape::True,
            ("A marker is asked for", &[333]),
        ),
        extension(
            "displayed",
            &[Tag::new(ns::CHAT_MARKERS, "displayed")],
            ID,
            SOME,
            (
                "The message with that id, and all before it, were displayed",
                &[333],
            ),
        ),
        extension(
            "oob",
            &[OOB_TAG],
            Part::Element,
            Shape::Object(OOB),
            (
                "A link, which clients show as a file if it is the body too",
                &[66],
            ),
        ),
        extension(
            "files",
            &[FILE_SHARING],
            Part::Element,
            Shape::List(&Shape::Object(FILES)),
            ("Files", &[447, 446]),
        ),
        Field {
            way: Way::Request,
            ..extension(
                "encryption",
                &[Tag::new(ns::ENCRYPTION, "encryption")],
                Part::FirstAttribute(&["namespace", "name"]),
                SOME,
                ("What it is encrypted with", &[380]),
            )
        },
        Field {
            way: Way::Request,
            ..extension(
                "encrypted",
                &[Tag::new(ns::ENCRYPTION, "encryption")],
                Part::Element,
                Shape::True,
                ("It is encrypted: the body says nothing", &[380]),
            )
        },
        extension(
            "origin_id",
            &[Tag::new(ns::STANZA_IDS, "origin-id")],
            ID,
            SOME,
            ("The id that the author's client gave it", &[359]),
        ),
        extension(
            "stanza_ids",
            &[Tag::new(ns::STANZA_IDS, "stanza-id")],
            Part::Element,
            Shape::List(&Shape::Object(STANZA_ID)),
            ("The ids that archives and rooms gave it", &[359]),
        ),
        extension(
            "occupant_id",
            &[Tag::new(ns::OCCUPANT_ID, "occupant-id")],
            ID,
            SOME,
            ("Who it is in the room, whatever the nick", &[421]),
        ),
        extension(
            "hints",
            &[],
            Part::Name(ns::HINTS),
            Shape::List(&Shape::Text(Text::OneOf(&[
                "no-store",
                "no-copy",
                "store",
                "no-permanent-store",
            ]))),
            ("What servers should do with it", &[334]),
        ),
        extension(
            "mentions",
            &[MENTIONED],
            Part::Element,
            Shape::List(&Shape::Object(MENTION)),
            ("Who is mentioned, and where in the body", &[372]),
        ),
        extension(
            "invite",
            &[],
            Part::Element,
            Shape::Own(&INVITATION),
            ("An invitation to a chat room", &[249, 45]),
        ),
        Field {
            way: Way::Reply,
            ..extension(
                "buttons",
                &[QUICK_RESPONSE],
                Part::Element,
                Shape::List(&Shape::Object(BUTTON)),
                (
                    "Answers to choose from. They are listed in the body too",
                    &[439],
                ),
            )
        },
        extension(
            "form",
            &[Tag::new(ns::DATA_FORMS, "x")],
            Part::Element,
            Shape::Object(FORM),
            ("A form", &[4]),
        ),
        extension(
            "error",
            &[],
            Part::Element,
            Shape::Own(&ERROR),
            (
                "What went wrong. It makes the stanza one of type error",
                &[],
            ),
        ),
    ]
};

const MENTIONED: Tag = Tag {
    with: Some(("type", "mention")),
    ..Tag::new(ns::REFERENCES, "reference")
};

const ANY: Shape = Shape::Text(Text::Any);
const SOME: Shape = Shape::Text(Text::Some);

/// What is or has been about a property, and the XEPs that define it.
type About = (&'static str, &'static [u16]);

const fn plain(name: &'static str, place: Place, value: Value, about: &'static str) -> Field {
    Field {
        name,
        place,
        value,
        only_of: None,
        way: Way::Both,
        about: (about, &[]),
    }
}

const fn extension(
    name: &'static str,
    path: &'static [Tag],
    part: Part,
    shape: Shape,
    about: About,
) -> Field {
    Field {
        name,
        place: Place::Extension(Spot::new(path, part)),
        value: Value::Shaped(shape),
        only_of: None,
        way: Way::Both,
        about,
    }
}
