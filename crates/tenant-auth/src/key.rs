use std::fmt;

use zeroize::Zeroizing;

use crate::KeyDigest;

/// A key of ours: `cg_`, part of the tenant's name, `_`, a secret, a checksum.
///
/// The prefix lets scanners find a key that leaked; the checksum lets a mistyped or made-up
/// one be refused without a look-up. Keys from elsewhere serve as well: any string of
/// [`Key::LENGTHS`] visible ASCII characters. Wiped from memory when dropped.
pub struct Key(Zeroizing<String>);

/// What our keys begin with.
const PREFIX: &str = "cg_";
/// Base 62 digits of the checksum; 32 bits need six.
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// === impl Key ===

impl Key {
    /// How many characters a key may have, ours or not.
    pub const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

    /// A new key: 196 bits of the operating system's randomness.
    ///
    /// Fails only if the operating system has none to give.
    #[cfg(feature = "keygen")]
    #[cfg_attr(docsrs, doc(cfg(feature = "keygen")))]
    pub fn generate(tenant: &tower_claude_core::TenantId) -> std::io::Result<Self> {
        /// Base 62 digits of the secret: the fewest that hold 192 bits.
        const SECRET: usize = 33;
        /// As much of the tenant's name as is shown.
        const NAME: usize = 20;

        // Room for all of it: a string that grew would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(*Self::LENGTHS.end()));
        text.push_str(PREFIX);
        let name = tenant.as_str().chars().take(NAME);
        // An underscore in the name would blur where the secret begins.
        text.extend(name.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }));
        text.push('_');
        let whole = text.len() + SECRET;
        let mut random = Zeroizing::new([0_u8; 64]);
        while text.len() < whole {
            getrandom::fill(&mut *random).map_err(std::io::Error::other)?;
            // 6 bits each, what is no digit thrown away: every digit is equally likely.
            let digits = random
                .iter()
                .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
            let missing = whole - text.len();
            text.extend(digits.take(missing).copied().map(char::from));
        }
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(Self(text))
    }

    /// The key itself, to be handed over once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a configuration keeps instead of the key.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.expose())
    }

    /// Whether this can be a key at all, ours or not.
    #[must_use]
    pub fn is_well_formed(key: &[u8]) -> bool {
        Self::LENGTHS.contains(&key.len()) && key.iter().all(u8::is_ascii_graphic)
    }

    /// Whether this begins as our keys do.
    #[must_use]
    pub fn looks_ours(key: &[u8]) -> bool {
        key.starts_with(PREFIX.as_bytes())
    }

    /// Whether this ends in the checksum of the rest, as our keys do.
    #[must_use]
    pub fn has_valid_checksum(key: &[u8]) -> bool {
        key.split_last_chunk::<CHECKSUM>()
            .is_some_and(|(rest, found)| *found == checksum(rest))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The CRC-32 of IEEE 802.3, in base 62, most significant digit first.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(rest % 62).unwrap_or_default();
        *digit = ALPHABET.get(place).copied().unwrap_or_default();
        rest /= 62;
    }
    digits
}

fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc32_table();
    !bytes.iter().fold(!0, |crc: u32, byte| {
        let [low, ..] = crc.to_le_bytes();
        TABLE[usize::from(low ^ byte)] ^ (crc >> 8)
    })
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut word: u32 = 0;
    let mut place = 0;
    while place < table.len() {
        let mut crc = word;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xEDB8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[place] = crc;
        word += 1;
        place += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(checksum(b""), *b"000000");
    }

    #[test]
    fn a_key_is_16_to_256_visible_characters() {
        assert!(Key::is_well_formed(&[b'!'; 16]));
        assert!(Key::is_well_formed(&[b'~'; 256]));
        for bad in [
            vec![b'a'; 15],
            vec![b'a'; 257],
            vec![b' '; 20],
            vec![0xE9; 20],
        ] {
            assert!(!Key::is_well_formed(&bad));
        }
    }

    #[test]
    fn short_texts_have_no_checksum_and_do_not_panic() {
        for text in ["", "cg_", "00000"] {
            assert!(!Key::has_valid_checksum(text.as_bytes()), "{text}");
        }
    }

    #[cfg(feature = "keygen")]
    mod generate {
        use super::*;
        use tower_claude_core::TenantId;

        fn key(tenant: &str) -> Key {
            Key::generate(&TenantId::new(tenant).unwrap()).unwrap()
        }

        #[test]
        fn a_new_key_shows_whose_it_is_and_passes_its_own_checks() {
            for (tenant, shown) in [
                ("web", "cg_web_"),
                ("a_b.c:d-e", "cg_a-b-c-d-e_"),
                (&"x".repeat(64), "cg_xxxxxxxxxxxxxxxxxxxx_"),
            ] {
                let key = key(tenant);
                let text = key.expose();
                assert!(text.starts_with(shown), "{shown}");
                assert_eq!(text.len(), shown.len() + 33 + 6);
                assert!(Key::is_well_formed(text.as_bytes()));
                assert!(Key::looks_ours(text.as_bytes()));
                assert!(Key::has_valid_checksum(text.as_bytes()));
                assert_eq!(key.digest(), KeyDigest::of(text));
                assert_eq!(format!("{key:?}"), "Key(..)");
            }
        }

        #[test]
        fn a_change_of_any_character_breaks_the_checksum() {
            let key = key("web");
            for place in 3..key.expose().len() {
                let mut bytes = key.expose().as_bytes().to_vec();
                bytes[place] = if bytes[place] == b'a' { b'b' } else { b'a' };
                assert!(!Key::has_valid_checksum(&bytes), "{place}");
            }
        }

        #[test]
        fn no_two_keys_are_the_same() {
            let keys: std::collections::HashSet<_> =
                (0..1_000).map(|_| key("web").expose().to_owned()).collect();
            assert_eq!(keys.len(), 1_000);
        }
    }
}
