//! What holds of the readers of a response's framing, whatever a service sends.

use httparse::{EMPTY_HEADER, Response, Status};

use super::chunks::Chunks;
use super::head::Head;
use super::items::{ItemFormat, Items};

/// A head says the same whatever follows it.
pub fn head(octets: &[u8]) {
    let head = Head::read(octets);
    let mut fields = [EMPTY_HEADER; 128];
    if let Ok(Status::Complete(length)) = Response::new(&mut fields).parse(octets) {
        assert_eq!(Head::read(&octets[..length]), head);
    }
}

/// A chunked body comes down to the same in whatever pieces it comes; to no more than it was; and once it
/// has come down, there is nothing more to leave out.
pub fn chunks(coded: &[u8]) {
    let (plain, is_broken) = simplified([coded]);
    assert!(plain.len() <= coded.len());
    let piece = coded.first().map_or(1, |byte| usize::from(byte % 7) + 2);
    for length in [1, piece] {
        assert_eq!(simplified(coded.chunks(length)), (plain.clone(), is_broken));
    }
    if !is_broken {
        assert_eq!(simplified([&plain[..]]), (plain.clone(), false));
    }
}

/// The items of a body are the same in whatever pieces it comes, and none is empty or longer than it may be.
pub fn items(body: &[u8]) {
    const LIMIT: usize = 24;
    let piece = body.first().map_or(1, |byte| usize::from(byte % 7) + 2);
    for format in [ItemFormat::Lines, ItemFormat::Events] {
        let all = taken([body], format, LIMIT);
        assert!(all.0.iter().all(|item| (1..=LIMIT).contains(&item.len())));
        for length in [1, piece] {
            assert_eq!(taken(body.chunks(length), format, LIMIT), all);
        }
    }
}

/// The items, and whether it ends with one that is too long, by being done, or inside another one.
fn taken<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    format: ItemFormat,
    limit: usize,
) -> (Vec<Vec<u8>>, [bool; 3]) {
    let mut items = Items::new(format, limit);
    pieces.into_iter().for_each(|piece| items.push(piece));
    items.end();
    let whole = std::iter::from_fn(|| items.pop()).collect();
    let end = [items.is_too_long(), items.is_done(), items.is_inside()];
    (whole, end)
}

fn simplified<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let (mut chunks, mut plain) = (Chunks::default(), Vec::new());
    for piece in pieces {
        chunks.simplify(piece, &mut plain);
    }
    (plain, chunks.is_broken())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn soup(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
        vec(select(pieces), 0..30).prop_map(|pieces| pieces.concat())
    }

    const OF_A_HEAD: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 204\r\n",
        b"HTTP/1.1 100 \n",
        b"HTTP/9",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Keep-Alive: timeout=",
        b"99999999999999999999",
        b"5",
        b"\"",
        b", max=1",
        b"\r\n",
        b"\n",
        b":",
        b" ",
        b"\xFF",
        b"\0",
        b"X",
    ];

    const OF_CHUNKS: &[&[u8]] = &[
        b"0",
        b"1",
        b"a",
        b"00000",
        b"ffffffffffffffff",
        b"\r\n",
        b"\r",
        b"\n",
        b";x=\"y\"",
        b" ",
        b"hello",
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"Trailer: x\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\xFF",
    ];

    const OF_ITEMS: &[&[u8]] = &[
        b"data",
        b": ",
        b":",
        b"\r\n",
        b"\r",
        b"\n",
        b"\n\n",
        b"data: x\n\n",
        b"event: y",
        b"[DONE]",
        b"data: [DONE]\n\n",
        b"{}",
        b"\xEF\xBB\xBF",
        b"",
        b"0123456789",
    ];

    fn octets(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![9 => soup(pieces), 1 => any::<Vec<u8>>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(1000)
        })]

        #[test]
        fn a_head_says_the_same_whatever_follows(octets in octets(OF_A_HEAD)) {
            head(&octets);
        }

        #[test]
        fn chunks_come_down_to_one_thing(octets in octets(OF_CHUNKS)) {
            chunks(&octets);
        }

        #[test]
        fn items_are_the_same_in_any_pieces(octets in octets(OF_ITEMS)) {
            items(&octets);
        }
    }
}
