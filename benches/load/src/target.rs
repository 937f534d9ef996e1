//! Iq requests or messages to an implementation that answers each with what it says, directly or through a proxy.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::ledger::{local_part, sender};
use crate::run::{Plan, Run, measure};
use crate::stanza::{self, Stanza};
use crate::stream::{Account, Incoming, Outgoing, connect};
use crate::window::Report;

/// How long a proxy may take until it has seen the implementation's presence.
const REACHABLE: Duration = Duration::from_secs(10);
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests of type get.
    Iq,
    /// Messages of type chat.
    Message,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Iq => "iq",
            Kind::Message => "message",
        }
    }
}

/// Requests or messages to `to`, which is `implementation` itself or a proxy for it.
///
/// `implementation` is a full JID at the second component, for which this program answers as well.
pub async fn ask(
    kind: Kind,
    requester: &Account<'_>,
    target: &Account<'_>,
    implementation: &str,
    to: &str,
    plan: &Plan,
) -> io::Result<Report> {
    let (answering, answers) = connect(target).await?;
    if to != implementation {
        send_presence(&answers, implementation, to)?;
    }
    let answerer = spawn_local(answer(
        answering,
        answers.downgrade(),
        implementation.to_owned(),
    ));

    let (mut incoming, outgoing) = connect(requester).await?;
    timeout(
        REACHABLE,
        reach(&mut incoming, &outgoing, requester.host, to),
    )
    .await??;
    let (host, address) = (requester.host.to_owned(), to.to_owned());
    let compose = move |sender, id: &str, text: &str| {
        let from = format!("{}@{host}/bench", local_part(sender));
        match kind {
            Kind::Iq => stanza::iq("get", &from, &address, id, &stanza::query(text)),
            Kind::Message => stanza::message(&from, &address, id, text),
        }
    };
    let run = Run::new(plan, outgoing, Box::new(compose));
    let reader = spawn_local(read(incoming, Rc::clone(&run), kind, to.to_owned()));
    let report = measure(&run, plan).await?;
    reader.await??;
    drop(answers);
    answerer.await??;
    Ok(report)
}

/// Asks until the implementation answers.
async fn reach(
    incoming: &mut Incoming,
    outgoing: &Outgoing,
    from: &str,
    to: &str,
) -> io::Result<()> {
    loop {
        send(
            outgoing,
            stanza::iq("get", from, to, "reach", &stanza::query("")),
        )?;
        match incoming.next().await? {
            Some(stanza) if stanza.name == "iq" && !stanza.is_error() => return Ok(()),
            Some(_) => sleep(TRY_AGAIN).await,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The implementation, by two resources: grants subscriptions and answers with what it is sent.
///
/// Holds the sending side weakly, so that the caller closes the stream by dropping its own.
async fn answer(
    mut incoming: Incoming,
    outgoing: WeakUnboundedSender<String>,
    own: String,
) -> io::Result<()> {
    let bare = own.split('/').next().unwrap_or_default();
    while let Some(stanza) = incoming.next().await? {
        let Some(outgoing) = outgoing.upgrade() else {
            continue;
        };
        match (stanza.name.as_str(), stanza.kind.as_deref()) {
            ("iq", Some("get")) => {
                let payload = stanza::query(&stanza.text);
                send(
                    &outgoing,
                    stanza::iq("result", &stanza.to, &stanza.from, &stanza.id, &payload),
                )?;
            }
            ("message", Some("chat")) => {
                let Stanza { to, from, id, .. } = &stanza;
                send(&outgoing, stanza::message(to, from, id, &stanza.text))?;
            }
            ("presence", Some("subscribe")) => {
                send(
                    &outgoing,
                    format!(
                        "<presence from='{bare}' to='{}' type='subscribed'/>",
                        stanza.from
                    ),
                )?;
                send_presence(&outgoing, &own, &stanza.from)?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn read(
    mut incoming: Incoming,
    run: Rc<RefCell<Run>>,
    kind: Kind,
    addressed: String,
) -> io::Result<()> {
    while let Some(stanza) = incoming.next().await? {
        if stanza.name == kind.name() {
            take(&mut run.borrow_mut(), &stanza, &addressed);
        }
    }
    Ok(())
}

fn take(run: &mut Run, stanza: &Stanza, addressed: &str) {
    let (sender, now) = (sender(&stanza.to), Instant::now());
    let round_trip = if stanza.is_error() {
        run.ledger.refuse(sender, &stanza.id, now)
    } else {
        if stanza.from != addressed || !stanza.text.starts_with(&stanza.id) {
            run.ledger.misaddressed();
        }
        run.ledger.answer(sender, &stanza.text, now)
    };
    if let Some((sender, round_trip)) = sender.zip(round_trip) {
        run.answered(sender, round_trip);
    }
}

/// Two resources of it are available, so that there is something to choose.
fn send_presence(outgoing: &Outgoing, own: &str, to: &str) -> io::Result<()> {
    for resource in [own, &format!("{own}-2")] {
        send(outgoing, format!("<presence from='{resource}' to='{to}'/>"))?;
    }
    Ok(())
}

fn send(outgoing: &Outgoing, stanza: String) -> io::Result<()> {
    outgoing.send(stanza).map_err(io::Error::other)
}
