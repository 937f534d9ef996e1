//! A proxy on the way to the service.
//!
//! ureq has proxies of its own, but with sockets of its own as well: such a connection could not be
//! interrupted while it is opened, would need no permit, and would not know what has arrived. So the
//! connection is opened to the proxy as it would be to the service, and before anything else goes over it
//! the proxy is told where it is to lead: by HTTP's CONNECT or by SOCKS 5. The proxy looks the service's
//! name up.

mod connect;
mod socks;
mod talk;
#[cfg(test)]
mod tests;
mod url;

use std::time::Instant;

use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::NextTimeout;

use self::talk::Talk;
pub(super) use self::talk::TunnelError;
pub use self::url::Proxy;
use super::wire::Wire;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Socks5,
}

/// Where a proxy is to lead.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    /// A name or an address; one of IPv6 stands in brackets.
    host: &'a str,
    port: u16,
}

impl Proxy {
    /// Has the proxy lead a connection that has just been opened to it on to the service of that URL.
    ///
    /// # Errors
    /// If it does not, or not until then.
    pub(super) fn open_tunnel(
        &self,
        wire: &mut impl Wire,
        uri: &Uri,
        deadline: Instant,
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        let target = Target {
            host: uri.host().unwrap_or_default(),
            port: uri.port_u16().unwrap_or(match uri.scheme_str() {
                Some("https") => 443,
                _ => 80,
            }),
        };
        let mut talk = Talk::new(wire, deadline, timeout);
        match self.protocol {
            Protocol::Http => connect::open(&mut talk, target, self.credentials.as_ref())?,
            Protocol::Socks5 => socks::open(&mut talk, target, self.credentials.as_ref())?,
        }
        talk.end()?;
        wire.begin_request();
        Ok(())
    }
}
