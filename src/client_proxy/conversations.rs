//! Which resource of the target has which conversation, and where requesters wrote to last.
//!
//! All of it is a convenience that may be forgotten: without it a conversation begins anew with another
//! resource, and what the target says comes from the host's own JID.

use std::rc::Rc;

use super::generations::Generations;
use super::translation::Tag;
use crate::stanza::jid;

/// What belongs together: what one account and one JID of the proxy's say to each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conversation(Box<str>);

impl Conversation {
    /// That of a requester and a JID at the proxy's host.
    pub fn new(requester: &str, addressed: &str) -> Self {
        // No JID has a line break.
        let both = [jid::bare(requester), "\n", jid::bare(addressed)];
        Conversation(both.concat().into())
    }
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
        let length = conversation.0.len();
        self.resources.insert(conversation, resource, length);
    }

    /// The JID at the proxy's host that a requester wrote to last.
    pub fn addressed(&self, requester: &Tag) -> Option<&str> {
        self.addressed.get(requester).map(|jid| &**jid)
    }

    /// A requester has written to that JID.
    pub fn address(&mut self, requester: Tag, addressed: &str) {
        let known = self.addressed.get_young(&requester);
        if known.is_none_or(|known| **known != *addressed) {
            self.addressed
                .insert(requester, addressed.into(), addressed.len());
        }
    }
}
