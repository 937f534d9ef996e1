//! A web service for tests: real TCP, real HTTP, an answer at the test's command.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::Value;

use crate::component_http::Settings;
use crate::component_http::settings::tests::{settings, text};
use crate::options::OptionValue;

/// What the service does about a request; `None` hangs up without a word.
pub(super) type Answer = Option<&'static str>;

/// A request that has arrived, and waits for the test to answer it.
pub(super) struct Arrived {
    pub(super) json: Value,
    pub(super) answer: Sender<Answer>,
}

/// Listens until the test process ends.
pub(super) struct WebService {
    address: SocketAddr,
    pub(super) arrived: Receiver<Arrived>,
}

impl WebService {
    /// A service whose every request waits for the test.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, arrived) = unbounded();
        let tell = Arc::new(tell);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let tell = Arc::clone(&tell);
                thread::spawn(move || serve(stream.unwrap(), &tell));
            }
        });
        WebService { address, arrived }
    }

    /// The settings of a component for the service, with these options.
    pub(super) fn settings(&self, options: &[(&'static str, OptionValue)]) -> Settings {
        let mut options = options.to_vec();
        options.push((
            "component_post_url",
            text(&format!("http://{}/", self.address)),
        ));
        settings(&options)
    }

    /// The next request.
    pub(super) fn next(&self) -> Arrived {
        self.arrived
            .recv_timeout(std::time::Duration::from_secs(20))
            .expect("a request")
    }
}

impl Arrived {
    pub(super) fn id(&self) -> &str {
        self.json["id"].as_str().unwrap()
    }

    /// Accepts the stanza without a reply.
    pub(super) fn accept(self) {
        self.answer.send(Some("")).unwrap();
    }
}

fn serve(stream: TcpStream, tell: &Sender<Arrived>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (answer, answered) = unbounded();
        tell.send(Arrived {
            json: serde_json::from_slice(&body).unwrap(),
            answer,
        })
        .ok()?;
        let json = answered.recv().ok()??;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        write!(reader.get_mut(), "{head} {}\r\n\r\n{json}", json.len()).ok()?;
    }
}
