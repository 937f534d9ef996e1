//! XEP-0114: a component's stream to a Prosody on this machine.

use std::io;
use std::net::Ipv4Addr;

use quick_xml::Reader;
use quick_xml::events::Event;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::stanza::{self, Stanza};

const READ_BUFFER: usize = 64 * 1024;
/// Stanzas that one write takes at most.
const WRITE_BATCH: usize = 256;

/// Where stanzas to be sent go, as XML; they are written together once the reader waits.
pub type Outgoing = UnboundedSender<String>;

/// The component to connect as.
pub struct Account<'a> {
    pub port: u16,
    pub host: &'a str,
    pub secret: &'a str,
}

/// The reading side of an authenticated component stream.
pub struct Incoming {
    reader: Reader<BufReader<OwnedReadHalf>>,
    buffer: Vec<u8>,
}

impl Incoming {
    /// The next stanza; `None` when the server has closed the stream.
    pub async fn next(&mut self) -> io::Result<Option<Stanza>> {
        stanza::read(&mut self.reader, &mut self.buffer).await
    }
}

/// Connects the component and starts the task that writes, which closes the stream once the last
/// `Outgoing` is dropped. Needs a `LocalSet`.
pub async fn connect(account: &Account<'_>) -> io::Result<(Incoming, Outgoing)> {
    let Account { port, host, secret } = account;
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
    socket.set_nodelay(true)?;
    let (read_half, mut write_half) = socket.into_split();
    write_half
        .write_all(
            format!(
                "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                 xmlns:stream='http://etherx.jabber.org/streams' to='{host}'>"
            )
            .as_bytes(),
        )
        .await?;

    let mut incoming = Incoming {
        reader: Reader::from_reader(BufReader::with_capacity(READ_BUFFER, read_half)),
        buffer: Vec::new(),
    };
    let id = stream_id(&mut incoming).await?;
    let digest = Sha1::digest(format!("{id}{secret}"));
    let token: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    write_half
        .write_all(format!("<handshake>{token}</handshake>").as_bytes())
        .await?;
    match incoming.next().await? {
        Some(answer) if answer.name == "handshake" => {}
        other => {
            return Err(io::Error::other(format!(
                "Prosody refused the component {host}: {other:?}"
            )));
        }
    }

    let (outgoing, queue) = unbounded_channel();
    tokio::task::spawn_local(write(write_half, queue));
    Ok((incoming, outgoing))
}

async fn stream_id(incoming: &mut Incoming) -> io::Result<String> {
    loop {
        incoming.buffer.clear();
        match incoming
            .reader
            .read_event_into_async(&mut incoming.buffer)
            .await
            .map_err(io::Error::other)?
        {
            Event::Start(start) => {
                return match start.try_get_attribute("id").map_err(io::Error::other)? {
                    Some(id) => Ok(id.value.into_owned()),
                    None => Err(io::Error::other("the stream header has no id")),
                };
            }
            Event::Eof => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

async fn write(mut socket: OwnedWriteHalf, mut queue: UnboundedReceiver<String>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(WRITE_BATCH);
    while queue.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        socket.write_all(batch.concat().as_bytes()).await?;
        batch.clear();
    }
    socket.write_all(b"</stream:stream>").await
}
