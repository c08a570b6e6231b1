use crate::rate::Rate;

/// One row of a price list: what each class of token costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// Input that is neither read from nor written to the cache.
    pub input: Rate,
    /// Output, thinking included.
    pub output: Rate,
    /// Input written to the cache for five minutes.
    pub cache_write_5m: Rate,
    /// Input written to the cache for one hour.
    pub cache_write_1h: Rate,
    /// Input read from the cache.
    pub cache_read: Rate,
}

// === impl Rates ===

impl Rates {
    /// Prices of input and output, and the usual prices of the cache.
    ///
    /// Writes for five minutes cost 1.25 times the input, writes for one hour 2 times, and reads
    /// 0.1 times, each rounded up to a whole pico-dollar. Reads are cheaper on some models: say
    /// so with [`Rates::cache_read`].
    #[must_use]
    pub const fn new(input: Rate, output: Rate) -> Self {
        Self {
            input,
            output,
            cache_write_5m: input.part(5, 4),
            cache_write_1h: input.part(2, 1),
            cache_read: input.part(1, 10),
        }
    }

    /// What writing to the cache for five minutes costs.
    #[must_use]
    pub const fn cache_write_5m(mut self, rate: Rate) -> Self {
        self.cache_write_5m = rate;
        self
    }

    /// What writing to the cache for one hour costs.
    #[must_use]
    pub const fn cache_write_1h(mut self, rate: Rate) -> Self {
        self.cache_write_1h = rate;
        self
    }

    /// What reading from the cache costs.
    #[must_use]
    pub const fn cache_read(mut self, rate: Rate) -> Self {
        self.cache_read = rate;
        self
    }

    /// The most that a token of the prompt can cost.
    pub(crate) fn dearest_input(&self) -> Rate {
        self.input
            .max(self.cache_write_5m)
            .max(self.cache_write_1h)
            .max(self.cache_read)
    }
}
