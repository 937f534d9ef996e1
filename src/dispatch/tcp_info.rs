//! What the kernel knows of a TCP connection.

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
    Some(u64::from_ne_bytes(field.try_into().ok()?))
}

/// Other systems count differently or not at all.
#[cfg(not(target_os = "linux"))]
pub(super) fn bytes_acked(_: &TcpStream) -> Option<u64> {
    None
}
