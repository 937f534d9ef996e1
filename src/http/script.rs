//! A service for tests that says what it is told to.

use std::collections::VecDeque;

use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

use super::broken::Broken;
use super::wire::{Received, Wire};

/// What comes from a service, and what goes to it in one piece each.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) comes: VecDeque<Vec<u8>>,
    pub(super) sent: Vec<Vec<u8>>,
    /// What comes again and again after that.
    pub(super) endless: Option<Vec<u8>>,
    /// Whether requests take longer than what comes.
    pub(super) is_slow: bool,
    /// How it ends once everything has come.
    pub(super) end: Option<Received>,
}

impl Wire for Script {
    const IS_SECRET: bool = false;

    fn begin_request(&mut self) {}

    fn send(&mut self, bytes: &[u8], _: NextTimeout) -> Result<(), Error> {
        self.sent.push(bytes.to_vec());
        Ok(())
    }

    fn receive(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error> {
        let next = self.comes.pop_front().or_else(|| self.endless.clone());
        match (next, self.end) {
            (Some(bytes), _) => {
                take(&bytes);
                Ok(Received::Bytes)
            }
            (None, Some(end)) => Ok(end),
            (None, None) => Err(Error::Timeout(timeout.reason)),
        }
    }

    fn is_quiet(&mut self) -> bool {
        self.comes.is_empty() && self.end.is_none()
    }

    fn may_be_kept(&self) -> bool {
        true
    }

    fn has_arrived(&self) -> bool {
        !self.is_slow
    }

    fn closed_unheard(&mut self) -> Error {
        Broken::NeverDelivered.into()
    }
}
