//! The load generator: sends stanzas through Prosody, checks every answer, prints what it saw as JSON.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use bench_load::messages::{converse, flood};
use bench_load::pushes::{Target, push};
use bench_load::run::{Length, Plan};
use bench_load::stream::Account;
use bench_load::target::{Kind, ask};
use lexopt::{Arg, Parser, ValueExt};
use serde_json::json;
use tokio::io::AsyncReadExt;

const USAGE: &str = "usage:
  load messages CONNECTION --to JID RUN         to a component that answers each with its body
  load iqs CONNECTION --to JID --target-host HOST --implementation JID RUN
                                                to the implementation itself or to a proxy for it
  load chats …                                  messages in place of iqs
  load pushes CONNECTION --http-port PORT --http-host HOST --path PATH --authorization VALUE [--silent] RUN
                                                to an HTTP server in Prosody, which sends each to the component
                                                (--silent: only answers)
  load flood CONNECTION --to JID --count N [--senders N] [--size BYTES]
                                                all at once; stays connected until its input ends
CONNECTION is --port PORT --host HOST --secret SECRET
RUN is --pid PID [--outstanding N] [--senders N] [--size BYTES] and
       either --count N or [--warmup SECONDS] [--seconds SECONDS]";

#[derive(Default)]
struct Options {
    mode: String,
    port: u16,
    host: String,
    secret: String,
    to: String,
    target_host: String,
    implementation: String,
    http_port: u16,
    http_host: String,
    path: String,
    authorization: String,
    silent: bool,
    pid: u32,
    outstanding: Option<usize>,
    senders: Option<usize>,
    size: Option<usize>,
    count: Option<usize>,
    warmup: Option<f64>,
    seconds: Option<f64>,
}

impl Options {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(mode) => options.mode = mode.string()?,
                Arg::Long("port") => options.port = parser.value()?.parse()?,
                Arg::Long("host") => options.host = parser.value()?.string()?,
                Arg::Long("secret") => options.secret = parser.value()?.string()?,
                Arg::Long("to") => options.to = parser.value()?.string()?,
                Arg::Long("target-host") => options.target_host = parser.value()?.string()?,
                Arg::Long("implementation") => options.implementation = parser.value()?.string()?,
                Arg::Long("http-port") => options.http_port = parser.value()?.parse()?,
                Arg::Long("http-host") => options.http_host = parser.value()?.string()?,
                Arg::Long("path") => options.path = parser.value()?.string()?,
                Arg::Long("authorization") => options.authorization = parser.value()?.string()?,
                Arg::Long("silent") => options.silent = true,
                Arg::Long("pid") => options.pid = parser.value()?.parse()?,
                Arg::Long("outstanding") => options.outstanding = Some(parser.value()?.parse()?),
                Arg::Long("senders") => options.senders = Some(parser.value()?.parse()?),
                Arg::Long("size") => options.size = Some(parser.value()?.parse()?),
                Arg::Long("count") => options.count = Some(parser.value()?.parse()?),
                Arg::Long("warmup") => options.warmup = Some(parser.value()?.parse()?),
                Arg::Long("seconds") => options.seconds = Some(parser.value()?.parse()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    fn account(&self) -> Account<'_> {
        Account {
            port: self.port,
            host: &self.host,
            secret: &self.secret,
        }
    }

    fn plan(&self) -> Plan {
        let outstanding = self.outstanding.unwrap_or(1);
        let length = match self.count {
            Some(count) => Length::Count(count),
            None => Length::Time {
                warmup: Duration::from_secs_f64(self.warmup.unwrap_or(0.2)),
                measured: Duration::from_secs_f64(self.seconds.unwrap_or(1.0)),
            },
        };
        Plan {
            pid: self.pid,
            outstanding,
            senders: self.senders.unwrap_or(outstanding),
            size: self.size.unwrap_or(20),
            length,
        }
    }
}

#[tokio::main(flavor = "local")]
async fn main() -> ExitCode {
    match Options::parse() {
        Ok(options) => match run(&options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("load: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("load: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: &Options) -> io::Result<()> {
    let account = options.account();
    match options.mode.as_str() {
        "messages" => print(&converse(&account, &options.to, &options.plan()).await?),
        mode @ ("iqs" | "chats") => {
            let kind = if mode == "iqs" {
                Kind::Iq
            } else {
                Kind::Message
            };
            let target = Account {
                host: &options.target_host,
                ..account
            };
            print(
                &ask(
                    kind,
                    &account,
                    &target,
                    &options.implementation,
                    &options.to,
                    &options.plan(),
                )
                .await?,
            )
        }
        "pushes" => {
            let target = Target {
                port: options.http_port,
                host: options.http_host.clone(),
                path: options.path.clone(),
                authorization: options.authorization.clone(),
                sends: !options.silent,
            };
            print(&push(&account, &target, &options.plan()).await?)
        }
        "flood" => {
            let count = options.count.unwrap_or(1);
            let (senders, size) = (options.senders.unwrap_or(count), options.size.unwrap_or(20));
            let flood = flood(&account, &options.to, count, senders, size).await?;
            print(&json!({ "bytes": flood.bytes, "answered": flood.answered }))?;
            // Whoever measures closes the input when done.
            tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
            Ok(())
        }
        _ => Err(io::Error::other(USAGE)),
    }
}

fn print<T: serde::Serialize>(report: &T) -> io::Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}
