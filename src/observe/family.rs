//! What there is to measure, in the terms of OpenMetrics: families, and readings of their metrics.

/// A family of metrics. Every metric has the host as a label of its own, which the server adds.
#[derive(Debug)]
pub struct Family {
    /// What its metrics are.
    pub type_: Type,
    /// The name, without what the server puts before it, the unit, and suffixes such as `_total`.
    pub name: &'static str,
    /// The unit, which becomes a part of the name, or nothing.
    pub unit: &'static str,
    /// What it says, in a line.
    pub help: &'static str,
    /// The names of its labels. None of them may have values that strangers can choose.
    pub labels: &'static [&'static str],
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A sum that only grows.
    Counter,
    /// A number as it is now.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Type {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

impl Family {
    /// A family without unit and labels.
    pub const fn new(type_: Type, name: &'static str, help: &'static str) -> Self {
        Family {
            type_,
            name,
            unit: "",
            help,
            labels: &[],
        }
    }

    /// The family with a unit.
    pub const fn in_unit(self, unit: &'static str) -> Self {
        Family { unit, ..self }
    }

    /// The family with labels.
    pub const fn by(self, labels: &'static [&'static str]) -> Self {
        Family { labels, ..self }
    }
}

/// What there is to tell of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The name of its family, with the unit if there is one.
    pub family: String,
    /// The values of its labels.
    pub labels: Vec<String>,
    /// What it says.
    pub value: Value,
}

/// What a metric says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// What is to be added to a counter.
    Added(u64),
    /// What a gauge shows.
    Is(f64),
    /// What is to be added to a histogram.
    Observed {
        /// For each of the [`BOUNDS`](super::BOUNDS), and for all, how many values were no greater.
        buckets: Vec<u64>,
        /// The sum of the values.
        sum: f64,
    },
}

impl Reading {
    /// What is to be added to a counter.
    pub fn added(family: &Family, labels: &[&str], count: u64) -> Self {
        Reading::new(family, labels, Value::Added(count))
    }

    /// What a gauge shows.
    pub fn is(family: &Family, value: impl Into<f64>) -> Self {
        Reading::new(family, &[], Value::Is(value.into()))
    }

    /// What a gauge shows that counts.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nothing here is counted up to 2^52"
    )]
    pub fn is_count(family: &Family, count: usize) -> Self {
        Reading::is(family, count as f64)
    }

    pub(super) fn new(family: &Family, labels: &[&str], value: Value) -> Self {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        Reading {
            family: family.full_name(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            value,
        }
    }
}

impl Family {
    /// The name with the unit.
    pub fn full_name(&self) -> String {
        match self.unit {
            "" => self.name.to_owned(),
            unit => format!("{}_{unit}", self.name),
        }
    }
}
