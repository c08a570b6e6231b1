use std::borrow::Cow;

use memchr::memchr_iter;

/// Walks over a JSON text, value by value, and builds nothing.
///
/// For what upstream sends about an answer: whoever asks for a number and meets a string gets
/// `None`, and what is nobody's business is skipped without recursion. What is not JSON makes
/// it [`JsonCursor::is_broken`]; what was read until then may be of no use.
#[derive(Clone, Debug)]
pub(crate) struct JsonCursor<'a> {
    rest: &'a [u8],
    /// Whether it stands where an object or array has just begun.
    is_first: bool,
    is_broken: bool,
}

// === impl JsonCursor ===

impl<'a> JsonCursor<'a> {
    pub(crate) const fn new(json: &'a [u8]) -> Self {
        Self {
            rest: json,
            is_first: false,
            is_broken: false,
        }
    }

    /// Stands before a field of an object, the first of its name.
    pub(crate) fn field(json: &'a [u8], name: &[u8]) -> Option<Self> {
        let mut cursor = Self::new(json);
        if !cursor.enter_object() {
            return None;
        }
        while let Some(key) = cursor.next_key() {
            if key == name {
                return Some(cursor);
            }
            cursor.skip();
        }
        None
    }

    /// Whether it has met what is not JSON.
    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether nothing but white space is left, and all before it was well.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty() && !self.is_broken
    }

    /// How many bytes it has not walked over yet.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether the value is an object, which is then entered; otherwise nothing happens.
    pub(crate) fn enter_object(&mut self) -> bool {
        self.enter(b'{')
    }

    /// Whether the value is an array, which is then entered; otherwise nothing happens.
    pub(crate) fn enter_array(&mut self) -> bool {
        self.enter(b'[')
    }

    /// The next key of the object it is in; after it comes the value. `None` leaves the object.
    ///
    /// A key is given as it stands, without its quotes: none that is looked for has escapes.
    pub(crate) fn next_key(&mut self) -> Option<&'a [u8]> {
        if !self.next_of(b'}') {
            return None;
        }
        let key = self.string()?;
        self.skip_space();
        if !self.skip_byte(b':') {
            return self.broken();
        }
        Some(key)
    }

    /// Whether the array it is in has another value, which it then stands before. `false`
    /// leaves the array.
    pub(crate) fn next_value(&mut self) -> bool {
        self.next_of(b']')
    }

    /// A string, decoded; `None` for any other value.
    pub(crate) fn text(&mut self) -> Option<Cow<'a, str>> {
        self.skip_space();
        if self.rest.first() != Some(&b'"') {
            self.skip();
            return None;
        }
        let raw = self.skip();
        let inner = raw.get(1..raw.len().checked_sub(1)?)?;
        if memchr::memchr(b'\\', inner).is_none() {
            return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
        }
        serde_json::from_slice(raw).ok().map(Cow::Owned)
    }

    /// Skips a value and gives it as it stands.
    pub(crate) fn skip(&mut self) -> &'a [u8] {
        self.skip_space();
        let begin = self.rest;
        match begin.first() {
            Some(b'"') => {
                self.string();
            }
            Some(b'{' | b'[') => self.skip_nested(),
            Some(_) => {
                let is_over = |byte: &u8| b",]} \t\r\n".contains(byte);
                let end = begin.iter().position(is_over).unwrap_or(begin.len());
                if end == 0 {
                    self.is_broken = true;
                }
                self.rest = &begin[end..];
            }
            None => self.is_broken = true,
        }
        &begin[..begin.len() - self.rest.len()]
    }

    fn enter(&mut self, open: u8) -> bool {
        self.skip_space();
        self.is_first = self.skip_byte(open);
        self.is_first
    }

    /// Whether there is another member before `close`, which is skipped if there is none.
    fn next_of(&mut self, close: u8) -> bool {
        self.skip_space();
        let is_first = std::mem::take(&mut self.is_first);
        let is_parted = !is_first && self.skip_byte(b',');
        self.skip_space();
        if !is_parted && self.skip_byte(close) {
            return false;
        }
        self.is_broken |= self.rest.is_empty() || !(is_first || is_parted);
        !self.is_broken
    }

    /// A string as it stands between its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.skip_byte(b'"') {
            return self.broken();
        }
        let begin = self.rest;
        // Prompts are full of escaped line ends and have few quotes: so quotes are looked for,
        // and each is asked whether it is escaped.
        for at in memchr_iter(b'"', begin) {
            let backslashes = begin[..at].iter().rev().take_while(|byte| **byte == b'\\');
            if backslashes.count() % 2 == 0 {
                self.rest = &begin[at + 1..];
                return Some(&begin[..at]);
            }
        }
        self.rest = &[];
        self.broken()
    }

    fn skip_nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.rest.first() {
            match byte {
                b'"' => {
                    if self.string().is_none() {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.rest = &self.rest[1..];
            if depth == 0 {
                return;
            }
        }
        self.is_broken = true;
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn skip_byte(&mut self, expected: u8) -> bool {
        match self.rest {
            [byte, rest @ ..] if *byte == expected => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn broken<T>(&mut self) -> Option<T> {
        self.is_broken = true;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_over_what_it_is_asked_and_skips_the_rest() {
        let json = br#" { "a" : 12 , "skip":{"a":[1,"}\"]"],"b":{}}, "s":"caf\u00e9", "list":[ 1, "x" ,null ] } "#;
        let mut cursor = JsonCursor::new(json);
        assert!(cursor.enter_object());
        assert_eq!(cursor.next_key(), Some(&b"a"[..]));
        assert_eq!(cursor.skip(), b"12");
        assert_eq!(cursor.next_key(), Some(&b"skip"[..]));
        assert_eq!(cursor.skip(), br#"{"a":[1,"}\"]"],"b":{}}"#);
        assert_eq!(cursor.next_key(), Some(&b"s"[..]));
        assert_eq!(cursor.text().as_deref(), Some("café"));
        assert_eq!(cursor.next_key(), Some(&b"list"[..]));
        assert!(cursor.enter_array());
        assert!(cursor.next_value());
        assert_eq!(cursor.text(), None, "a number is no text");
        assert!(cursor.next_value());
        assert_eq!(cursor.skip(), b"\"x\"");
        assert!(cursor.next_value());
        assert_eq!(cursor.skip(), b"null");
        assert!(!cursor.next_value());
        assert_eq!(cursor.next_key(), None);
        assert!(!cursor.is_broken());
    }

    #[test]
    fn a_string_ends_at_its_first_quote_that_is_not_escaped() {
        for (json, text) in [
            (r#""a\\" x"#, r"a\\"),
            (r#""a\"b" x"#, r#"a\"b"#),
            (r#""\\\"" x"#, r#"\\\""#),
            (r#""" x"#, ""),
        ] {
            let mut cursor = JsonCursor::new(json.as_bytes());
            assert_eq!(cursor.string(), Some(text.as_bytes()), "{json}");
            assert_eq!(cursor.rest, b" x", "{json}");
        }
    }

    #[test]
    fn what_is_no_json_breaks_it_and_nothing_else() {
        for text in [
            "",
            "{",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":[",
            "{\"a\" 1}",
            "{1:2}",
            "{\"a\":\"x\\",
        ] {
            let mut cursor = JsonCursor::new(text.as_bytes());
            if cursor.enter_object() {
                while cursor.next_key().is_some() {
                    cursor.skip();
                }
            } else {
                cursor.skip();
            }
            assert!(cursor.is_broken(), "{text}");
        }
    }

    #[test]
    fn any_depth_is_skipped_without_recursion() {
        let deep = "[".repeat(1_000_000);
        let mut cursor = JsonCursor::new(deep.as_bytes());
        cursor.skip();
        assert!(cursor.is_broken());
    }
}
