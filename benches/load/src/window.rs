//! The measured part of a run: between the warm-up and the moment when sending stops.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cpu::Cpu;
use crate::ledger::Faults;

/// Answers counted and CPU read since the warm-up ended.
pub struct Window {
    pid: u32,
    opened: Instant,
    cpu: Cpu,
    round_trips: Vec<Duration>,
}

/// What a run has shown, printed as JSON.
#[derive(Serialize)]
pub struct Report {
    seconds: f64,
    answered: usize,
    rate: f64,
    main_us: f64,
    workers_us: f64,
    round_trip_us: Percentiles,
    faults: Faults,
}

#[derive(Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Window {
    /// Opens the window on Prosody's process `pid`.
    pub fn open(pid: u32) -> io::Result<Self> {
        Ok(Self {
            pid,
            opened: Instant::now(),
            cpu: Cpu::of(pid)?,
            round_trips: Vec::new(),
        })
    }

    /// Counts an answer.
    pub fn count(&mut self, round_trip: Duration) {
        self.round_trips.push(round_trip);
    }

    /// Closes the window; the faults are known only once all answers are in, and are filled in then.
    pub fn close(mut self) -> io::Result<Report> {
        let seconds = self.opened.elapsed().as_secs_f64();
        let cpu = Cpu::of(self.pid)? - self.cpu;
        let answered = self.round_trips.len();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / answered.max(1) as f64;
        self.round_trips.sort_unstable();
        Ok(Report {
            seconds,
            answered,
            rate: answered as f64 / seconds,
            main_us: each(cpu.main),
            workers_us: each(cpu.workers),
            round_trip_us: Percentiles {
                p50: self.percentile(50),
                p90: self.percentile(90),
                p99: self.percentile(99),
                max: self.percentile(100),
            },
            faults: Faults::default(),
        })
    }

    /// In microseconds, by nearest rank; the round trips are sorted.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.round_trips.len() * percent).div_ceil(100);
        self.round_trips
            .get(rank.saturating_sub(1))
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

impl Report {
    /// The report with the faults that the ledger has found.
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }
}
