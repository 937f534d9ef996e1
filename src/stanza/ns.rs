//! The namespaces of extensions, each with the XEP that defines it.

/// XEP-0004: Data Forms.
pub const DATA_FORMS: &str = "jabber:x:data";
/// XEP-0045: Multi-User Chat, what a room says to its users.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0066: Out of Band Data.
pub const OOB: &str = "jabber:x:oob";
/// XEP-0085: Chat State Notifications. All of them are signals.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0103: URL Address Information.
pub const URL_DATA: &str = "http://jabber.org/protocol/url-data";
/// XEP-0172: User Nickname.
pub const NICK: &str = "http://jabber.org/protocol/nick";
/// XEP-0184: Message Delivery Receipts.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0203: Delayed Delivery.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0249: Direct MUC Invitations.
pub const DIRECT_INVITATIONS: &str = "jabber:x:conference";
/// XEP-0308: Last Message Correction.
pub const CORRECTION: &str = "urn:xmpp:message-correct:0";
/// XEP-0333: Displayed Markers.
pub const CHAT_MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0334: Message Processing Hints.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0359: Unique and Stable Stanza IDs.
pub const STANZA_IDS: &str = "urn:xmpp:sid:0";
/// XEP-0372: References.
pub const REFERENCES: &str = "urn:xmpp:reference:0";
/// XEP-0380: Explicit Message Encryption.
pub const ENCRYPTION: &str = "urn:xmpp:eme:0";
/// XEP-0421: Occupant identifiers for semi-anonymous MUCs.
pub const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// XEP-0424: Message Retraction.
pub const RETRACTION: &str = "urn:xmpp:message-retract:1";
/// XEP-0428: Fallback Indication.
pub const FALLBACK: &str = "urn:xmpp:fallback:0";
/// XEP-0439: Quick Response.
pub const QUICK_RESPONSE: &str = "urn:xmpp:tmp:quick-response";
/// XEP-0444: Message Reactions.
pub const REACTIONS: &str = "urn:xmpp:reactions:0";
/// XEP-0446: File metadata element.
pub const FILE_METADATA: &str = "urn:xmpp:file:metadata:0";
/// XEP-0447: Stateless file sharing.
pub const FILE_SHARING: &str = "urn:xmpp:sfs:0";
/// XEP-0461: Message Replies.
pub const REPLIES: &str = "urn:xmpp:reply:0";
