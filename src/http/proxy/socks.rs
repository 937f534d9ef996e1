//! A tunnel through a SOCKS proxy: version 5 (RFC 1928), with user and password (RFC 1929).

use std::net::IpAddr;

use ureq::Error;

use super::super::credentials::Credentials;
use super::super::wire::Wire;
use super::Target;
use super::talk::{Talk, TunnelError};

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const RESERVED: u8 = 0;
const SUCCEEDED: u8 = 0;

/// RFC 1928 §3: ways to say who one is.
mod method {
    pub(super) const NOBODY: u8 = 0;
    pub(super) const PASSWORD: u8 = 2;
}

/// RFC 1928 §5: what an address is.
mod address {
    pub(super) const V4: u8 = 1;
    pub(super) const NAME: u8 = 3;
    pub(super) const V6: u8 = 4;
}

/// The version of the sub-negotiation (RFC 1929 §2).
const PASSWORD_VERSION: u8 = 1;

pub(super) fn open(
    talk: &mut Talk<impl Wire>,
    target: Target,
    credentials: Option<&Credentials>,
) -> Result<(), Error> {
    authenticate(talk, credentials)?;
    let mut request = vec![VERSION, CONNECT, RESERVED];
    request.extend(destination(target.host)?);
    request.extend(target.port.to_be_bytes());
    talk.say(&request)?;
    // What the proxy has bound is of no use here, but where it ends is.
    let [version, reply, _, kind] = talk.hear()?;
    if version != VERSION {
        return Err(garbled());
    }
    if reply != SUCCEEDED {
        return Err(TunnelError::Reply(reply).into());
    }
    let length = match kind {
        address::V4 => 4,
        address::V6 => 16,
        address::NAME => usize::from(talk.hear::<1>()?[0]),
        _ => return Err(garbled()),
    };
    talk.skip(length + size_of::<u16>())
}

fn authenticate(
    talk: &mut Talk<impl Wire>,
    credentials: Option<&Credentials>,
) -> Result<(), Error> {
    let methods: &[u8] = match credentials {
        None => &[method::NOBODY],
        Some(_) => &[method::NOBODY, method::PASSWORD],
    };
    talk.say(&[&[VERSION, methods.len() as u8], methods].concat())?;
    let [version, chosen] = talk.hear()?;
    if version != VERSION {
        return Err(garbled());
    }
    match (chosen, credentials) {
        (method::NOBODY, _) => Ok(()),
        (method::PASSWORD, Some(credentials)) => {
            // A proxy's URL with longer ones is refused before.
            let Credentials { user, password } = credentials;
            let mut request = vec![PASSWORD_VERSION, user.len() as u8];
            request.extend(user);
            request.push(password.len() as u8);
            request.extend(password);
            talk.say(&request)?;
            match talk.hear()? {
                [_, SUCCEEDED] => Ok(()),
                [_, _] => Err(TunnelError::Credentials.into()),
            }
        }
        _ => Err(TunnelError::Authentication.into()),
    }
}

/// Type and address.
fn destination(host: &str) -> Result<Vec<u8>, TunnelError> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Ok(match bare.parse() {
        Ok(IpAddr::V4(ip)) => [&[address::V4], &ip.octets()[..]].concat(),
        Ok(IpAddr::V6(ip)) => [&[address::V6], &ip.octets()[..]].concat(),
        Err(_) => {
            let length = u8::try_from(bare.len()).map_err(|_| TunnelError::LongName)?;
            [&[address::NAME, length], bare.as_bytes()].concat()
        }
    })
}

fn garbled() -> Error {
    TunnelError::Garbled("SOCKS 5").into()
}
