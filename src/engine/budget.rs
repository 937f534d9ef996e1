//! How many file descriptors there are for connections.
//!
//! Descriptors belong to the process, and Prosody needs them for its clients, its rooms and its files. So
//! all components together take half of what the system allows. Of that half a component is guaranteed
//! an equal share of one half, whatever the others do, and each of its services an equal share of
//! that; the rest is for whoever comes first.

/// What a component has open beside connections: what wakes Prosody's thread, and what a name look-up asks.
const OTHERS: usize = 2;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// To all components.
    pub all: usize,
    /// Guaranteed to each of them.
    pub share: usize,
    /// For whoever comes first.
    pub common: usize,
    components: usize,
}

impl Budget {
    /// What that many components may take of so many descriptors.
    pub fn new(limit: usize, components: usize) -> Self {
        let components = components.max(1);
        let all = (limit / 2).saturating_sub(OTHERS * components).max(1);
        let share = (all / 2 / components).max(1);
        Budget {
            all,
            share,
            common: all.saturating_sub(share * components),
            components,
        }
    }

    /// The most that one component can have.
    pub fn most(&self) -> usize {
        self.all.min(self.share + self.common)
    }

    /// A limit with which one component can have that many: one that admins are used to see.
    pub fn limit_for(&self, connections: usize) -> usize {
        (4 * connections + 2 * OTHERS * self.components).next_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_limit_at_most() {
        for (limit, components, all, share, common) in [
            (1024, 1, 510, 255, 255),
            (1024, 4, 504, 63, 252),
            (256, 5, 118, 11, 63),
            (256, 100, 1, 1, 0),
            (0, 0, 1, 1, 0),
            (1_000_000, 10, 499_980, 24_999, 249_990),
        ] {
            let budget = Budget::new(limit, components);
            assert_eq!(
                [budget.all, budget.share, budget.common],
                [all, share, common]
            );
            assert!(budget.most() <= all);
        }
    }

    #[test]
    fn with_the_limit_that_is_named_each_gets_what_it_wants() {
        for (connections, components) in [(256, 1), (256, 20), (1, 1), (1000, 3), (50, 100)] {
            let limit = Budget::new(0, components).limit_for(connections);
            let most = Budget::new(limit, components).most();
            assert!(
                most >= connections,
                "{connections} of {most}, limit {limit}"
            );
        }
    }
}
