//! A TLS session on a socket.

use std::io::{self, BufRead};
use std::time::Instant;

use nix::errno::Errno;
use rustls::{AlertDescription, ClientConnection};
use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

use super::records::Records;
use crate::http::broken::Broken;
use crate::http::socket::Socket;
use crate::http::timeout::until;
use crate::http::wire::{Received, Wire};

/// So many reads look for what came while the connection was not in use. Session tickets need one or two.
const LOOKS: usize = 16;

/// A socket with TLS on it.
#[derive(Debug)]
pub(in crate::http) struct TlsSocket {
    pub(super) session: ClientConnection,
    pub(super) socket: Socket,
    pub(super) records: Records,
    /// Whether the service has said that it sends no more (close_notify, RFC 8446 §6.1).
    ended: bool,
}

impl Wire for TlsSocket {
    const IS_SECRET: bool = true;

    fn begin_request(&mut self) {
        self.socket.begin_request();
    }

    fn send(&mut self, mut bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        while !bytes.is_empty() {
            let amount = io::Write::write(&mut self.session.writer(), bytes)?;
            bytes = &bytes[amount..];
            self.send_records(timeout)?;
        }
        Ok(())
    }

    fn receive(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error> {
        let deadline = Instant::now() + *timeout.after;
        while !self.ended {
            let mut any = false;
            let came = self.receive_records(until(deadline, timeout)?, &mut |bytes| {
                any = true;
                take(bytes);
            })?;
            if came == Received::End {
                return Ok(Received::Cut);
            }
            if any {
                return Ok(Received::Bytes);
            }
            self.send_records(timeout)?;
        }
        Ok(Received::End)
    }

    fn is_quiet(&mut self) -> bool {
        let mut buffer = [0; 1024];
        for _ in 0..LOOKS {
            let records = match self.socket.read_at_once(&mut buffer) {
                Ok(amount) if amount > 0 => &buffer[..amount],
                Err(Errno::EAGAIN) => return !self.ended && self.records.is_between(),
                _ => return false,
            };
            // Tickets for later sessions come at any time (RFC 8446 §4.6.1), and say nothing.
            let mut surplus = false;
            let read = self.decrypt(records, &mut |_| surplus = true);
            if read.is_err() || surplus {
                return false;
            }
        }
        false
    }

    fn may_be_kept(&self) -> bool {
        self.socket.may_be_kept()
    }

    fn has_arrived(&self) -> bool {
        self.socket.has_arrived()
    }

    fn closed_unheard(&mut self) -> Error {
        self.socket.closed_unheard()
    }
}

impl TlsSocket {
    pub(super) fn new(session: ClientConnection, socket: Socket) -> Self {
        TlsSocket {
            session,
            socket,
            records: Records::default(),
            ended: false,
        }
    }

    /// Sends what rustls has to send.
    pub(super) fn send_records(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let mut records = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut records)?;
        }
        self.socket.send(&records, timeout)
    }

    pub(super) fn receive_records(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error> {
        let mut records = Vec::new();
        let came = self
            .socket
            .receive(timeout, &mut |bytes| records.extend_from_slice(bytes))?;
        self.decrypt(&records, take).map_err(broken)?;
        Ok(came)
    }

    /// Hands over what is in records, as far as they are complete.
    fn decrypt(
        &mut self,
        mut records: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), rustls::Error> {
        self.records.follow(records);
        while !records.is_empty() && !self.ended {
            // It takes no more than a record at a time, and cannot fail while its text is taken away.
            self.session
                .read_tls(&mut records)
                .map_err(|error| rustls::Error::General(error.to_string()))?;
            self.ended = self.session.process_new_packets()?.peer_has_closed();
            let mut reader = self.session.reader();
            while let Ok(text @ [_, ..]) = reader.fill_buf() {
                take(text);
                let length = text.len();
                reader.consume(length);
            }
        }
        Ok(())
    }
}

fn broken(error: rustls::Error) -> Broken {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, UnknownCA, UnsupportedCertificate,
    };
    match error {
        rustls::Error::AlertReceived(
            alert @ (AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | UnknownCA
            | UnsupportedCertificate),
        ) => Broken::ClientCertificate(alert),
        error => Broken::Lost(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::{Service, pair, timeout};
    use super::*;
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::thread;

    fn read(tls: &mut TlsSocket) -> (Vec<u8>, Received) {
        let mut text = Vec::new();
        let received = tls.receive(timeout(), &mut |bytes| text.extend_from_slice(bytes));
        (text, received.unwrap())
    }

    /// Those that come with the end of the handshake.
    fn take_tickets(tls: &mut TlsSocket) {
        tls.socket.wait_for_input();
        assert!(tls.is_quiet());
    }

    /// Whether the connection is quiet once that has arrived.
    fn is_quiet_after(tls: &mut TlsSocket, service: &mut Service, records: &[u8]) -> bool {
        service.send(records);
        tls.socket.wait_for_input();
        tls.is_quiet()
    }

    #[test]
    fn session_tickets_are_no_answer() {
        let (mut tls, mut service) = pair();
        take_tickets(&mut tls);
        service.session.refresh_traffic_keys().unwrap();
        let update = service.pending();
        assert!(is_quiet_after(&mut tls, &mut service, &update));

        tls.send(b"request", timeout()).unwrap();
        let answer = service.records(b"answer");
        service.send(&answer);
        assert_eq!(read(&mut tls), (b"answer".to_vec(), Received::Bytes));
    }

    #[test]
    fn a_record_that_nobody_asked_for_is_seen_whole_or_in_part() {
        for part in [1, 5, 6, usize::MAX] {
            let (mut tls, mut service) = pair();
            take_tickets(&mut tls);
            let surplus = service.records(b"surplus");
            let part = part.min(surplus.len());
            assert!(
                !is_quiet_after(&mut tls, &mut service, &surplus[..part]),
                "{part}"
            );
        }
    }

    #[test]
    fn a_record_that_came_in_part_with_an_answer_is_seen_too() {
        let (mut tls, mut service) = pair();
        let mut records = service.records(b"answer");
        records.extend_from_slice(&service.records(b"surplus")[..7]);
        service.send(&records);
        assert_eq!(read(&mut tls), (b"answer".to_vec(), Received::Bytes));
        assert!(!tls.is_quiet());
    }

    #[test]
    fn an_end_and_a_cut_are_told_apart() {
        for (says_so, expected) in [(true, Received::End), (false, Received::Cut)] {
            let (mut tls, mut service) = pair();
            let mut records = service.records(b"answer");
            if says_so {
                service.session.send_close_notify();
                records.extend(service.pending());
            }
            service.send(&records);
            service.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read(&mut tls), (b"answer".to_vec(), Received::Bytes));
            assert_eq!(read(&mut tls), (Vec::new(), expected));
            assert!(!tls.is_quiet());
        }
    }

    #[test]
    fn a_long_text_comes_whole() {
        let (mut tls, mut service) = pair();
        let text = b"0123456789abcdef".repeat(10_000);
        let sent = text.clone();
        thread::scope(|scope| {
            scope.spawn(|| {
                tls.send(&sent, timeout()).unwrap();
                let mut echoed = Vec::new();
                while echoed.len() < sent.len() {
                    echoed.extend(read(&mut tls).0);
                }
                assert_eq!(echoed, sent);
            });
            let mut stream = rustls::Stream::new(&mut service.session, &mut service.stream);
            let mut request = vec![0; text.len()];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&request).unwrap();
        });
    }
}
