//! Reads `usage` objects as upstream sends them: leniently, because an answer is never failed
//! over its meter, and never guessing, because money hangs on it. The last of two equal keys
//! wins. What is not what it should be counts as absent and is remembered as unknown, as is
//! what we have not heard of and may cost something.

use crate::json_cursor::JsonCursor;
use crate::usage::{Iteration, IterationKind, Usage};

/// Counts that are known to cost nothing of their own.
const FREE: [&[u8]; 4] = [
    b"output_tokens_details",
    b"web_fetch_requests",
    b"code_execution_requests",
    b"tool_search_requests",
];

impl Usage {
    /// Reads a `usage` object from JSON, leniently; `None` where there is none to read.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let mut cursor = JsonCursor::new(json);
        let usage = Self::read(&mut cursor);
        usage.filter(|_| !cursor.is_broken())
    }

    /// Reads the value the cursor stands before; `None` if it is no object.
    pub(crate) fn read(cursor: &mut JsonCursor<'_>) -> Option<Self> {
        let mut usage = Self::default();
        for_each_field(cursor, |key, cursor| {
            if key == b"iterations" {
                usage.iterations = usage.iterations(cursor);
            } else {
                usage.read_field(key, cursor);
            }
        })?;
        Some(usage)
    }

    /// Reads a field that the usage of a message and that of an iteration both have.
    fn read_field(&mut self, key: &[u8], cursor: &mut JsonCursor<'_>) {
        match key {
            b"input_tokens" => self.input_tokens = self.count(key, cursor),
            b"output_tokens" => self.output_tokens = self.count(key, cursor),
            b"cache_read_input_tokens" => {
                self.cache_read_input_tokens = self.count(key, cursor);
            }
            b"cache_creation_input_tokens" => {
                self.cache_creation_input_tokens = self.count(key, cursor);
            }
            b"cache_creation" => {
                (
                    self.cache_creation_5m_input_tokens,
                    self.cache_creation_1h_input_tokens,
                ) = (None, None);
                self.nested(key, cursor, |usage, key, cursor| match key {
                    b"ephemeral_5m_input_tokens" => {
                        usage.cache_creation_5m_input_tokens = usage.count(key, cursor);
                    }
                    b"ephemeral_1h_input_tokens" => {
                        usage.cache_creation_1h_input_tokens = usage.count(key, cursor);
                    }
                    _ => usage.note(key, cursor),
                });
            }
            b"server_tool_use" => {
                self.web_search_requests = None;
                self.nested(key, cursor, |usage, key, cursor| match key {
                    b"web_search_requests" => {
                        usage.web_search_requests = usage.count(key, cursor);
                    }
                    _ => usage.note(key, cursor),
                });
            }
            // A credit lowers the bill by an amount the answer does not tell.
            b"fallback_credit" => {
                if memchr::memmem::find(cursor.skip(), b"\"redeemed\"").is_some() {
                    self.unknown(key);
                }
            }
            b"service_tier" => self.service_tier = self.word(key, cursor),
            b"speed" => self.speed = self.word(key, cursor),
            b"inference_geo" => self.inference_geo = self.word(key, cursor),
            _ => self.note(key, cursor),
        }
    }

    /// Reads a whole number; `null` is absent, and anything else unknown.
    fn count(&mut self, key: &[u8], cursor: &mut JsonCursor<'_>) -> Option<u64> {
        let text = cursor.skip();
        if text == b"null" {
            return None;
        }
        let is_number = (1..=10).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
        let number = text.iter().fold(0, |number: u64, digit| {
            number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
        });
        if is_number && number <= Self::MOST {
            return Some(number);
        }
        self.unknown(key);
        None
    }

    /// Reads a word; `null` is absent, and anything else unknown.
    fn word<T>(&mut self, key: &[u8], cursor: &mut JsonCursor<'_>) -> Option<T>
    where
        T: for<'a> From<&'a str>,
    {
        let value = cursor.skip();
        let word = JsonCursor::new(value).text().map(|text| T::from(&text));
        if word.is_none() && value != b"null" {
            self.unknown(key);
        }
        word
    }

    /// Reads an object; `null` is absent, and anything else unknown.
    fn nested<'a>(
        &mut self,
        key: &[u8],
        cursor: &mut JsonCursor<'a>,
        mut read: impl FnMut(&mut Self, &'a [u8], &mut JsonCursor<'a>),
    ) {
        let value = cursor.skip();
        let mut inner = JsonCursor::new(value);
        let found = for_each_field(&mut inner, |key, cursor| read(self, key, cursor));
        if found.is_none() && value != b"null" {
            self.unknown(key);
        }
    }

    /// Reads what we have not heard of: a count in it may be of something that costs.
    fn note(&mut self, key: &[u8], cursor: &mut JsonCursor<'_>) {
        let value = cursor.skip();
        if !FREE.contains(&key) && has_count(value) {
            self.unknown(key);
        }
    }

    fn unknown(&mut self, key: &[u8]) {
        // Of somebody else's choice, so not of any length.
        let key = &key[..key.len().min(64)];
        self.unknown
            .get_or_insert_with(|| String::from_utf8_lossy(key).into());
    }

    fn iterations(&mut self, cursor: &mut JsonCursor<'_>) -> Option<Vec<Iteration>> {
        let mut value = JsonCursor::new(cursor.skip());
        if !value.enter_array() {
            if value.skip() != b"null" {
                self.unknown(b"iterations");
            }
            return None;
        }
        let mut iterations = Vec::new();
        while value.next_value() {
            let mut iteration = Iteration {
                kind: IterationKind::Other("".into()),
                model: None,
                usage: Self::default(),
            };
            let read = for_each_field(&mut value, |key, cursor| match key {
                b"type" => {
                    let kind = iteration.usage.word(key, cursor);
                    iteration.kind = kind.unwrap_or(IterationKind::Other("".into()));
                }
                b"model" => iteration.model = iteration.usage.word(key, cursor),
                _ => iteration.usage.read_field(key, cursor),
            });
            match read {
                Some(()) => iterations.push(iteration),
                None => self.unknown(b"iterations"),
            }
        }
        Some(iterations)
    }
}

