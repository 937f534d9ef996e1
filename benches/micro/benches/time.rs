//! The time of each case: `cargo bench --manifest-path benches/micro/Cargo.toml`.

use bench_micro::cases;
use criterion::{Criterion, criterion_group, criterion_main};

fn time(criterion: &mut Criterion) {
    for (name, call) in cases() {
        criterion.bench_function(name, |bencher| bencher.iter(&call));
    }
}

criterion_group!(benches, time);
criterion_main!(benches);
