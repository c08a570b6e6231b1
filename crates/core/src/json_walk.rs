use std::borrow::Cow;
use std::ops::Range;

use crate::json_cursor::JsonCursor;

/// Walks over a JSON text that is at hand, value by value, and builds nothing.
///
/// For layers that have to find a few values in a text that may be large, and to say where
/// they stand. What is nobody's business is skipped without recursion, however deep it is.
///
/// It checks no more than it needs to find its way: a text that a strict parser takes is read
/// as such a parser reads it, and of any other it may take some.
///
/// ```
/// use tower_claude_core::JsonWalk;
///
/// let json = br#"{"id":"one","list":[1,{"id":"two"}]}"#;
/// let mut walk = JsonWalk::new(json);
/// assert!(walk.enter_object());
/// while let Some(key) = walk.next_key() {
///     let value = walk.skip();
///     match &*key {
///         "id" => assert_eq!(JsonWalk::text_of(value).as_deref(), Some("one")),
///         other => assert_eq!((other, walk.place(value)), ("list", 19..35)),
///     }
/// }
/// assert!(walk.is_at_end());
/// ```
#[derive(Clone, Debug)]
pub struct JsonWalk<'a> {
    json: &'a [u8],
    cursor: JsonCursor<'a>,
    /// A key could not be read.
    is_lost: bool,
}

// === impl JsonWalk ===

impl<'a> JsonWalk<'a> {
    /// Stands before the first value.
    #[must_use]
    pub const fn new(json: &'a [u8]) -> Self {
        Self {
            json,
            cursor: JsonCursor::new(json),
            is_lost: false,
        }
    }

    /// How many bytes it has walked over.
    ///
    /// Where it has just read a whole value of an array or object, a new walk over the rest
    /// goes on from there.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.json.len() - self.cursor.left()
    }

    /// Whether it has met what is not JSON; what it says from then on means nothing.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.is_lost || self.cursor.is_broken()
    }

    /// Whether nothing but white space is left, and all before it was well.
    pub fn is_at_end(&mut self) -> bool {
        self.cursor.is_at_end() && !self.is_lost
    }

    /// Whether the value is an object, which is then entered; otherwise nothing happens.
    pub fn enter_object(&mut self) -> bool {
        self.cursor.enter_object()
    }

    /// Whether the value is an array, which is then entered; otherwise nothing happens.
    pub fn enter_array(&mut self) -> bool {
        self.cursor.enter_array()
    }

    /// The next key of the object it is in, its escapes resolved; after it comes the value.
    /// `None` leaves the object.
    ///
    /// A key that is no text (escapes of half a character, say) breaks the walk, lest it is
    /// one to others.
    pub fn next_key(&mut self) -> Option<Cow<'a, str>> {
        if self.is_lost {
            return None;
        }
        let key = self.cursor.next_key()?;
        let text = if key.contains(&b'\\') {
            let quoted = [b"\"", key, b"\""].concat();
            serde_json::from_slice(&quoted).ok().map(Cow::Owned)
        } else {
            std::str::from_utf8(key).ok().map(Cow::Borrowed)
        };
        self.is_lost |= text.is_none();
        text
    }

    /// Whether the array it is in has another value, which it then stands before. `false`
    /// leaves the array.
    pub fn next_value(&mut self) -> bool {
        !self.is_lost && self.cursor.next_value()
    }

    /// Skips a value and gives it as it stands.
    pub fn skip(&mut self) -> &'a [u8] {
        self.cursor.skip()
    }

    /// Where a value that it has given stands in the text.
    #[must_use]
    pub fn place(&self, value: &[u8]) -> Range<usize> {
        let start = (value.as_ptr() as usize).wrapping_sub(self.json.as_ptr() as usize);
        start..start.wrapping_add(value.len())
    }

    /// The text of a value that is a string, its escapes resolved; `None` for any other.
    #[must_use]
    pub fn text_of(value: &'a [u8]) -> Option<Cow<'a, str>> {
        JsonCursor::new(value).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_however_they_are_spelt() {
        let mut walk = JsonWalk::new(br#"{"\u006dodel":1,"model":2}"#);
        assert!(walk.enter_object());
        assert_eq!(walk.next_key().as_deref(), Some("model"));
        assert_eq!(walk.skip(), b"1");
        assert_eq!(walk.next_key().as_deref(), Some("model"));
        assert_eq!(walk.skip(), b"2");
        assert_eq!(walk.next_key(), None);
        assert!(walk.is_at_end());
    }

    #[test]
    fn a_key_that_is_no_text_breaks_it() {
        for json in [
            &br#"{"\ud800":1,"a":2}"#[..],
            br#"{"\x":1,"a":2}"#,
            b"{\"\xff\":1,\"a\":2}",
        ] {
            let mut walk = JsonWalk::new(json);
            assert!(walk.enter_object());
            assert_eq!(walk.next_key(), None);
            assert!(walk.is_broken());
            assert_eq!(walk.next_key(), None, "it stays broken");
            assert!(!walk.next_value() && !walk.is_at_end());
        }
    }

    #[test]
    fn another_walk_goes_on_where_one_stands() {
        let json = br#"{"list":[ {"a":1} , {"a":2} ],"b":3}"#;
        let mut walk = JsonWalk::new(json);
        assert!(walk.enter_object());
        assert_eq!(walk.next_key().as_deref(), Some("list"));
        assert!(walk.enter_array() && walk.next_value());
        assert_eq!(walk.skip(), br#"{"a":1}"#);
        let mut other = JsonWalk::new(&json[walk.at()..]);
        assert!(other.next_value());
        let second = other.skip();
        assert_eq!(second, br#"{"a":2}"#);
        let place = other.place(second);
        assert_eq!(&json[walk.at()..][place], second);
        assert!(!other.next_value());
        assert_eq!(other.next_key().as_deref(), Some("b"));
        assert_eq!(other.skip(), b"3");
        assert_eq!(other.next_key(), None);
        assert!(other.is_at_end());
    }

    #[test]
    fn only_a_string_has_a_text() {
        assert_eq!(JsonWalk::text_of(br#""a\u0062""#).as_deref(), Some("ab"));
        for value in [&b"null"[..], b"1", b"[]", b"", b"\"", b"\"\\ud800\""] {
            assert_eq!(JsonWalk::text_of(value), None);
        }
    }
}
