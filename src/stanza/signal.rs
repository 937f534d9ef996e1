//! Children of a message that say nothing by themselves: what clients send without their users' doing.

use super::namespaces::CLIENT_NS;
use super::ns::{CHAT_MARKERS, CHAT_STATES, HINTS, RECEIPTS, STANZA_IDS};

/// Whether a child of that name and namespace, which is empty for none of its own, says nothing to whoever
/// reads the message. A request for a receipt is none: its sender waits for something. The identifier of a
/// thread comes along with chat states (XEP-0085).
pub fn is_signal(name: &[u8], xmlns: &[u8]) -> bool {
    match str::from_utf8(xmlns) {
        Ok("" | CLIENT_NS) => name == b"thread",
        Ok(CHAT_STATES | CHAT_MARKERS | HINTS | STANZA_IDS) => true,
        Ok(RECEIPTS) => name == b"received",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_by_themselves() {
        for (name, xmlns, expected) in [
            ("composing", CHAT_STATES, true),
            ("received", RECEIPTS, true),
            ("request", RECEIPTS, false),
            ("markable", CHAT_MARKERS, true),
            ("displayed", CHAT_MARKERS, true),
            ("no-store", HINTS, true),
            ("origin-id", STANZA_IDS, true),
            ("stanza-id", STANZA_IDS, true),
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
