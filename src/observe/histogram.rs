//! How long things take.

use std::time::Duration;

use super::family::{Family, Reading, Value};

/// The upper bounds of the buckets, in seconds: from a service beside Prosody to the longest time-outs in use.
pub const BOUNDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Times since they were last told.
#[derive(Debug, Default)]
pub struct Histogram {
    /// How many there are in each bucket, and beyond the last one.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    /// Counts a time.
    pub fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum += seconds;
    }

    /// What has come since the last call.
    pub fn take(&mut self, family: &Family) -> Reading {
        let Histogram { counts, sum } = std::mem::take(self);
        let buckets = counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        let buckets = buckets.collect();
        Reading::new(family, &[], Value::Observed { buckets, sum })
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::Type;
    use super::*;

    #[test]
    fn each_bucket_has_what_is_no_greater() {
        const FAMILY: Family = Family::new(Type::Histogram, "times", "").in_unit("seconds");
        let mut histogram = Histogram::default();
        for millis in [1, 5, 6, 2_500, 3_600_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let reading = histogram.take(&FAMILY);
        assert_eq!(reading.family, "times_seconds");
        let Value::Observed { buckets, sum } = reading.value else {
            panic!("{reading:?}");
        };
        assert_eq!(buckets, [2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5]);
        assert!((sum - 3602.512).abs() < 1e-9, "{sum}");
        let none = Value::Observed {
            buckets: vec![0; 14],
            sum: 0.0,
        };
        assert_eq!(histogram.take(&FAMILY).value, none);
    }
}
