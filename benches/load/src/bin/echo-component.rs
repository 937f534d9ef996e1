//! A native XEP-0114 component that answers each message with its body: `echo-component PORT HOST SECRET`.

use std::io;

use bench_load::stanza::message;
use bench_load::stream::{Account, connect};

#[tokio::main(flavor = "local")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, host, secret] = arguments.as_slice() else {
        return Err(io::Error::other("usage: echo-component PORT HOST SECRET"));
    };
    let port = port.parse().map_err(io::Error::other)?;
    let (mut incoming, outgoing) = connect(&Account { port, host, secret }).await?;
    println!("ready");
    while let Some(stanza) = incoming.next().await? {
        if stanza.name == "message" && !stanza.is_error() {
            outgoing
                .send(message(&stanza.to, &stanza.from, &stanza.id, &stanza.text))
                .map_err(io::Error::other)?;
        }
    }
    Ok(())
}
