use memchr::memchr2;

/// Finds a few top-level fields of a JSON object as it passes, chunk by chunk.
///
/// It keeps nothing but the values it looks for, up to [`JsonSkimmer::LARGEST`] bytes each, so
/// an answer of any size is read in the same little memory. It does not check the JSON: what
/// it finds is parsed by whoever asked.
#[derive(Debug, Default)]
pub(crate) struct JsonSkimmer {
    depth: u32,
    string: Option<Escape>,
    at: At,
    key: Key,
    /// The parts of a value that came in chunks before.
    value: Vec<u8>,
    is_kept: bool,
    is_whole: bool,
}

/// Whether the last character of a string was a backslash that escapes the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Yes,
}

/// Where in the top-level object it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Key,
    Value,
}

/// The beginning of a key. None that is looked for is longer, or holds escapes.
#[derive(Debug, Default)]
struct Key {
    bytes: [u8; Key::LONGEST],
    length: usize,
}

/// Whether a byte outside of strings means anything to it.
const STRUCTURAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut place = 0;
    while place < 7 {
        table[b"\"{}[]:,"[place] as usize] = true;
        place += 1;
    }
    table
};

// === impl JsonSkimmer ===

impl JsonSkimmer {
    /// The largest value that is kept; a larger one counts as absent.
    const LARGEST: usize = 256 * 1024;

    /// Takes the next chunk; reports each value whose key `wants` wants, once it is whole.
    ///
    /// A value that stands whole in the chunk is not copied.
    pub(crate) fn push(
        &mut self,
        chunk: &[u8],
        wants: impl Fn(&[u8]) -> bool,
        mut report: impl FnMut(&[u8], &[u8]),
    ) {
        let mut place = 0;
        let mut value_from = 0;
        while let Some(&byte) = chunk.get(place) {
            if let Some(escape) = self.string {
                place += self.in_string(escape, &chunk[place..]);
                continue;
            }
            if !STRUCTURAL[usize::from(byte)] {
                place += 1;
                continue;
            }
            match byte {
                b'"' => {
                    self.string = Some(Escape::No);
                    if self.depth == 1 && self.at == At::Key {
                        self.key.length = 0;
                    }
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    if self.depth == 1 {
                        self.end_value(&chunk[value_from..place], &mut report);
                        self.is_whole = true;
                    }
                    self.depth = self.depth.saturating_sub(1);
                }
                b':' if self.depth == 1 && self.at == At::Key => {
                    self.at = At::Value;
                    self.is_kept = wants(self.key.as_bytes());
                    value_from = place + 1;
                }
                b',' if self.depth == 1 => {
                    self.end_value(&chunk[value_from..place], &mut report);
                }
                _ => {}
            }
            place += 1;
        }
        if self.is_kept {
            self.value.extend_from_slice(&chunk[value_from..]);
            if self.value.len() > Self::LARGEST {
                self.is_kept = false;
                self.value = Vec::new();
            }
        }
    }

    /// Whether the object has come to its end.
    pub(crate) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Reads on in a string, to its end, an escape, or the end of the chunk; how far.
    fn in_string(&mut self, escape: Escape, rest: &[u8]) -> usize {
        let length = match escape {
            Escape::Yes => {
                self.string = Some(Escape::No);
                1
            }
            Escape::No => match memchr2(b'"', b'\\', rest) {
                None => rest.len(),
                Some(at) => {
                    self.string = (rest[at] == b'\\').then_some(Escape::Yes);
                    at + 1
                }
            },
        };
        if self.depth == 1 && self.at == At::Key {
            self.key.push(&rest[..length]);
        }
        length
    }

    /// Reports the value that ends with `end`, if it is kept.
    fn end_value(&mut self, end: &[u8], report: &mut impl FnMut(&[u8], &[u8])) {
        self.at = At::Key;
        let is_kept = std::mem::take(&mut self.is_kept);
        let mut begun = std::mem::take(&mut self.value);
        if !is_kept || begun.len() + end.len() > Self::LARGEST {
            return;
        }
        if begun.is_empty() {
            report(self.key.as_bytes(), end);
        } else {
            begun.extend_from_slice(end);
            report(self.key.as_bytes(), &begun);
        }
    }
}

// === impl Key ===

impl Key {
    const LONGEST: usize = 24;

    fn push(&mut self, part: &[u8]) {
        for (slot, byte) in self.bytes[self.length..].iter_mut().zip(part) {
            *slot = *byte;
        }
        self.length = (self.length + part.len()).min(Self::LONGEST);
    }

    /// The key, without the quote that ends it.
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length.saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skim(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut skimmer = JsonSkimmer::default();
        let mut found = Vec::new();
        for chunk in chunks {
            skimmer.push(
                chunk,
                |key| matches!(key, b"model" | b"usage" | b"n"),
                |key, value| {
                    found.push((
                        String::from_utf8_lossy(key).into_owned(),
                        String::from_utf8_lossy(value).trim().to_owned(),
                    ));
                },
            );
        }
        found
    }

    const JSON: &str = r#" {"id":"m_1","model" : "cla\"ude","content":[{"usage":1,"text":"}],\"usage\":{\"x\":1}\\"}],
        "usage": {"a":[1,{"b":"}"}], "c":"é"} , "n":12 }"#;

    fn expected() -> Vec<(String, String)> {
        [
            ("model", r#""cla\"ude""#),
            ("usage", r#"{"a":[1,{"b":"}"}], "c":"é"}"#),
            ("n", "12"),
        ]
        .map(|(key, value)| (key.into(), value.into()))
        .to_vec()
    }

    #[test]
    fn finds_top_level_fields_whatever_the_split() {
        assert_eq!(skim(&[JSON.as_bytes()]), expected());
        let bytes: Vec<&[u8]> = JSON.as_bytes().chunks(1).collect();
        assert_eq!(skim(&bytes), expected());
        for at in 0..JSON.len() {
            let (a, b) = JSON.as_bytes().split_at(at);
            assert_eq!(skim(&[a, b]), expected(), "split at {at}");
        }
    }

    #[test]
    fn a_value_that_is_too_large_counts_as_absent() {
        let json = format!(
            r#"{{"usage":"{}","n":1}}"#,
            "x".repeat(JsonSkimmer::LARGEST)
        );
        assert_eq!(skim(&[json.as_bytes()]), [("n".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn what_is_no_object_finds_nothing_and_does_not_panic() {
        for odd in [
            "",
            "]]]}}}",
            "[1,2]",
            "\"usage\":1",
            "{\"usage",
            "{{{{",
            "{\"usage\":",
        ] {
            assert_eq!(skim(&[odd.as_bytes()]), [], "{odd}");
        }
    }
}
