use std::fmt;

use super::reader::Value;

/// The SHA-256 of a tenant's key, the only trace of the key a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

// === impl Digest ===

impl Digest {
    /// The raw 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads `sha256:` and 64 lower-case hex digits; never shows them, they may be a key in the wrong place.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let text = value.string()?;
        if text.starts_with("hmac-sha256:") {
            let message = "`hmac-sha256:` digests are not implemented in this build".to_owned();
            return value.error(message, "use \"sha256:…\"");
        }
        match text.strip_prefix("sha256:").and_then(parse) {
            Some(digest) => Some(Self(digest)),
            None => value.error(
                format!("`{}` is not a digest", value.name()),
                "write \"sha256:\" and 64 lower-case hex digits, as `keygen` prints them",
            ),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(..)")
    }
}

fn parse(hex: &str) -> Option<[u8; 32]> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut digest = [0; 32];
    if pairs.len() != digest.len() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(digest)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_64_lower_case_hex_digits_and_nothing_else() {
        assert_eq!(parse(&"0f".repeat(32)), Some([0x0f; 32]));
        for text in ["", "0F", "0f0", "zz"] {
            assert_eq!(parse(&text.repeat(32)), None, "{text}");
        }
        assert_eq!(parse(&"0".repeat(63)), None);
    }
}
