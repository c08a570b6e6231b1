//! By what the turns of one conversation are known.

use crate::json_cursor::JsonCursor;
use crate::stable_hash::StableHash;

/// Fewer bytes hold nothing that would be cached.
///
/// The shortest prefix that any model caches has 512 tokens (source: the page on prompt
/// caching), and a token has two bytes of JSON at the very least.
const LEAST: usize = 512 * 2;

/// So much of each part is hashed at most.
const HASHED: usize = 4096;

/// So much of the beginning and of the end of a value is hashed.
const EDGE: usize = 512;

/// So much of the messages is looked at.
const WINDOW: usize = 16 * 1024;

/// A part of a prompt as it is hashed: values one by one, until there were enough.
struct Piecemeal<'a> {
    hash: &'a mut StableHash,
    left: usize,
}

/// The conversation of a session.
pub(crate) fn of_session(session: &str) -> u64 {
    let mut hash = StableHash::new(1);
    hash.bytes(session.as_bytes());
    hash.finish()
}

/// The conversation that these parts of a prompt belong to, if there is anything to cache.
pub(crate) fn of_prompt(system: &[u8], tools: &[u8], messages: &[u8]) -> Option<u64> {
    // Of images and documents that are only referred to, the size is not there.
    let is_small = [system, tools, messages]
        .map(<[u8]>::len)
        .iter()
        .sum::<usize>()
        < LEAST;
    if is_small && memchr::memmem::find(messages, b"\"source\"").is_none() {
        return None;
    }
    let window = messages.get(..WINDOW).unwrap_or(messages);
    let content = first_question(window)?;
    let mut hash = StableHash::new(2);
    for part in [system, tools] {
        hash.number(part.len() as u64);
        hash.bytes(part.get(..HASHED).unwrap_or(part));
    }
    let mut piecemeal = Piecemeal {
        hash: &mut hash,
        left: HASHED,
    };
    piecemeal.content(content);
    Some(hash.finish())
}

/// The content of the user's first message, as far as it is in sight.
fn first_question(messages: &[u8]) -> Option<&[u8]> {
    let mut cursor = JsonCursor::new(messages);
    if !cursor.enter_array() {
        return None;
    }
    while cursor.next_value() {
        if !cursor.enter_object() {
            cursor.skip();
            continue;
        }
        let (mut content, mut is_user) = (None, true);
        while let Some(key) = cursor.next_key() {
            let value = cursor.skip();
            match key {
                b"content" => content = Some(value),
                b"role" => is_user = value == br#""user""#,
                _ => {}
            }
        }
        if is_user && content.is_some() {
            return content;
        }
    }
    None
}

// === impl Piecemeal ===

impl Piecemeal<'_> {
    /// Takes in a text, or a list of blocks. A text and a block of it are the same.
    fn content(&mut self, content: &[u8]) {
        let mut cursor = JsonCursor::new(content);
        if !cursor.enter_array() {
            let value = cursor.skip();
            return self.value(value, cursor.is_broken());
        }
        while self.left > 0 && cursor.next_value() {
            if !cursor.enter_object() {
                let value = cursor.skip();
                self.value(value, cursor.is_broken());
                continue;
            }
            while let Some(key) = cursor.next_key() {
                let value = cursor.skip();
                match key {
                    // It moves on as the conversation grows.
                    b"cache_control" => continue,
                    b"type" if value == br#""text""# => continue,
                    b"text" => {}
                    _ => self.take(key),
                }
                self.value(value, cursor.is_broken());
            }
        }
    }

    /// Takes in both ends of a value and its length; of one that is cut off, the beginning.
    fn value(&mut self, value: &[u8], is_cut: bool) {
        let (begin, rest) = value.split_at(EDGE.min(value.len()));
        self.take(begin);
        if !is_cut {
            self.take(&rest[rest.len().saturating_sub(EDGE)..]);
            self.hash.number(value.len() as u64);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(..self.left).unwrap_or(bytes);
        self.left -= bytes.len();
        self.hash.bytes(bytes);
    }
}
