//! Which resource of the target has which conversation, and where requesters wrote to last.
//!
//! All of it is a convenience that may be forgotten: without it a conversation begins anew with another
//! resource, and what the target says comes from the host's own JID.

use std::rc::Rc;

use super::generations::Generations;
use super::translation::Tag;

/// What belongs together: what one account and one JID of the proxy's say to each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conversation {
    /// The bare JID of the requester.
    pub requester: Box<str>,
    /// The bare JID at the proxy's host.
    pub addressed: Box<str>,
}

/// Conversations, within bounds.
#[derive(Default)]
pub struct Conversations {
    resources: Generations<Conversation, Rc<str>>,
    addressed: Generations<Tag, Box<str>>,
}

impl Conversations {
    /// The resource that a conversation is with.
    pub fn resource(&self, conversation: &Conversation) -> Option<&Rc<str>> {
        self.resources.get(conversation)
    }

    /// From now on a conversation is with that resource.
    pub fn assign(&mut self, conversation: Conversation, resource: Rc<str>) {
        let length = conversation.requester.len() + conversation.addressed.len();
        self.resources.insert(conversation, resource, length);
    }

    /// The JID at the proxy's host that a requester wrote to last.
    pub fn addressed(&self, requester: &Tag) -> Option<&str> {
        self.addressed.get(requester).map(|jid| &**jid)
    }

    /// A requester has written to that JID.
    pub fn address(&mut self, requester: Tag, addressed: &str) {
        self.addressed
            .insert(requester, addressed.into(), addressed.len());
    }
}
