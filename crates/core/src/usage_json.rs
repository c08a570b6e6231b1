//! Reads `usage` objects as upstream sends them: leniently, because an answer is never failed
//! over its meter. The last of two equal keys wins, fractions are cut, negatives are 0, and a
//! field of the wrong type counts as absent.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::usage::{Iteration, IterationKind, Usage};

/// A count of tokens; `None` where the JSON holds no number.
#[derive(Clone, Copy, Default)]
struct Count(Option<u64>);

/// A word; `None` where the JSON holds no string.
#[derive(Default)]
pub(crate) struct Word(pub(crate) Option<Box<str>>);

/// A string read as one of our enums, without keeping the string.
struct Named<T>(Option<T>);

#[derive(Default)]
struct CacheCreation {
    five_minutes: Option<u64>,
    one_hour: Option<u64>,
}

#[derive(Default)]
struct ServerTools {
    web_search_requests: Option<u64>,
}

struct Iterations(Option<Vec<Iteration>>);

/// Visits any JSON value and yields `T::default()` for all but what it overrides.
macro_rules! lenient {
    ($visitor:ident, $value:ty, $expecting:literal, { $($override:tt)* } $(, skip $skip:ident)*) => {
        struct $visitor;

        impl<'de> Visitor<'de> for $visitor {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expecting)
            }

            $($override)*
        }
    };
}

macro_rules! other_types_are_absent {
    ($absent:expr; $($kind:ident),*) => {
        $(other_types_are_absent!(@ $absent, $kind);)*
    };
    (@ $absent:expr, bool) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($absent) }
    };
    (@ $absent:expr, null) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($absent) }
    };
    (@ $absent:expr, numbers) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($absent) }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($absent) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($absent) }
    };
    (@ $absent:expr, string) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($absent) }
    };
    (@ $absent:expr, array) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok($absent)
        }
    };
    (@ $absent:expr, object) => {
        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($absent)
        }
    };
}

lenient!(CountVisitor, Count, "a count", {
    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count(Some(count.min(Usage::MOST))))
    }
    fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
        Ok(Count(Some(
            u64::try_from(count).unwrap_or(0).min(Usage::MOST),
        )))
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and the cap is far below 2^53"
    )]
    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        Ok(Count(Some((count as u64).min(Usage::MOST))))
    }
    other_types_are_absent!(Count(None); bool, null, string, array, object);
});

lenient!(WordVisitor, Word, "a word", {
    fn visit_str<E>(self, word: &str) -> Result<Word, E> {
        Ok(Word(Some(word.into())))
    }
    other_types_are_absent!(Word(None); bool, null, numbers, array, object);
});

lenient!(UsageVisitor, Option<Usage>, "a usage object", {
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<Usage>, A::Error> {
        let mut usage = Usage::default();
        while let Some(key) = fields.next_key::<Key>()? {
            if key == Key::Iterations {
                usage.iterations = fields.next_value::<Iterations>()?.0;
            } else {
                read_field(&mut usage, key, &mut fields)?;
            }
        }
        Ok(Some(usage))
    }
    other_types_are_absent!(None; bool, null, numbers, string, array);
});

lenient!(IterationVisitor, Option<Iteration>, "an iteration", {
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<Iteration>, A::Error> {
        let mut iteration = Iteration {
            kind: IterationKind::Other("".into()),
            model: None,
            usage: Usage::default(),
        };
        while let Some(key) = fields.next_key::<Key>()? {
            match key {
                Key::Type => {
                    if let Some(kind) = fields.next_value::<Named<IterationKind>>()?.0 {
                        iteration.kind = kind;
                    }
                }
                Key::Model => iteration.model = fields.next_value::<Word>()?.0,
                key => read_field(&mut iteration.usage, key, &mut fields)?,
            }
        }
        Ok(Some(iteration))
    }
    other_types_are_absent!(None; bool, null, numbers, string, array);
});

lenient!(IterationsVisitor, Iterations, "a list of iterations", {
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Iterations, A::Error> {
        struct Item(Option<Iteration>);
        impl<'de> Deserialize<'de> for Item {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IterationVisitor).map(Self)
            }
        }
        let mut iterations = Vec::new();
        while let Some(Item(item)) = items.next_element()? {
            iterations.extend(item);
        }
        Ok(Iterations(Some(iterations)))
    }
    other_types_are_absent!(Iterations(None); bool, null, numbers, string, object);
});

