//! Invitations to a chat room: from whoever invites (XEP-0249), or through the room (XEP-0045 §7.8.2).

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Member, Own, Part, Shape, Spot, Tag, Text, Writer, read};
use crate::mapping::Unusable;
use crate::stanza::{Element, jid, ns};

/// An invitation in a message: read in both forms, and written as a direct one.
pub const INVITATION: Own = Own {
    read: find,
    write,
    like: &[Shape::Object(MEMBERS)],
};

const DIRECT: Tag = Tag::new(ns::DIRECT_INVITATIONS, "x");
const OF_ROOM: Tag = Tag::new(ns::MUC_USER, "x");

const MEMBERS: &[Member] = &[
    Member {
        name: "jid",
        spot: Spot::new(&[], Part::Attribute("jid")),
        shape: Shape::Text(Text::Jid),
        is_required: true,
    },
    optional("reason", Spot::new(&[], Part::Attribute("reason"))),
    optional("password", Spot::new(&[], Part::Attribute("password"))),
];

const INVITE: Tag = Tag::new(ns::MUC_USER, "invite");

/// What a room tells of an invitation beside itself.
const MEDIATED: &[Member] = &[
    optional(
        "reason",
        Spot::new(&[INVITE, Tag::new(ns::MUC_USER, "reason")], Part::Text),
    ),
    optional(
        "password",
        Spot::new(&[Tag::new(ns::MUC_USER, "password")], Part::Text),
    ),
];

const fn optional(name: &'static str, spot: Spot) -> Member {
    Member {
        name,
        spot,
        shape: Shape::Text(Text::Any),
        is_required: false,
    }
}

/// A room may send both forms at once, for clients that know but one.
fn find(message: &Element) -> Option<Value> {
    let whole = |tag, members| {
        read(
            Tag::find(tag, message)?,
            Spot::new(&[], Part::Element),
            &Shape::Object(members),
        )
    };
    if let Some(direct) = whole(&DIRECT, MEMBERS) {
        return Some(direct);
    }
    INVITE.find(OF_ROOM.find(message)?)?;
    let mut invitation = whole(&OF_ROOM, MEDIATED)?;
    invitation["jid"] = jid::bare(message.attr("from")?).into();
    Some(invitation)
}

fn write(value: &RawValue, message: &mut Element, writer: &mut Writer) -> Result<(), Unusable> {
    let spot = Spot::new(&[DIRECT], Part::Element);
    writer.write(value, message, spot, &Shape::Object(MEMBERS))
}
