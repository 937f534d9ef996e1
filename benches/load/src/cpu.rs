//! CPU time of a process, read from the kernel.

use std::io;
use std::ops::Sub;
use std::time::Duration;

/// CPU time that a process has used so far.
#[derive(Clone, Copy)]
pub struct Cpu {
    /// Of the main thread: the one that runs Lua.
    pub main: Duration,
    /// Of all other threads, those that have ended included.
    pub workers: Duration,
}

impl Cpu {
    /// Reads the clocks of the process `pid`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let total = process_clock(pid)?;
        let main = main_thread(pid)?;
        Ok(Self {
            main,
            workers: total.saturating_sub(main),
        })
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            main: self.main - earlier.main,
            workers: self.workers.saturating_sub(earlier.workers),
        }
    }
}

/// The first field of schedstat is the time on a CPU, in nanoseconds.
fn main_thread(pid: u32) -> io::Result<Duration> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
    let nanoseconds = line.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The whole process, by its CPU-time clock (clock_getcpuclockid(3)).
fn process_clock(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock = 0;
    // SAFETY: both pointers are to live locals of the type that the call asks for.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: as above.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Ok(Duration::new(
        seconds.map_err(io::Error::other)?,
        nanoseconds.map_err(io::Error::other)?,
    ))
}
