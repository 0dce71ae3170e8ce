//! [`Places`]: how many of something there are per key, and the guard for one of them.

use std::{collections::HashMap, fmt::Debug, hash::Hash, sync::Arc};

use parking_lot::Mutex;

/// What places are counted by.
pub(super) trait Key: Clone + Debug + Eq + Hash {}

impl<K: Clone + Debug + Eq + Hash> Key for K {}

/// Counts what is taken per key. A key that has nothing costs nothing.
#[derive(Debug)]
pub(super) struct Places<K>(Mutex<HashMap<K, usize>>);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Key> Places<K> {
    /// One more for `key`, unless it has `max` already.
    pub(super) fn take(self: &Arc<Self>, key: K, max: usize) -> Option<Place<K>> {
        let mut taken = self.0.lock();
        let count = taken.get(&key).copied().unwrap_or(0);
        if count >= max {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        drop(taken);
        Some(Place { key, places: self.clone() })
    }
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Key> {
    key: K,
    places: Arc<Places<K>>,
}

impl<K: Key> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_by_dropping_it_and_leaves_nothing_behind() {
        let places = Arc::new(Places::default());
        let (first, second) = (places.take("a", 2), places.take("a", 2));
        assert!(first.is_some() && second.is_some());
        assert!(places.take("a", 2).is_none());
        assert!(places.take("b", 2).is_some(), "another key has places of its own");
        drop(first);
        assert!(places.take("a", 2).is_some());
        drop(second);
        assert!(places.0.lock().is_empty());
    }
}
