/// What an answer says it used, in tokens, as finally reported.
///
/// Every field is `None` until upstream has said it: absent is not zero. A count over
/// [`Usage::MOST`] is not believed, so that sums and prices of them cannot overflow.
///
/// Source: the `usage` object of the Messages API. `input_tokens` excludes cached tokens; the
/// whole prompt is input + cache creation + cache read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Input that was neither read from nor written to the cache.
    pub input_tokens: Option<u64>,
    /// Output, thinking included.
    pub output_tokens: Option<u64>,
    /// Input read from the prompt cache.
    pub cache_read_input_tokens: Option<u64>,
    /// Input written to the prompt cache, both lifetimes together.
    pub cache_creation_input_tokens: Option<u64>,
    /// The part of `cache_creation_input_tokens` written for five minutes.
    pub cache_creation_5m_input_tokens: Option<u64>,
    /// The part of `cache_creation_input_tokens` written for one hour.
    pub cache_creation_1h_input_tokens: Option<u64>,
    /// Web searches run by the server.
    pub web_search_requests: Option<u64>,
    /// The tier that served the call.
    pub service_tier: Option<ServiceTier>,
    /// The speed that served the call; a price key.
    pub speed: Option<Speed>,
    /// Where inference ran; a price key.
    pub inference_geo: Option<InferenceGeo>,
    /// The parts the call was made of, each billed at its own model.
    ///
    /// `None` when the answer holds no `iterations`: then the fields above are what is billed.
    pub iterations: Option<Vec<Iteration>>,
    /// A field that was not what it should be, or that counts something unheard of: what the
    /// answer costs is then not known.
    pub unknown: Option<Box<str>>,
}

/// One entry of `usage.iterations`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Iteration {
    /// What this part did.
    pub kind: IterationKind,
    /// The model that did it; `None` means the model that served the call.
    pub model: Option<Box<str>>,
    /// Its own usage; never holds iterations of its own.
    pub usage: Usage,
}

/// The `type` of an [`Iteration`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IterationKind {
    /// A turn of the serving model.
    Message,
    /// A summary of the history; not part of the top-level counts.
    Compaction,
    /// A sub-call to an advisor model; not part of the top-level counts.
    Advisor,
    /// A turn of a fallback model after a refusal.
    Fallback,
    /// A kind this version does not know.
    Other(Box<str>),
}

/// The `service_tier` an answer reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTier {
    /// The usual tier.
    Standard,
    /// Committed capacity.
    Priority,
    /// The batches API, at half price.
    Batch,
    /// A tier this version does not know.
    Other(Box<str>),
}

/// The `speed` an answer reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Speed {
    /// The usual speed.
    Standard,
    /// Fast mode, at a higher price.
    Fast,
    /// A speed this version does not know.
    Other(Box<str>),
}

/// The `inference_geo` an answer reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InferenceGeo {
    /// Anywhere.
    Global,
    /// The United States, at a higher price.
    Us,
    /// A place this version does not know.
    Other(Box<str>),
}

// === impl Usage ===

impl Usage {
    /// The most that any one count can be. A higher one counts as absent, and as unknown.
    pub const MOST: u64 = 1_000_000_000;

    /// Takes every field that `later` has said, and keeps the rest.
    ///
    /// Usage in a stream is cumulative: a later report replaces an earlier one field by field
    /// and is never added to it.
    pub fn replace(&mut self, later: Self) {
        fn take<T>(slot: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *slot = later;
            }
        }
        take(&mut self.input_tokens, later.input_tokens);
        take(&mut self.output_tokens, later.output_tokens);
        take(
            &mut self.cache_read_input_tokens,
            later.cache_read_input_tokens,
        );
        take(
            &mut self.cache_creation_input_tokens,
            later.cache_creation_input_tokens,
        );
        take(
            &mut self.cache_creation_5m_input_tokens,
            later.cache_creation_5m_input_tokens,
        );
        take(
            &mut self.cache_creation_1h_input_tokens,
            later.cache_creation_1h_input_tokens,
        );
        take(&mut self.web_search_requests, later.web_search_requests);
        take(&mut self.service_tier, later.service_tier);
        take(&mut self.speed, later.speed);
        take(&mut self.inference_geo, later.inference_geo);
        take(&mut self.iterations, later.iterations);
        take(&mut self.unknown, later.unknown);
    }

    /// The whole prompt in tokens: input, cache writes and cache reads. Absent counts as 0.
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        self.input_tokens
            .unwrap_or(0)
            .saturating_add(self.cache_creation_tokens())
            .saturating_add(self.cache_read_input_tokens.unwrap_or(0))
    }

    /// Tokens written to the cache. Absent counts as 0.
    ///
    /// The sum of the two lifetimes where upstream gives only those.
    #[must_use]
    pub fn cache_creation_tokens(&self) -> u64 {
        self.cache_creation_input_tokens.unwrap_or_else(|| {
            self.cache_creation_5m_input_tokens
                .unwrap_or(0)
                .saturating_add(self.cache_creation_1h_input_tokens.unwrap_or(0))
        })
    }

    /// Whether upstream has said anything about tokens at all.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }
}

// === impl ServiceTier, Speed, InferenceGeo, IterationKind ===

macro_rules! words {
    ($type:ident { $($word:literal => $variant:ident),+ $(,)? }) => {
        impl $type {
            /// The word used on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $type {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }
    };
}

words!(ServiceTier { "standard" => Standard, "priority" => Priority, "batch" => Batch });
words!(Speed { "standard" => Standard, "fast" => Fast });
words!(InferenceGeo { "global" => Global, "us" => Us });
words!(IterationKind {
    "message" => Message,
    "compaction" => Compaction,
    "advisor_message" => Advisor,
    "fallback_message" => Fallback,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_report_replaces_field_by_field_and_keeps_what_it_does_not_say() {
        let mut usage = Usage {
            input_tokens: Some(10),
            output_tokens: Some(1),
            service_tier: Some(ServiceTier::Standard),
            ..Usage::default()
        };
        usage.replace(Usage {
            output_tokens: Some(40),
            input_tokens: Some(0),
            ..Usage::default()
        });
        assert_eq!(usage.input_tokens, Some(0), "zero is a value");
        assert_eq!(usage.output_tokens, Some(40));
        assert_eq!(usage.service_tier, Some(ServiceTier::Standard));
    }

    #[test]
    fn the_prompt_is_the_sum_of_its_three_parts() {
        let usage = Usage {
            input_tokens: Some(1),
            cache_creation_5m_input_tokens: Some(2),
            cache_creation_1h_input_tokens: Some(3),
            cache_read_input_tokens: Some(4),
            ..Usage::default()
        };
        assert_eq!(usage.prompt_tokens(), 10);
    }
}
