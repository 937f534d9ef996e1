//! Where the conversations are that have something in flight.

use std::collections::BTreeMap;

use super::backends::BackendId;
use super::lanes::Conversation;

/// Attempts in flight by conversation and backend, of the conversations that may go to more than one.
#[derive(Debug, Default)]
pub(super) struct Whereabouts(BTreeMap<(Conversation, BackendId), usize>);

impl Whereabouts {
    /// Where a conversation has something in flight.
    pub(super) fn of(&self, conversation: &Conversation) -> impl Iterator<Item = BackendId> {
        let all = (conversation.clone(), 0)..=(conversation.clone(), BackendId::MAX);
        self.0.range(all).map(|((_, id), _)| *id)
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, conversation: Conversation, at: BackendId) {
        *self.0.entry((conversation, at)).or_default() += 1;
    }

    /// An attempt has ended that was told to begin.
    pub(super) fn end(&mut self, conversation: Conversation, at: BackendId) {
        let place = (conversation, at);
        if let Some(in_flight) = self.0.get_mut(&place) {
            *in_flight -= 1;
            if *in_flight == 0 {
                self.0.remove(&place);
            }
        }
    }

    /// Whether nothing is in flight.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
