use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers as lines in one buffer, to be made a map again if they are needed.
///
/// Nearly no request is sent twice, so what counts is what the copy costs: one allocation,
/// where a copy of the map takes two and, the first time, another for every name that is not a
/// standard one and every value that has a buffer of its own.
pub(crate) struct PackedHeaders(Vec<u8>);

/// How a line begins; after it come the name, a colon, the value and a line feed, neither of
/// which can hold the other's end.
const PLAIN: u8 = b' ';
const SENSITIVE: u8 = b'*';

// === impl PackedHeaders ===

impl PackedHeaders {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let length = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 3)
            .sum();
        let mut lines = Vec::with_capacity(length);
        for (name, value) in headers {
            lines.push(if value.is_sensitive() {
                SENSITIVE
            } else {
                PLAIN
            });
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        Self(lines)
    }

    /// The map; `None` rather than one that lacks a header.
    pub(crate) fn to_map(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for line in self.0.split_inclusive(|byte| *byte == b'\n') {
            let (mark, line) = line.strip_suffix(b"\n")?.split_first()?;
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            let mut value = HeaderValue::from_bytes(value).ok()?;
            value.set_sensitive(*mark == SENSITIVE);
            headers.append(HeaderName::from_bytes(name).ok()?, value);
        }
        Some(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_map_comes_out_as_it_went_in(
            lines in proptest::collection::vec(
                ("[!#$%&'*+.^_`|~0-9a-z-]{1,20}", "[\t -~\u{80}-\u{ff}]{0,40}", any::<bool>()),
                0..12,
            ),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value, is_sensitive) in lines {
                let mut value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                value.set_sensitive(is_sensitive);
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
            let again = PackedHeaders::new(&headers).to_map().unwrap();
            prop_assert_eq!(&again, &headers);
            let marks = |headers: &HeaderMap| -> Vec<bool> {
                headers.values().map(HeaderValue::is_sensitive).collect()
            };
            prop_assert_eq!(marks(&again), marks(&headers));
        }
    }
}
