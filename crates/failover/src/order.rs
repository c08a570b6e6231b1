use std::fmt;

/// In which order to ask the candidates: their places in the slice a [`Route`] was given.
///
/// Up to eight places cost no allocation. Places beyond 255 are left out; those that are no
/// candidate's, or come twice, are passed over by the layer.
///
/// [`Route`]: crate::Route
#[derive(Clone, Default)]
pub struct Order {
    few: [u8; Order::FEW],
    more: Vec<u8>,
    count: usize,
}

// === impl Order ===

impl Order {
    const FEW: usize = 8;

    /// No places yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            few: [0; Self::FEW],
            more: Vec::new(),
            count: 0,
        }
    }

    /// Adds a place after the others.
    pub fn push(&mut self, place: usize) {
        let Ok(place) = u8::try_from(place) else {
            return;
        };
        match self.few.get_mut(self.count) {
            Some(slot) => *slot = place,
            None => self.more.push(place),
        }
        self.count += 1;
    }

    /// The place that comes after so many others.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<usize> {
        if index >= self.count {
            return None;
        }
        let place = match index.checked_sub(Self::FEW) {
            None => self.few.get(index),
            Some(index) => self.more.get(index),
        };
        place.copied().map(usize::from)
    }

    /// The places in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).filter_map(|index| self.get(index))
    }

    /// How many places there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl FromIterator<usize> for Order {
    fn from_iter<I>(places: I) -> Self
    where
        I: IntoIterator<Item = usize>,
    {
        let mut order = Self::new();
        order.extend(places);
        order
    }
}

impl Extend<usize> for Order {
    fn extend<I>(&mut self, places: I)
    where
        I: IntoIterator<Item = usize>,
    {
        places.into_iter().for_each(|place| self.push(place));
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_few_places_and_many() {
        let few: Order = [3, 1, 2].into_iter().collect();
        assert_eq!(few.iter().collect::<Vec<_>>(), [3, 1, 2]);
        assert_eq!(few.more.capacity(), 0, "nothing allocated");
        let many: Order = (0..20).rev().collect();
        assert_eq!(
            many.iter().collect::<Vec<_>>(),
            (0..20).rev().collect::<Vec<_>>()
        );
        assert_eq!((many.len(), many.get(20)), (20, None));
    }

    #[test]
    fn a_place_no_target_can_have_is_left_out() {
        let order: Order = [256, 1].into_iter().collect();
        assert_eq!(order.iter().collect::<Vec<_>>(), [1]);
    }
}
