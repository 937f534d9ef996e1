//! The chunked coding of a body, brought down to what ureq reads of it (RFC 9112 §7.1).
//!
//! ureq refuses a chunk-size line of more than 20 bytes, and waits for the end of a line or a trailer
//! however long it is. Here extensions, leading zeros and trailers are left out as they come in, so that
//! none of them is ever kept.

/// Follows a chunked body through whatever pieces it comes in.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// As much of a size as has been read.
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first digit of a size.
    Begin,
    Size,
    /// Behind a size: blanks and extensions, up to CR. What is said there does not matter.
    Extension,
    /// At the LF that ends a line with a size.
    SizeEnd,
    Octets(u64),
    /// At the CR behind the octets of a chunk, then at its LF.
    OctetsEnd,
    ChunkEnd,
    /// At the beginning of a trailer field, or of the empty line that ends the body.
    Trailers,
    Trailer,
    /// At the LF that ends a trailer field.
    TrailerEnd,
    /// At the LF that ends the body.
    LastLine,
    Ended,
    Broken,
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks {
            state: State::Begin,
            size: 0,
        }
    }
}

impl Chunks {
    /// Adds to `plain` what `coded` comes down to. What lies beyond the end of the body stays as it is;
    /// what lies beyond an error is left out.
    pub(super) fn simplify(&mut self, mut coded: &[u8], plain: &mut Vec<u8>) {
        while let Some((&byte, rest)) = coded.split_first() {
            match self.state {
                State::Octets(left) => {
                    let amount = usize::try_from(left).map_or(coded.len(), |n| n.min(coded.len()));
                    let (octets, rest) = coded.split_at(amount);
                    plain.extend_from_slice(octets);
                    coded = rest;
                    self.state = match left - amount as u64 {
                        0 => State::OctetsEnd,
                        left => State::Octets(left),
                    };
                }
                State::Ended => return plain.extend_from_slice(coded),
                State::Broken => return,
                _ => {
                    self.state = self.after(byte, plain);
                    coded = rest;
                }
            }
        }
    }

    /// Whether this is no chunked body.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// The state behind a byte that belongs to the framing.
    fn after(&mut self, byte: u8, plain: &mut Vec<u8>) -> State {
        match (self.state, byte) {
            (State::Begin | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(byte)
            }
            (State::Size, b';' | b' ' | b'\t') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::SizeEnd, b'\n') => self.begin_chunk(plain),
            (State::OctetsEnd, b'\r') => State::ChunkEnd,
            (State::ChunkEnd, b'\n') => {
                plain.extend_from_slice(b"\r\n");
                State::Begin
            }
            (State::Trailers, b'\r') => State::LastLine,
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::TrailerEnd, b'\n') => State::Trailers,
            (State::LastLine, b'\n') => {
                plain.extend_from_slice(b"\r\n");
                State::Ended
            }
            (State::Extension | State::Trailers | State::Trailer, b'\n') => State::Broken,
            (State::Extension, _) => State::Extension,
            (State::Trailers | State::Trailer, _) => State::Trailer,
            _ => State::Broken,
        }
    }

    fn digit(&mut self, byte: u8) -> State {
        let value = char::from(byte).to_digit(16).unwrap_or_default();
        let Some(shifted) = self.size.checked_mul(16) else {
            return State::Broken;
        };
        self.size = shifted | u64::from(value);
        State::Size
    }

    fn begin_chunk(&mut self, plain: &mut Vec<u8>) -> State {
        let size = std::mem::take(&mut self.size);
        plain.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        if size == 0 {
            State::Trailers
        } else {
            State::Octets(size)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body comes down to, in one piece and octet by octet.
    fn simplified(coded: &[u8]) -> (Chunks, Vec<u8>) {
        let (mut chunks, mut plain) = (Chunks::default(), Vec::new());
        chunks.simplify(coded, &mut plain);
        let (mut piecemeal, mut pieces) = (Chunks::default(), Vec::new());
        for byte in coded {
            piecemeal.simplify(&[*byte], &mut pieces);
        }
        assert_eq!((chunks.state, &plain), (piecemeal.state, &pieces));
        (chunks, plain)
    }

    #[test]
    fn only_sizes_and_octets_are_left() {
        for coded in [
            &b"5\r\nhello\r\n0\r\n\r\n"[..],
            b"0000000000000000000000005\r\nhello\r\n000\r\n\r\n",
            b"5;signature=\"0123456789abcdef0123456789abcdef\";b\r\nhello\r\n0;c=d\r\n\r\n",
            b"5 \t; a\r\nhello\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n",
        ] {
            let (chunks, plain) = simplified(coded);
            assert_eq!(plain, b"5\r\nhello\r\n0\r\n\r\n");
            assert!(!chunks.is_broken());
        }
        assert_eq!(simplified(b"A\r\n0123456789\r\n").1, b"a\r\n0123456789\r\n");
    }

    #[test]
    fn octets_may_look_like_framing() {
        let coded = b"7\r\n0\r\n\r\n;\n\r\n0\r\n\r\n";
        assert_eq!(simplified(coded).1, coded);
    }

    #[test]
    fn what_follows_the_body_stays() {
        let (_, plain) = simplified(b"0\r\nTrailer: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(plain, b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for coded in [
            &b"x\r\n"[..],
            b"\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b" 1\r\n",
            b"0x1\r\n",
            b"1\n",
            b"1\rx",
            b"1;a\nb",
            b"1\r\nxy",
            b"1\r\nx\n",
            b"10000000000000000\r\n",
            b"0\r\nTrailer: x\n",
            b"0\r\n\n",
        ] {
            let (chunks, _) = simplified(coded);
            assert!(chunks.is_broken(), "{}", coded.escape_ascii());
        }
        assert!(!simplified(b"ffffffffffffffff\r\nx").0.is_broken());
    }

    #[test]
    fn nothing_is_kept_of_a_line_without_an_end() {
        let (mut chunks, mut plain) = (Chunks::default(), Vec::new());
        chunks.simplify(b"1;", &mut plain);
        for _ in 0..100 {
            chunks.simplify(&[b'x'; 1000], &mut plain);
        }
        chunks.simplify(b"\r\ny\r\n0\r\n", &mut plain);
        for _ in 0..100 {
            chunks.simplify(&[b'x'; 1000], &mut plain);
        }
        assert_eq!(plain, b"1\r\ny\r\n0\r\n");
    }
}
