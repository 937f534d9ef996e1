//! Children of a message that say nothing by themselves: what clients send without their users' doing.

use super::namespaces::{CLIENT_NS, HINTS_NS};

/// XEP-0085: Chat State Notifications. All of them are signals.
const CHAT_STATES_NS: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0184: Message Delivery Receipts.
const RECEIPTS_NS: &str = "urn:xmpp:receipts";
/// XEP-0333: Displayed Markers.
const CHAT_MARKERS_NS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0359: Unique and Stable Stanza IDs.
const STANZA_IDS_NS: &str = "urn:xmpp:sid:0";

/// Whether a child of that name and namespace, which is empty for none of its own, says nothing to whoever
/// reads the message. A request for a receipt is none: its sender waits for something. The identifier of a
/// thread comes along with chat states (XEP-0085).
pub fn is_signal(name: &[u8], xmlns: &[u8]) -> bool {
    match str::from_utf8(xmlns) {
        Ok("" | CLIENT_NS) => name == b"thread",
        Ok(CHAT_STATES_NS | CHAT_MARKERS_NS | HINTS_NS | STANZA_IDS_NS) => true,
        Ok(RECEIPTS_NS) => name == b"received",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_by_themselves() {
        for (name, xmlns, expected) in [
            ("composing", CHAT_STATES_NS, true),
            ("received", RECEIPTS_NS, true),
            ("request", RECEIPTS_NS, false),
            ("markable", CHAT_MARKERS_NS, true),
            ("displayed", CHAT_MARKERS_NS, true),
            ("no-store", HINTS_NS, true),
            ("origin-id", STANZA_IDS_NS, true),
            ("stanza-id", STANZA_IDS_NS, true),
            ("thread", "", true),
            ("thread", CLIENT_NS, true),
            ("thread", "urn:x", false),
            ("reactions", "urn:xmpp:reactions:0", false),
            ("composing", "urn:x", false),
            ("body", "", false),
            ("subject", "", false),
        ] {
            let found = is_signal(name.as_bytes(), xmlns.as_bytes());
            assert_eq!(found, expected, "{name} {xmlns}");
        }
    }
}
