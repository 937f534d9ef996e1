//! What was sent and is still to be answered, and whether an answer is the right one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Text as people write it: here and there a character that is escaped or has more than a byte.
const FILLER: &str = "Let's meet where we met last time, at half past seven if that suits everybody. \
    There is a new café across the street & they say that the soup is worth the way, so bring time and \
    somebody to share it with. Ask whoever comes to call before six, since the table has to be kept. ";

/// What was wrong with the answers; all zero is a clean run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Never answered.
    pub lost: usize,
    /// Answered a second time, or an answer to nothing.
    pub doubled: usize,
    /// Answered before something that the same sender had sent earlier.
    pub disordered: usize,
    /// Answered with something else than what the service must answer.
    pub altered: usize,
    /// Answered with an error stanza.
    pub errors: usize,
}

/// The senders and what each of them waits for.
pub struct Ledger {
    senders: Vec<Sender>,
    size: usize,
    filler: String,
    open: usize,
    faults: Faults,
}

#[derive(Default)]
struct Sender {
    next: u64,
    open: VecDeque<(u64, Instant)>,
}

impl Ledger {
    /// A ledger for texts of `size` bytes.
    pub fn new(senders: usize, size: usize) -> Self {
        Self {
            senders: std::iter::repeat_with(Sender::default)
                .take(senders)
                .collect(),
            size,
            filler: FILLER.repeat(size / FILLER.len() + 1),
            open: 0,
            faults: Faults::default(),
        }
    }

    /// Opens the next entry of `sender`: its id and its text.
    pub fn send(&mut self, sender: usize, now: Instant) -> (String, String) {
        let entry = &mut self.senders[sender];
        let number = entry.next;
        entry.next += 1;
        entry.open.push_back((number, now));
        self.open += 1;
        let id = format!("{sender}.{number}");
        let text = self.text(&id);
        (id, text)
    }

    /// Closes the entry that `text` answers and gives its round trip; `None` (and a fault) if it answers none.
    pub fn answer(&mut self, sender: Option<usize>, text: &str, now: Instant) -> Option<Duration> {
        let id = text.split(' ').next().unwrap_or_default();
        let altered = *text != self.text(id);
        let round_trip = self.close(sender, id, now)?;
        if altered {
            self.faults.altered += 1;
        }
        Some(round_trip)
    }

    /// Closes the entry `id` that was answered with an error and gives its round trip.
    pub fn refuse(&mut self, sender: Option<usize>, id: &str, now: Instant) -> Option<Duration> {
        self.faults.errors += 1;
        self.close(sender, id, now)
    }

    /// Notes an answer that came from or went to the wrong address.
    pub fn misaddressed(&mut self) {
        self.faults.altered += 1;
    }

    /// How many entries are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The faults; what is still open is lost.
    pub fn conclude(&self) -> Faults {
        Faults {
            lost: self.open,
            ..self.faults
        }
    }

    fn close(&mut self, sender: Option<usize>, id: &str, now: Instant) -> Option<Duration> {
        let Some((position, sent)) = self.take(sender, id) else {
            self.faults.doubled += 1;
            return None;
        };
        self.open -= 1;
        if position > 0 {
            self.faults.disordered += 1;
        }
        Some(now - sent)
    }

    fn take(&mut self, sender: Option<usize>, id: &str) -> Option<(usize, Instant)> {
        let (of, number) = id.split_once('.')?;
        let sender = sender.filter(|sender| of.parse() == Ok(*sender))?;
        let number: u64 = number.parse().ok()?;
        let open = &mut self.senders.get_mut(sender)?.open;
        let position = open.iter().position(|(open, _)| *open == number)?;
        open.remove(position).map(|(_, sent)| (position, sent))
    }

    /// The text of the entry `id`: it begins with the id, so that it can be told from all others.
    fn text(&self, id: &str) -> String {
        let room = self.size.saturating_sub(id.len() + 1);
        let end = (0..=room)
            .rev()
            .find(|end| self.filler.is_char_boundary(*end))
            .unwrap_or_default();
        format!("{id} {}", &self.filler[..end])
    }
}

/// The local part of the JID that stands for `sender`.
pub fn local_part(sender: usize) -> String {
    format!("u{sender}")
}

/// The sender that a JID stands for.
pub fn sender(jid: &str) -> Option<usize> {
    jid.strip_prefix('u')?.split_once('@')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_order_leave_no_fault() {
        let mut ledger = Ledger::new(2, 100);
        let now = Instant::now();
        let texts: Vec<_> = [0, 1, 0]
            .map(|sender| (sender, ledger.send(sender, now).1))
            .into();
        for (sender, text) in &texts {
            assert!(text.len() <= 100 && text.len() > 96);
            assert!(ledger.answer(Some(*sender), text, now).is_some());
        }
        assert_eq!(ledger.conclude(), Faults::default());
    }

    #[test]
    fn every_fault_is_seen() {
        let mut ledger = Ledger::new(2, 20);
        let now = Instant::now();
        let (_, first) = ledger.send(0, now);
        let (_, second) = ledger.send(0, now);
        let (third, _) = ledger.send(0, now);
        ledger.send(1, now);
        ledger.answer(Some(0), &second, now);
        ledger.answer(Some(0), &second, now);
        ledger.answer(Some(1), &first, now);
        ledger.answer(Some(0), &format!("{first}!"), now);
        ledger.refuse(Some(0), &third, now);
        assert_eq!(
            ledger.conclude(),
            Faults {
                lost: 1,
                doubled: 2,
                disordered: 1,
                altered: 1,
                errors: 1
            }
        );
    }

    #[test]
    fn a_sender_is_read_back_from_its_jid() {
        assert_eq!(sender(&format!("{}@load.test/r", local_part(17))), Some(17));
        assert_eq!(sender("load.test"), None);
    }
}