lenient!(
    CacheCreationVisitor,
    CacheCreation,
    "cache creation by lifetime",
    {
        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<CacheCreation, A::Error> {
            let mut parts = CacheCreation::default();
            while let Some(key) = fields.next_key::<Key>()? {
                match key {
                    Key::FiveMinutes => parts.five_minutes = fields.next_value::<Count>()?.0,
                    Key::OneHour => parts.one_hour = fields.next_value::<Count>()?.0,
                    _ => {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(parts)
        }
        other_types_are_absent!(CacheCreation::default(); bool, null, numbers, string, array);
    }
);

lenient!(ServerToolsVisitor, ServerTools, "server tool counts", {
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ServerTools, A::Error> {
        let mut tools = ServerTools::default();
        while let Some(key) = fields.next_key::<Key>()? {
            if key == Key::WebSearchRequests {
                tools.web_search_requests = fields.next_value::<Count>()?.0;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(tools)
    }
    other_types_are_absent!(ServerTools::default(); bool, null, numbers, string, array);
});

/// The keys of `usage`, of its parts and of its iterations that we read.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    InputTokens,
    OutputTokens,
    CacheReadInputTokens,
    CacheCreationInputTokens,
    CacheCreation,
    #[serde(rename = "ephemeral_5m_input_tokens")]
    FiveMinutes,
    #[serde(rename = "ephemeral_1h_input_tokens")]
    OneHour,
    ServerToolUse,
    WebSearchRequests,
    ServiceTier,
    Speed,
    InferenceGeo,
    Iterations,
    Type,
    Model,
    #[serde(other)]
    Unknown,
}

fn read_field<'de, A: MapAccess<'de>>(
    usage: &mut Usage,
    key: Key,
    fields: &mut A,
) -> Result<(), A::Error> {
    match key {
        Key::InputTokens => usage.input_tokens = fields.next_value::<Count>()?.0,
        Key::OutputTokens => usage.output_tokens = fields.next_value::<Count>()?.0,
        Key::CacheReadInputTokens => {
            usage.cache_read_input_tokens = fields.next_value::<Count>()?.0;
        }
        Key::CacheCreationInputTokens => {
            usage.cache_creation_input_tokens = fields.next_value::<Count>()?.0;
        }
        Key::CacheCreation => {
            let parts = fields.next_value::<CacheCreation>()?;
            usage.cache_creation_5m_input_tokens = parts.five_minutes;
            usage.cache_creation_1h_input_tokens = parts.one_hour;
        }
        Key::ServerToolUse => {
            usage.web_search_requests = fields.next_value::<ServerTools>()?.web_search_requests;
        }
        Key::ServiceTier => usage.service_tier = fields.next_value::<Named<_>>()?.0,
        Key::Speed => usage.speed = fields.next_value::<Named<_>>()?.0,
        Key::InferenceGeo => usage.inference_geo = fields.next_value::<Named<_>>()?.0,
        _ => {
            fields.next_value::<IgnoredAny>()?;
        }
    }
    Ok(())
}

macro_rules! deserialize_any {
    ($($type:ty => $visitor:expr),+ $(,)?) => {
        $(impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        })+
    };
}

deserialize_any!(
    Count => CountVisitor,
    Word => WordVisitor,
    Iterations => IterationsVisitor,
    CacheCreation => CacheCreationVisitor,
    ServerTools => ServerToolsVisitor,
);

impl<'de, T: for<'a> From<&'a str>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            Word::deserialize(deserializer)?
                .0
                .map(|word| T::from(&word)),
        ))
    }
}

/// A `usage` value of any type; `None` where it is not an object.
pub(crate) struct LenientUsage(pub(crate) Option<Usage>);

impl<'de> Deserialize<'de> for LenientUsage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UsageVisitor).map(Self)
    }
}

impl Usage {
    /// Reads a `usage` object from JSON, leniently; `None` where there is none to read.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice::<LenientUsage>(json).ok()?.0
    }
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
