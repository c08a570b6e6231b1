//! Reads `usage` objects as upstream sends them: leniently, because an answer is never failed
//! over its meter. The last of two equal keys wins, fractions are cut, negatives are 0, and a
//! field of the wrong type counts as absent.

use crate::json_cursor::JsonCursor;
use crate::usage::{Iteration, IterationKind, Usage};

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
                usage.iterations = iterations(cursor);
            } else {
                usage.read_field(key, cursor);
            }
        })?;
        Some(usage)
    }

    /// Reads a field that the usage of a message and that of an iteration both have.
    fn read_field(&mut self, key: &[u8], cursor: &mut JsonCursor<'_>) {
        let count = |cursor: &mut JsonCursor<'_>| cursor.count(Self::MOST);
        match key {
            b"input_tokens" => self.input_tokens = count(cursor),
            b"output_tokens" => self.output_tokens = count(cursor),
            b"cache_read_input_tokens" => self.cache_read_input_tokens = count(cursor),
            b"cache_creation_input_tokens" => self.cache_creation_input_tokens = count(cursor),
            b"cache_creation" => {
                let (mut five_minutes, mut one_hour) = (None, None);
                for_each_field(cursor, |key, cursor| match key {
                    b"ephemeral_5m_input_tokens" => five_minutes = count(cursor),
                    b"ephemeral_1h_input_tokens" => one_hour = count(cursor),
                    _ => drop_value(cursor),
                });
                self.cache_creation_5m_input_tokens = five_minutes;
                self.cache_creation_1h_input_tokens = one_hour;
            }
            b"server_tool_use" => {
                let mut searches = None;
                for_each_field(cursor, |key, cursor| match key {
                    b"web_search_requests" => searches = count(cursor),
                    _ => drop_value(cursor),
                });
                self.web_search_requests = searches;
            }
            b"service_tier" => self.service_tier = word(cursor),
            b"speed" => self.speed = word(cursor),
            b"inference_geo" => self.inference_geo = word(cursor),
            _ => drop_value(cursor),
        }
    }
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

fn iterations(cursor: &mut JsonCursor<'_>) -> Option<Vec<Iteration>> {
    if !cursor.enter_array() {
        drop_value(cursor);
        return None;
    }
    let mut iterations = Vec::new();
    while cursor.next_value() {
        let mut iteration = Iteration {
            kind: IterationKind::Other("".into()),
            model: None,
            usage: Usage::default(),
        };
        let read = for_each_field(cursor, |key, cursor| match key {
            b"type" => {
                if let Some(kind) = word(cursor) {
                    iteration.kind = kind;
                }
            }
            b"model" => iteration.model = word(cursor),
            _ => iteration.usage.read_field(key, cursor),
        });
        iterations.extend(read.map(|()| iteration));
    }
    Some(iterations)
}

fn word<T>(cursor: &mut JsonCursor<'_>) -> Option<T>
where
    T: for<'a> From<&'a str>,
{
    cursor.text().map(|text| T::from(&text))
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
    fn odd_numbers_are_clamped_and_odd_types_are_absent() {
        let usage = Usage::from_json(
            br#"{"input_tokens":2.9,"output_tokens":-2,"cache_read_input_tokens":18446744073709551616,
            "cache_creation_input_tokens":"12","cache_creation":[1],"server_tool_use":true,
            "service_tier":7,"iterations":{"a":1},"input_tokens":3}"#,
        )
        .unwrap();
        assert_eq!(usage.input_tokens, Some(3), "the last of two wins");
        assert_eq!(usage.output_tokens, Some(0));
        assert_eq!(usage.cache_read_input_tokens, Some(Usage::MOST));
        assert_eq!(usage.cache_creation_input_tokens, None);
        assert_eq!(usage.service_tier, None);
        assert_eq!(usage.iterations, None);
    }

    #[test]
    fn what_is_no_object_is_no_usage() {
        for json in ["null", "3", "[]", "\"x\"", "{", ""] {
            assert_eq!(Usage::from_json(json.as_bytes()), None, "{json}");
        }
    }
}