/// Whether a value is a number other than zero, or holds one; any depth is read flat.
fn has_count(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        match byte {
            b'"' => {
                let mut string = JsonCursor::new(rest);
                let length = string.skip().len().max(1);
                rest = &rest[length..];
            }
            b'1'..=b'9' => return true,
            _ => rest = after,
        }
    }
    false
}

/// Reads each field of an object; `None`, with the value skipped, for what is none.
fn for_each_field<'a>(
    cursor: &mut JsonCursor<'a>,
    mut read: impl FnMut(&'a [u8], &mut JsonCursor<'a>),
) -> Option<()> {
    if !cursor.enter_object() {
        drop_value(cursor);
        return None;
    }
    while let Some(key) = cursor.next_key() {
        read(key, cursor);
    }
    Some(())
}

fn drop_value(cursor: &mut JsonCursor<'_>) {
    cursor.skip();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{InferenceGeo, ServiceTier, Speed};

    #[test]
    fn reads_all_the_fields_of_a_message() {
        let usage = Usage::from_json(
            br#"{"input_tokens":37,"cache_creation_input_tokens":2300,"cache_read_input_tokens":10240,
            "cache_creation":{"ephemeral_5m_input_tokens":1800,"ephemeral_1h_input_tokens":500},
            "output_tokens":118,"output_tokens_details":{"thinking_tokens":71},
            "server_tool_use":{"web_search_requests":2,"web_fetch_requests":0},
            "service_tier":"standard","inference_geo":"us","speed":"fast"}"#,
        )
        .unwrap();
        assert_eq!(usage.prompt_tokens(), 12_577);
        assert_eq!(usage.cache_creation_1h_input_tokens, Some(500));
        assert_eq!(usage.web_search_requests, Some(2));
        assert_eq!(usage.service_tier, Some(ServiceTier::Standard));
        assert_eq!(usage.inference_geo, Some(InferenceGeo::Us));
        assert_eq!(usage.speed, Some(Speed::Fast));
        assert_eq!(usage.iterations, None);
    }

    #[test]
    fn reads_each_iteration_with_its_own_model() {
        let usage = Usage::from_json(
            br#"{"output_tokens":5,"iterations":[{"type":"compaction","input_tokens":9},
            {"type":"advisor_message","model":"claude-opus-5-5","output_tokens":7,"cache_creation":null},
            17,{"type":"new_kind"}]}"#,
        )
        .unwrap();
        let iterations = usage.iterations.unwrap();
        assert_eq!(iterations.len(), 3);
        assert_eq!(iterations[0].kind, IterationKind::Compaction);
        assert_eq!(iterations[0].model, None);
        assert_eq!(iterations[1].model.as_deref(), Some("claude-opus-5-5"));
        assert_eq!(iterations[2].kind, IterationKind::Other("new_kind".into()));
    }

    #[test]
    fn what_is_no_count_is_absent_and_unknown() {
        for odd in [
            "2.0",
            "-2",
            "-0",
            "18446744073709551616",
            "1000000001",
            "1e2",
            "\"12\"",
            "[1]",
            "{}",
            "true",
            "NaN",
        ] {
            let json = format!(r#"{{"input_tokens":3,"output_tokens":{odd}}}"#);
            let usage = Usage::from_json(json.as_bytes()).unwrap();
            assert_eq!(usage.output_tokens, None, "{odd}");
            assert_eq!(usage.unknown.as_deref(), Some("output_tokens"), "{odd}");
            assert_eq!(usage.input_tokens, Some(3));
        }
        for (json, field) in [
            (r#"{"cache_creation":[1]}"#, "cache_creation"),
            (r#"{"server_tool_use":true}"#, "server_tool_use"),
            (r#"{"service_tier":7}"#, "service_tier"),
            (r#"{"iterations":{"a":1}}"#, "iterations"),
            (r#"{"iterations":[17]}"#, "iterations"),
            (
                r#"{"fallback_credit":{"status":"redeemed"}}"#,
                "fallback_credit",
            ),
        ] {
            let usage = Usage::from_json(json.as_bytes()).unwrap();
            assert_eq!(usage.unknown.as_deref(), Some(field), "{json}");
        }
        let usage = Usage::from_json(br#"{"input_tokens":2,"input_tokens":3}"#).unwrap();
        assert_eq!(usage.input_tokens, Some(3), "the last of two wins");
    }

    #[test]
    fn a_count_of_something_unheard_of_is_unknown_and_nothing_else_is() {
        for (json, field) in [
            (r#"{"image_tokens":5}"#, Some("image_tokens")),
            (r#"{"audio":{"seconds":[0,{"n":0.5}]}}"#, Some("audio")),
            (
                r#"{"cache_creation":{"ephemeral_24h_input_tokens":9}}"#,
                Some("ephemeral_24h_input_tokens"),
            ),
            (
                r#"{"server_tool_use":{"map_requests":1}}"#,
                Some("map_requests"),
            ),
            (r#"{"image_tokens":0,"audio":{"n":[0,0.0]}}"#, None),
            (r#"{"note":"12 \" 7","is_new":true,"more":null}"#, None),
            (r#"{"output_tokens_details":{"thinking_tokens":71}}"#, None),
            (r#"{"server_tool_use":{"web_fetch_requests":4}}"#, None),
            (r#"{"fallback_credit":{"status":"not_applied"}}"#, None),
            (
                r#"{"service_tier":null,"cache_creation":null,"iterations":null}"#,
                None,
            ),
        ] {
            let usage = Usage::from_json(json.as_bytes()).unwrap();
            assert_eq!(usage.unknown.as_deref(), field, "{json}");
        }
    }

    #[test]
    fn what_is_no_object_is_no_usage() {
        for json in ["null", "3", "[]", "\"x\"", "{", ""] {
            assert_eq!(Usage::from_json(json.as_bytes()), None, "{json}");
        }
    }
}
