//! Counters that are told now and then.

use std::collections::BTreeMap;

/// A number for each label. There may be but a few labels, whatever strangers do.
#[derive(Debug)]
pub struct Tally<L>(BTreeMap<L, Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    total: u64,
    told: u64,
}

impl<L: Copy + Ord> Tally<L> {
    /// Nothing yet, and these labels, which are told from the beginning.
    pub fn new(labels: impl IntoIterator<Item = L>) -> Self {
        let labels = labels.into_iter();
        Tally(labels.map(|label| (label, Count::default())).collect())
    }

    /// Counts so many more.
    pub fn add(&mut self, label: L, count: u64) {
        self.0.entry(label).or_default().total += count;
    }

    /// What has come to each label since the last call.
    pub fn take(&mut self) -> Vec<(L, u64)> {
        let counts = self.0.iter_mut();
        counts
            .map(|(label, count)| {
                let added = count.total - count.told;
                count.told = count.total;
                (*label, added)
            })
            .collect()
    }

    /// What has come to each label in all.
    pub fn totals(&self) -> impl Iterator<Item = (L, u64)> {
        self.0.iter().map(|(label, count)| (*label, count.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut tally = Tally::new(["a"]);
        assert_eq!(tally.take(), [("a", 0)]);
        tally.add("a", 2);
        tally.add("b", 1);
        assert_eq!(tally.take(), [("a", 2), ("b", 1)]);
        tally.add("b", 1);
        assert_eq!(tally.take(), [("a", 0), ("b", 1)]);
        assert!(tally.totals().eq([("a", 2), ("b", 2)]));
    }
}
