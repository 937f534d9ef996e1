//! The web service behind the HTTP components: `backend DIRECTORY` answers each request with its body.
//!
//! The path says how: `/body/20` answers by `body` after 20 ms, `/stanza/0` by `stanza` at once.
//! Prints a JSON line with its two ports, and writes the CA that signed its certificate to
//! `ca.pem` in the directory.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench_load::service::{Head, answer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const BUFFER: usize = 16 * 1024;
const BACKLOG: u32 = 4096;

#[tokio::main(flavor = "local")]
async fn main() -> io::Result<()> {
    let directory = std::env::args()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: backend DIRECTORY"))?;
    let acceptor = acceptor(Path::new(&directory))?;
    let (plain, secure) = (listen()?, listen()?);
    println!(
        "{}",
        serde_json::json!({ "http": plain.local_addr()?.port(), "https": secure.local_addr()?.port() })
    );
    loop {
        tokio::select! {
            connection = plain.accept() => {
                let socket = prepare(connection?.0)?;
                spawn_local(serve(socket));
            }
            connection = secure.accept() => {
                let socket = prepare(connection?.0)?;
                let acceptor = acceptor.clone();
                spawn_local(async move { serve(acceptor.accept(socket).await?).await });
            }
        }
    }
}

/// Takes a thousand connections that are opened at once.
fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

fn prepare(socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Makes a CA and a certificate for localhost and 127.0.0.1.
fn acceptor(directory: &Path) -> io::Result<TlsAcceptor> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Not the default name, which the certificate has: an issuer of the same name reads as self-signed.
    authority
        .distinguished_name
        .push(DnType::CommonName, "Benchmark CA");
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let authority = CertifiedIssuer::self_signed(authority, key).map_err(io::Error::other)?;
    std::fs::write(directory.join("ca.pem"), authority.pem())?;

    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)
        .and_then(|parameters| parameters.signed_by(&key, &authority))
        .map_err(io::Error::other)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves one connection until the client closes it.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S) -> io::Result<()> {
    let mut received = Vec::with_capacity(BUFFER);
    loop {
        let head = loop {
            if let Some(head) = Head::read(&received)?
                && received.len() >= head.end + head.length
            {
                break head;
            }
            if socket.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let request = head.end + head.length;
        let response = answer(head.by_stanza, &received[head.end..request])?;
        if head.delay > 0 {
            sleep(Duration::from_millis(head.delay)).await;
        }
        socket.write_all(&response).await?;
        socket.flush().await?;
        received.drain(..request);
        if head.close {
            return socket.shutdown().await;
        }
    }
}
