use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use http::{Extensions, HeaderName, HeaderValue};

use crate::Call;

/// Our id of one call: `req_` and 24 characters. An extension of requests.
///
/// Unique, not secret. Whoever meets a request without one makes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; RequestId::LENGTH]);

// === impl RequestId ===

impl RequestId {
    /// The header that tells callers the id.
    pub const HEADER: HeaderName = HeaderName::from_static("request-id");

    const LENGTH: usize = 28;

    /// A new id: 64 random bits of the thread, and 64 bits that walk through all values.
    #[must_use]
    pub fn generate() -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        thread_local! {
            static SEED: (u64, Cell<u64>) = {
                let random = RandomState::new();
                let word = |n: u64| {
                    let mut hasher = random.build_hasher();
                    hasher.write_u64(n);
                    hasher.finish()
                };
                (word(0), Cell::new(word(1)))
            };
        }
        let (thread, walk) = SEED.with(|(thread, walk)| {
            // An odd step visits every value before it repeats one.
            walk.set(walk.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
            (*thread, walk.get())
        });
        let mut bits = (u128::from(mix(walk)) << 64) | u128::from(thread);
        let mut id = *b"req_000000000000000000000000";
        for place in &mut id[4..] {
            *place = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(id)
    }

    /// The id of the request these extensions belong to: its call's, else the host's.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let call = extensions.get::<Call>().map(Call::id);
        call.or_else(|| extensions.get().copied())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as a header value, for `request-id` and its like.
    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("req_unknown"))
    }
}

/// A bijection of 64-bit words that spreads neighbours far apart (the finaliser of SplitMix64).
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_do_not_repeat_within_or_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    (0..10_000)
                        .map(|_| RequestId::generate())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let ids: HashSet<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(ids.len(), 40_000);
        let id = RequestId::generate().to_string();
        assert!(id.starts_with("req_") && id.len() == 28, "{id}");
    }
}
