use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::ConfigError;

/// The SHA-256 of a whole key: what a configuration keeps instead of the key.
///
/// Read and printed as `sha256:` and 64 lower-case hexadecimal digits; `Debug` shows nothing,
/// because the digest of a weak key can be guessed from. Equality takes the same time
/// wherever the two differ.
///
/// ```
/// use tower_claude_tenant_auth::KeyDigest;
///
/// let digest = KeyDigest::of("sk-my-own-secret-key");
/// assert_eq!(KeyDigest::parse(&digest.to_string()), Ok(digest));
/// ```
#[derive(Clone, Copy, Eq)]
pub struct KeyDigest([u8; 32]);

const PREFIX: &str = "sha256:";

// === impl KeyDigest ===

impl KeyDigest {
    /// The digest of a key.
    pub fn of(key: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// A digest from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads `sha256:` and 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        text.strip_prefix(PREFIX)
            .and_then(from_hex)
            .map(Self)
            .ok_or_else(ConfigError::digest)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

impl FromStr for KeyDigest {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::parse(text)
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        // By words: a byte at a time takes eight times as long.
        words(&self.0).ct_eq(&words(&other.0)).into()
    }
}

impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| words.get(index).copied().map_or(0, u64::from_le_bytes))
}

fn from_hex(hex: &str) -> Option<[u8; 32]> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_sha_256_of_the_whole_key() {
        assert_eq!(
            KeyDigest::of("abc").to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn reads_64_lower_case_digits_and_nothing_else() {
        let hex = "0f".repeat(32);
        assert_eq!(
            KeyDigest::parse(&format!("sha256:{hex}")),
            Ok(KeyDigest::from_bytes([0x0f; 32]))
        );
        for text in [
            hex.clone(),
            "sha256:".to_owned(),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{hex}0"),
            format!("sha256:{hex}00"),
            format!("sha256:{}", "0g".repeat(32)),
            format!("sha256:{}", "é".repeat(32)),
            format!("hmac-sha256:{hex}"),
        ] {
            assert!(KeyDigest::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", KeyDigest::of("abc")), "KeyDigest(..)");
    }
}
