//! What the kernel knows of a TCP connection, and does for it, beyond the standard library.
#![allow(
    unsafe_code,
    reason = "options of a socket that no crate has a name for"
)]

use std::net::TcpStream;

/// How many bytes the peer has acknowledged, its first included, if the kernel can tell (Linux 4.1).
#[cfg(target_os = "linux")]
pub(super) fn bytes_acked(stream: &TcpStream) -> Option<u64> {
    use std::os::fd::AsRawFd;

    // `tcpi_bytes_acked` in `struct tcp_info` of linux/tcp.h, whose layout is part of the kernel's
    // interface; libc's struct ends before it.
    const OFFSET: usize = 120;
    let mut info = [0u8; 256];
    let mut length = info.len() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel writes at most `length` bytes into `info`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return None;
    }
    let field = info[..length as usize].get(OFFSET..OFFSET + 8)?;
    let acked = u64::from_ne_bytes(field.try_into().ok()?);
    // Systems that only look like Linux fill the field with nothing.
    (acked > 0).then_some(acked)
}

/// Acknowledges what has come in at once.
///
/// A service that writes the head of its response and the body one by one, as simple servers do, sends
/// the second only when the first is acknowledged (RFC 896), and kernels like to wait with that for some
/// 40 ms (RFC 1122 §4.2.3.2).
#[cfg(target_os = "linux")]
pub(super) fn acknowledge(stream: &TcpStream) {
    use std::os::fd::AsRawFd;

    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the kernel reads one `c_int`. If it refuses, the peer waits.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

/// Other systems count differently or not at all.
#[cfg(not(target_os = "linux"))]
pub(super) fn bytes_acked(_: &TcpStream) -> Option<u64> {
    None
}

/// Other systems leave that to themselves.
#[cfg(not(target_os = "linux"))]
pub(super) fn acknowledge(_: &TcpStream) {}
