//! Messages to a component that answers each with its body, and a flood of them that nobody answers.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::spawn_local;

use crate::ledger::{Ledger, local_part, sender};
use crate::run::{Plan, Run, measure};
use crate::stanza::{self, Stanza};
use crate::stream::{Account, Incoming, Outgoing, connect};
use crate::window::Report;

/// Sends messages to `target` and checks the answers.
pub async fn converse(account: &Account<'_>, target: &str, plan: &Plan) -> io::Result<Report> {
    let (incoming, outgoing) = connect(account).await?;
    let (host, to) = (account.host.to_owned(), target.to_owned());
    let compose =
        move |sender, id: &str, text: &str| stanza::message(&address(sender, &host), &to, id, text);
    let run = Run::new(plan, outgoing, Box::new(compose));
    let reader = spawn_local(read(incoming, Rc::clone(&run), target.to_owned()));
    let report = measure(&run, plan).await?;
    reader.await??;
    Ok(report)
}

/// Sends `count` messages at once, and returns when the server has read them all.
pub async fn flood(
    account: &Account<'_>,
    target: &str,
    count: usize,
    senders: usize,
    size: usize,
) -> io::Result<Flood> {
    let (mut incoming, outgoing) = connect(account).await?;
    let mut ledger = Ledger::new(senders, size);
    let mut bytes = 0;
    for number in 0..count {
        let sender = number % senders;
        let (id, text) = ledger.send(sender, Instant::now());
        let message = stanza::message(&address(sender, account.host), target, &id, &text);
        bytes += message.len();
        outgoing.send(message).map_err(io::Error::other)?;
    }
    let last = stanza::iq(
        "get",
        account.host,
        target,
        "last",
        "<ping xmlns='urn:xmpp:ping'/>",
    );
    outgoing.send(last).map_err(io::Error::other)?;
    let mut answered = 0;
    while let Some(stanza) = incoming.next().await? {
        if stanza.name == "iq" && stanza.id == "last" {
            return Ok(Flood {
                bytes,
                answered,
                stream: (incoming, outgoing),
            });
        }
        answered += 1;
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// A flood that the server has read; the stream stays open until it is dropped.
pub struct Flood {
    /// Bytes of XML sent.
    pub bytes: usize,
    /// Messages answered before the last was read.
    pub answered: usize,
    pub stream: (Incoming, Outgoing),
}

async fn read(mut incoming: Incoming, run: Rc<RefCell<Run>>, target: String) -> io::Result<()> {
    while let Some(stanza) = incoming.next().await? {
        if stanza.name == "message" {
            take(&mut run.borrow_mut(), &stanza, &target);
        }
    }
    Ok(())
}

fn take(run: &mut Run, stanza: &Stanza, target: &str) {
    let (sender, now) = (sender(&stanza.to), Instant::now());
    let round_trip = if stanza.is_error() {
        run.ledger.refuse(sender, &stanza.id, now)
    } else {
        if stanza.from != target {
            run.ledger.misaddressed();
        }
        run.ledger.answer(sender, &stanza.text, now)
    };
    if let Some((sender, round_trip)) = sender.zip(round_trip) {
        run.answered(sender, round_trip);
    }
}

fn address(sender: usize, host: &str) -> String {
    format!("{}@{host}/bench", local_part(sender))
}
