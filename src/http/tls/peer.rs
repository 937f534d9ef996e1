//! A service for tests, at the other end of a TLS session.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use ureq::unversioned::transport::NextTimeout;

use super::socket::TlsSocket;
use crate::http::socket::Socket;

/// A service at the other end, which does what a test says.
pub(super) struct Service {
    pub(super) session: ServerConnection,
    pub(super) stream: TcpStream,
}

impl Service {
    /// What goes over the wire for that text.
    pub(super) fn records(&mut self, text: &[u8]) -> Vec<u8> {
        self.session.writer().write_all(text).unwrap();
        self.pending()
    }

    pub(super) fn pending(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut records).unwrap();
        }
        records
    }

    pub(super) fn send(&mut self, records: &[u8]) {
        self.stream.write_all(records).unwrap();
    }
}

/// A connection after the handshake, and the service's end of it.
pub(super) fn pair() -> (TlsSocket, Service) {
    let certified = rcgen::generate_simple_self_signed(["service.test".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::from_pem_slice(certified.signing_key.serialize_pem().as_bytes());
    let (client, server) = sessions(certificate, key.unwrap());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut tls = TlsSocket::new(client, Socket::new(stream, None));
    let mut service = Service {
        session: server,
        stream: listener.accept().unwrap().0,
    };
    service.stream.set_nodelay(true).unwrap();
    thread::scope(|scope| {
        let shaking = scope.spawn(|| {
            while service.session.is_handshaking() {
                service.session.complete_io(&mut service.stream).unwrap();
            }
        });
        let deadline = Instant::now() + *timeout().after;
        tls.handshake(deadline, timeout()).unwrap();
        shaking.join().unwrap();
    });
    (tls, service)
}

fn sessions(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> (ClientConnection, ServerConnection) {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let name = ServerName::try_from("service.test").unwrap();
    (
        ClientConnection::new(Arc::new(client), name).unwrap(),
        ServerConnection::new(Arc::new(server)).unwrap(),
    )
}

pub(super) fn timeout() -> NextTimeout {
    NextTimeout {
        after: Duration::from_secs(20).into(),
        ..NextTimeout::default()
    }
}
