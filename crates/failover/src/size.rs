use crate::bucket::Bucket;

/// What calls take; late ones weigh more. In thousandths of a token.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    mean: Option<u64>,
    /// By how much calls differ from the mean, in the mean.
    deviation: u64,
}

// === impl Size ===

impl Size {
    const WEIGHT: u64 = 8;

    /// Takes in what one more call took; `None` if nobody knows.
    pub(crate) fn learn(&mut self, count: Option<u64>) {
        let Some(sample) = count.map(Bucket::units) else {
            return;
        };
        let Some(mean) = self.mean else {
            self.mean = Some(sample);
            return;
        };
        self.deviation = Self::blend(self.deviation, sample.abs_diff(mean));
        self.mean = Some(Self::blend(mean, sample));
    }

    /// Nobody knows of a first call more than that it takes something.
    pub(crate) fn usual(&self) -> u64 {
        self.mean.unwrap_or(Bucket::ONE)
    }

    /// What hardly any call is larger than.
    pub(crate) fn large(&self) -> u64 {
        self.usual()
            .saturating_add(self.deviation.saturating_mul(2))
    }

    const fn blend(mean: u64, sample: u64) -> u64 {
        let rest = mean.saturating_sub(mean / Self::WEIGHT);
        rest.saturating_add(sample / Self::WEIGHT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_what_calls_take() {
        let mut size = Size::default();
        size.learn(None);
        assert_eq!(size.usual(), Bucket::ONE);
        size.learn(Some(1_000));
        assert_eq!(
            (size.usual(), size.large()),
            (Bucket::units(1_000), Bucket::units(1_000))
        );
        for _ in 0..50 {
            size.learn(Some(100));
        }
        let (usual, large) = (size.usual() / Bucket::ONE, size.large() / Bucket::ONE);
        assert!((100..=105).contains(&usual), "{usual}");
        assert!((usual..=usual + 20).contains(&large), "{large}");
    }
}
