//! Runs one case a fixed number of times for callgrind, which counts in `measured` only:
//! `instructions` lists the cases, `instructions NAME ITERATIONS` runs one.

use std::process::ExitCode;

use bench_micro::cases;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, iterations] = arguments.as_slice() else {
        cases().iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let case = cases().into_iter().find(|(case, _)| case == name);
    let (Some((_, call)), Ok(iterations)) = (case, iterations.parse()) else {
        eprintln!("instructions: no case {name}, or {iterations} is no number");
        return ExitCode::from(2);
    };
    // What only the first call does is not counted.
    call();
    measured(&*call, iterations);
    ExitCode::SUCCESS
}

/// Kept as a function of this name: callgrind switches its counting on and off by it.
#[unsafe(export_name = "measured")]
#[inline(never)]
fn measured(call: &dyn Fn(), iterations: u32) {
    for _ in 0..iterations {
        call();
    }
}
