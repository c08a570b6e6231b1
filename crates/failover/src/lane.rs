use crate::ModelClass;

/// Which calls wait for the same: the class of models, and the set of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lane {
    class: ModelClass,
    /// One bit for each target; a pool has no more than there is room for.
    slots: [u64; 4],
}

// === impl Lane ===

impl Lane {
    /// The lane to these targets, as places in the pool.
    pub(crate) fn new(class: ModelClass, places: impl IntoIterator<Item = usize>) -> Self {
        let mut slots = [0; 4];
        for place in places {
            if let Some(word) = slots.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
        Self { class, slots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_the_same_only_to_the_same_targets_for_the_same_class() {
        let lane = |places: &[usize]| Lane::new(ModelClass::Opus, places.iter().copied());
        assert_eq!(lane(&[0, 254]), lane(&[254, 0, 0]));
        for place in 1..255 {
            assert_ne!(lane(&[0]), lane(&[0, place]), "{place}");
            assert_ne!(lane(&[place - 1]), lane(&[place]), "{place}");
        }
        assert_ne!(lane(&[0]), Lane::new(ModelClass::Sonnet, [0]));
    }
}
