//! Pushes: POSTs to Prosody's HTTP server, each a message that comes out at a component.

use std::cell::RefCell;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use crate::ledger::{Ledger, local_part, sender};
use crate::run::{Length, Plan};
use crate::stream::{Account, Incoming, connect};
use crate::window::{Report, Window};

/// How long messages may take to come out after the last answer.
const DRAIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const BUFFER: usize = 16 * 1024;
const HEADERS: usize = 32;

/// Where pushes go, and in whose name.
#[derive(Clone)]
pub struct Target {
    /// Of Prosody's HTTP server.
    pub port: u16,
    pub host: String,
    pub path: String,
    /// The value of that header.
    pub authorization: String,
    /// Whether what is pushed is sent, or only answered.
    pub sends: bool,
}

/// What all connections share.
struct Load {
    ledger: Ledger,
    window: Option<Window>,
    /// How many may still be pushed.
    left: usize,
}

/// Pushes over as many connections as there are to be pushes outstanding, each after the answer to the one before.
pub async fn push(account: &Account<'_>, target: &Target, plan: &Plan) -> io::Result<Report> {
    let (incoming, outgoing) = connect(account).await?;
    let load = Rc::new(RefCell::new(Load {
        ledger: Ledger::new(plan.outstanding, plan.size),
        window: None,
        left: match plan.length {
            Length::Count(count) => count,
            Length::Time { .. } => usize::MAX,
        },
    }));
    let receiver = spawn_local(receive(incoming, Rc::clone(&load)));
    if let Length::Count(_) = plan.length {
        load.borrow_mut().window = Some(Window::open(plan.pid)?);
    }
    let pushers: Vec<_> = (0..plan.outstanding)
        .map(|sender| {
            let to = format!("{}@{}/bench", local_part(sender), account.host);
            spawn_local(converse(sender, to, target.clone(), Rc::clone(&load)))
        })
        .collect();

    let report = match plan.length {
        Length::Count(_) => {
            finished(pushers).await?;
            close_window(&load)?
        }
        Length::Time { warmup, measured } => {
            sleep(warmup).await;
            load.borrow_mut().window = Some(Window::open(plan.pid)?);
            sleep(measured).await;
            let report = close_window(&load)?;
            load.borrow_mut().left = 0;
            finished(pushers).await?;
            report
        }
    };
    // What is still missing when the time is up counts as lost.
    let _ = timeout(DRAIN, drained(&load)).await;
    drop(outgoing);
    receiver.await??;
    let faults = load.borrow().ledger.conclude();
    Ok(report.with_faults(faults))
}

async fn finished(pushers: Vec<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    for pusher in pushers {
        pusher.await??;
    }
    Ok(())
}

fn close_window(load: &RefCell<Load>) -> io::Result<Report> {
    let window = load.borrow_mut().window.take();
    window
        .ok_or_else(|| io::Error::other("the window was never opened"))?
        .close()
}

async fn drained(load: &RefCell<Load>) {
    while load.borrow().ledger.open() > 0 {
        sleep(LOOK_AGAIN).await;
    }
}

/// Takes what comes out of Prosody.
async fn receive(mut incoming: Incoming, load: Rc<RefCell<Load>>) -> io::Result<()> {
    while let Some(stanza) = incoming.next().await? {
        if stanza.name == "message" {
            let ledger = &mut load.borrow_mut().ledger;
            ledger.answer(sender(&stanza.to), &stanza.text, Instant::now());
        }
    }
    Ok(())
}

/// One connection.
async fn converse(
    sender: usize,
    to: String,
    target: Target,
    load: Rc<RefCell<Load>>,
) -> io::Result<()> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, target.port)).await?;
    socket.set_nodelay(true)?;
    let mut received = Vec::with_capacity(BUFFER);
    while load.borrow().left > 0 {
        load.borrow_mut().left -= 1;
        let sent = Instant::now();
        let (id, text) = load.borrow_mut().ledger.send(sender, sent);
        socket
            .write_all(request(&target, &to, &text).as_bytes())
            .await?;
        let status = answer(&mut socket, &mut received).await?;
        let now = Instant::now();
        let load = &mut *load.borrow_mut();
        if status / 100 != 2 {
            load.ledger.refuse(Some(sender), &id, now);
        } else if !target.sends {
            load.ledger.answer(Some(sender), &text, now);
        }
        if let Some(window) = &mut load.window {
            window.count(now - sent);
        }
    }
    Ok(())
}

fn request(target: &Target, to: &str, text: &str) -> String {
    let body = json!({ "kind": "message", "type": "chat", "to": to, "body": text }).to_string();
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        target.path,
        target.host,
        target.authorization,
        body.len()
    )
}

/// Reads one response, and returns its status.
async fn answer(socket: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<u16> {
    loop {
        if let Some((status, end)) = whole(received)? {
            received.drain(..end);
            return Ok(status);
        }
        if socket.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The status of a response and where it ends; `None` while it is incomplete.
fn whole(received: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(received).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok())
        .unwrap_or_default();
    let end = head + length;
    let status = response.code.unwrap_or_default();
    Ok((received.len() >= end).then_some((status, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_once_it_is_whole() {
        let response = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}HTTP";
        assert_eq!(whole(&response[..20]).unwrap(), None);
        assert_eq!(whole(&response[..44]).unwrap(), None);
        let (status, end) = whole(response).unwrap().unwrap();
        assert_eq!((status, &response[end..]), (202, b"HTTP".as_slice()));
    }
}
