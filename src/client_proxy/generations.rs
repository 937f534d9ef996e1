//! A map within bounds that forgets what has not been touched for long.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// What one generation weighs at most unless it is told otherwise, in bytes: some 80,000 entries.
pub const GENERATION: usize = 8 << 20;

/// What an entry weighs beside its texts, in bytes.
const ENTRY: usize = 100;

/// Once a generation is full it becomes the old one, and what was the old one is forgotten, but for the
/// entries that were written anew since.
pub struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    weight: usize,
    bound: usize,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Generations::bounded(GENERATION)
    }
}

impl<K, V> Generations<K, V> {
    /// One whose generations weigh no more than that.
    pub fn bounded(bound: usize) -> Self {
        Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            weight: 0,
            bound,
        }
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Adds an entry whose texts have that length, or writes it anew.
    pub fn insert(&mut self, key: K, value: V, length: usize) {
        if let Some(known) = self.young.get_mut(&key) {
            *known = value;
            return;
        }
        self.old.remove(&key);
        let weight = ENTRY + length;
        if self.weight + weight > self.bound {
            self.old = mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += weight;
        self.young.insert(key, value);
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The value of a key that is not forgotten.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of a key that was written since the last generation was full.
    pub fn get_young<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key)
    }
}
