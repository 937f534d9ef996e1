//! Where one TLS record ends and the next begins (RFC 8446 §5.1).
//!
//! rustls keeps the beginning of a record until the rest comes, and does not say so.

/// The types that a record has: from change_cipher_spec to application_data.
const TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// Type, version and length.
const HEADER: usize = 5;

/// Follows records through whatever pieces they come in.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    filled: usize,
    /// Bytes of the fragment that have not come.
    missing: usize,
    something_else: bool,
}

impl Records {
    /// Takes note of bytes that came in.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.missing > 0 {
                let amount = self.missing.min(bytes.len());
                self.missing -= amount;
                bytes = &bytes[amount..];
                continue;
            }
            self.something_else |= self.filled == 0 && !TYPES.contains(&byte);
            self.header[self.filled] = byte;
            self.filled += 1;
            bytes = rest;
            if self.filled == HEADER {
                self.filled = 0;
                self.missing = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
            }
        }
    }

    /// Whether every record that has begun has ended.
    pub(super) fn is_between(&self) -> bool {
        self.filled == 0 && self.missing == 0
    }

    /// Whether one of them is none.
    pub(super) fn are_of_something_else(&self) -> bool {
        self.something_else
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: &[u8] = b"\x16\x03\x03\x00\x02ab\x17\x03\x03\x00\x00\x17\x03\x03\x00\x01c";

    #[test]
    fn records_end_where_their_length_says() {
        let mut records = Records::default();
        let ends: Vec<usize> = (1..=RECORDS.len())
            .filter(|end| {
                records.follow(&RECORDS[end - 1..*end]);
                records.is_between()
            })
            .collect();
        assert_eq!(ends, [7, 12, 18]);
        let mut at_once = Records::default();
        at_once.follow(RECORDS);
        assert!(at_once.is_between() && !at_once.are_of_something_else());
        at_once.follow(b"\x17");
        assert!(!at_once.is_between());
    }

    #[test]
    fn http_is_no_record() {
        let mut records = Records::default();
        records.follow(b"H");
        assert!(records.are_of_something_else());
    }
}
