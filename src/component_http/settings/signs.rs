//! What the sender of a message sees of it beside the replies.

use crate::options::{OptionError, Options};
use crate::stanza::{Envelope, Kind, Stanza};

/// Which signs of life there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Whether it is shown that an answer takes its time (XEP-0085).
    pub typing: bool,
    /// Whether receipts are given (XEP-0184).
    pub receipts: bool,
}

impl Signs {
    /// Reads the options.
    ///
    /// # Errors
    /// The first one that is unusable.
    pub fn read(options: &Options) -> Result<Self, OptionError> {
        Ok(Signs {
            typing: options.boolean("component_post_typing", false)?,
            receipts: options.boolean("component_post_receipts", true)?,
        })
    }

    /// Leaves of what a stanza asks for what it is to get. A message gets no receipt in a chat room, where
    /// everybody would send one (XEP-0184 §5.3), and none is given for an error.
    pub fn restrict(&self, stanza: &mut Stanza, is_in_room: impl Fn(&Envelope) -> bool) {
        let Stanza {
            envelope,
            extensions,
            ..
        } = stanza;
        let is_message = envelope.kind == Kind::Message;
        let is_chat = is_message && envelope.has_type("chat");
        let is_single = is_message && (envelope.type_.is_none() || envelope.has_type("normal"));
        extensions.asks_for_receipt &= self.receipts
            && (is_chat || is_single)
            && envelope.id.as_ref().is_some_and(|id| !id.is_empty())
            && !is_in_room(envelope);
        // Where there is nothing to answer, nobody waits for an answer.
        extensions.knows_chat_states &= self.typing && is_chat && !envelope.says_nothing;
    }

    /// What is on that is not on by default, and the other way round.
    pub(super) fn what_is_on(&self) -> String {
        let typing = if self.typing {
            ", with typing shown"
        } else {
            ""
        };
        let receipts = if self.receipts {
            ""
        } else {
            ", without receipts"
        };
        format!("{typing}{receipts}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;
    use crate::stanza::Extensions;

    /// Whether a receipt and whether chat states are left of a message with that type.
    fn left(signs: Signs, change: impl FnOnce(&mut Stanza), in_room: bool) -> (bool, bool) {
        let mut stanza = message();
        stanza.extensions = Extensions {
            any: true,
            asks_for_receipt: true,
            knows_chat_states: true,
        };
        change(&mut stanza);
        signs.restrict(&mut stanza, |_| in_room);
        let Extensions {
            asks_for_receipt,
            knows_chat_states,
            ..
        } = stanza.extensions;
        (asks_for_receipt, knows_chat_states)
    }

    const BOTH: Signs = Signs {
        typing: true,
        receipts: true,
    };

    #[test]
    fn who_gets_what() {
        let type_ = |type_: Option<&str>| {
            let type_ = type_.map(str::to_owned);
            left(BOTH, |stanza| stanza.envelope.type_ = type_, false)
        };
        assert_eq!(type_(Some("chat")), (true, true));
        assert_eq!(type_(Some("normal")), (true, false));
        assert_eq!(type_(None), (true, false));
        for other in ["groupchat", "error", "headline"] {
            assert_eq!(type_(Some(other)), (false, false), "{other}");
        }
        assert_eq!(left(BOTH, |_| {}, true), (false, true), "in a room");
        let nameless = left(BOTH, |stanza| stanza.envelope.id = None, false);
        assert_eq!(nameless, (false, true), "no id to give a receipt for");
        let state = left(BOTH, |stanza| stanza.envelope.says_nothing = true, false);
        assert_eq!(state, (true, false), "a chat state alone");
        let presence = left(BOTH, |stanza| stanza.envelope.kind = Kind::Presence, false);
        assert_eq!(presence, (false, false));
        let none = Signs {
            typing: false,
            receipts: false,
        };
        assert_eq!(left(none, |_| {}, false), (false, false));
    }
}
