//! Reads the facts of a request from its JSON body: one borrowed pass, nothing copied.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;

use crate::attribution::Attribution;
use crate::json_cursor::JsonCursor;
use crate::json_text::JsonText;
use crate::needs::Needs;
use crate::{Endpoint, Refusal, RefusalKind, Text};

/// What a request body says, as far as any layer asks.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) model: Option<Text>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stream: bool,
    pub(crate) user: Option<Text>,
    /// Where the JSON values stand in the body.
    pub(crate) places: Places,
    /// What the members of the top level ask of the place where the call is served.
    pub(crate) needs: Needs,
}

/// Byte ranges of raw JSON values in a body; empty where absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) model: Range<usize>,
    pub(crate) system: Range<usize>,
    pub(crate) messages: Range<usize>,
    pub(crate) tools: Range<usize>,
}

/// The fields that are looked at, each where it stands; none is given twice.
#[derive(Default)]
struct Fields<'a> {
    model: Option<&'a [u8]>,
    max_tokens: Option<&'a [u8]>,
    stream: Option<&'a [u8]>,
    messages: Option<&'a [u8]>,
    system: Option<&'a [u8]>,
    tools: Option<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    needs: Needs,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    user_id: Option<JsonText<'a>>,
}

// === impl Facts ===

impl Facts {
    /// Reads the body of a call to `endpoint`. What could be read before a mistake was met
    /// comes with the refusal, for the record.
    ///
    /// It is strict about what it reads and about where the parts of the body begin and end;
    /// what is inside of those it does not read is upstream's to judge.
    pub(crate) fn read(endpoint: Endpoint, buffer: &Bytes) -> (Self, Result<(), Refusal>) {
        let mut facts = Self::default();
        let result = Fields::find(buffer).and_then(|fields| facts.take(endpoint, &fields, buffer));
        (facts, result)
    }

    fn take(
        &mut self,
        endpoint: Endpoint,
        body: &Fields<'_>,
        buffer: &Bytes,
    ) -> Result<(), Refusal> {
        let place = |raw: Option<&[u8]>| raw.map_or(0..0, |raw| place(buffer, raw));
        self.places = Places {
            model: place(body.model),
            system: place(body.system),
            messages: place(body.messages),
            tools: place(body.tools),
        };
        self.needs = body.needs;
        self.user = body.metadata.and_then(|raw| {
            let metadata: Metadata<'_> = serde_json::from_slice(raw).ok()?;
            let user = metadata.user_id?;
            Attribution::is_value(&user).then(|| Text::share(buffer, &user))
        });
        let model: JsonText<'_> = required(body.model, "model", "a string")?;
        if model.is_empty() {
            return Err(invalid("model", "must not be empty"));
        }
        self.model = Some(Text::share(buffer, &model));
        if let Some(raw) = body.stream {
            self.stream = typed(raw, "stream", "a boolean")?;
        }
        self.max_tokens = match (body.max_tokens, endpoint) {
            (None, Endpoint::Messages) => return Err(missing("max_tokens")),
            (None, _) => None,
            (Some(raw), _) => Some(typed(raw, "max_tokens", "a non-negative integer")?),
        };
        match body.messages {
            None => Err(missing("messages")),
            Some(raw) if raw.starts_with(b"[") => Ok(()),
            Some(_) => Err(invalid("messages", "must be an array")),
        }
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn find(json: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let mut cursor = JsonCursor::new(json);
        if !cursor.enter_object() {
            return Err(malformed(json));
        }
        while let Some(key) = cursor.next_key() {
            let value = cursor.skip();
            // A key may be spelt in escapes, and is then the same.
            let spelt: JsonText<'_>;
            let quoted;
            let mut key = key;
            if key.contains(&b'\\') {
                quoted = [b"\"", key, b"\""].concat();
                let Ok(text) = serde_json::from_slice(&quoted) else {
                    continue;
                };
                spelt = text;
                key = spelt.as_bytes();
            }
            let Some((name, slot)) = fields.slot(key) else {
                fields.needs.member(key, value);
                continue;
            };
            if slot.replace(value).is_some() {
                return Err(invalid(name, "must not be given twice"));
            }
        }
        if cursor.is_at_end() {
            Ok(fields.without_nulls())
        } else {
            Err(malformed(json))
        }
    }

    /// Where the value of a key belongs, if it is kept.
    fn slot(&mut self, key: &[u8]) -> Option<(&'static str, &mut Option<&'a [u8]>)> {
        Some(match key {
            b"model" => ("model", &mut self.model),
            b"max_tokens" => ("max_tokens", &mut self.max_tokens),
            b"stream" => ("stream", &mut self.stream),
            b"messages" => ("messages", &mut self.messages),
            b"system" => ("system", &mut self.system),
            b"tools" => ("tools", &mut self.tools),
            b"metadata" => ("metadata", &mut self.metadata),
            _ => return None,
        })
    }

    /// A null is as good as nothing.
    fn without_nulls(mut self) -> Self {
        for field in [
            &mut self.model,
            &mut self.max_tokens,
            &mut self.stream,
            &mut self.messages,
            &mut self.system,
            &mut self.tools,
            &mut self.metadata,
        ] {
            *field = field.filter(|value| *value != b"null");
        }
        self
    }
}

/// Where a slice of the buffer stands in it.
fn place(buffer: &Bytes, part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
    start..start + part.len()
}

fn required<'a, T: Deserialize<'a>>(
    raw: Option<&'a [u8]>,
    field: &'static str,
    expected: &'static str,
) -> Result<T, Refusal> {
    typed(raw.ok_or_else(|| missing(field))?, field, expected)
}

fn typed<'a, T: Deserialize<'a>>(
    raw: &'a [u8],
    field: &'static str,
    expected: &'static str,
) -> Result<T, Refusal> {
    // The parser's own error is not kept as the cause: it quotes the value.
    serde_json::from_slice(raw).map_err(|_| invalid(field, &format!("must be {expected}")))
}

fn missing(field: &'static str) -> Refusal {
    invalid(field, "Field required")
}

fn invalid(field: &'static str, what: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, format!("{field}: {what}"))
}

/// Not JSON, or not an object: a strict parser says which, and where; it never quotes.
fn malformed(json: &[u8]) -> Refusal {
    let message = match serde_json::from_slice::<serde::de::IgnoredAny>(json) {
        Ok(_) => "the request body must be a JSON object".to_owned(),
        Err(error) => format!(
            "the request body is not valid JSON (line {} column {})",
            error.line(),
            error.column()
        ),
    };
    Refusal::new(RefusalKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Facts, Result<(), String>) {
        let buffer = Bytes::copy_from_slice(json.as_bytes());
        let (facts, result) = Facts::read(Endpoint::Messages, &buffer);
        (
            facts,
            result.map_err(|refusal| refusal.message().to_owned()),
        )
    }

    #[test]
    fn reads_what_layers_ask_for() {
        let (facts, result) = read(
            r#"{"model":"claude-opus-5-5","max_tokens":0,"stream":true,"system":"be kind",
            "messages":[{"role":"user","content":"hi"}],"metadata":{"user_id":"ann"},"future":{"a":[1]}}"#,
        );
        result.unwrap();
        assert_eq!(facts.model.as_deref(), Some("claude-opus-5-5"));
        assert_eq!(facts.max_tokens, Some(0), "legal: warms the cache");
        assert!(facts.stream);
        assert_eq!(facts.user.as_deref(), Some("ann"));
        assert_eq!(facts.places.system.len(), "\"be kind\"".len());
        assert!(facts.places.tools.is_empty());
    }

    #[test]
    fn a_model_in_escapes_is_the_model_it_spells() {
        let (facts, result) = read(r#"{"model":"claude\u002dx","max_tokens":1,"messages":[]}"#);
        result.unwrap();
        assert_eq!(facts.model.as_deref(), Some("claude-x"));
    }

    #[test]
    fn names_the_field_that_is_missing_or_mistyped() {
        for (json, message) in [
            ("{}", "model: Field required"),
            (r#"{"model":null}"#, "model: Field required"),
            (r#"{"model":3}"#, "model: must be a string"),
            (r#"{"model":""}"#, "model: must not be empty"),
            (r#"{"model":"m"}"#, "max_tokens: Field required"),
            (
                r#"{"model":"m","max_tokens":"9"}"#,
                "max_tokens: must be a non-negative integer",
            ),
            (
                r#"{"model":"m","max_tokens":-1,"messages":[]}"#,
                "max_tokens: must be a non-negative integer",
            ),
            (
                r#"{"model":"m","max_tokens":1}"#,
                "messages: Field required",
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":{}}"#,
                "messages: must be an array",
            ),
            (
                r#"{"model":"m","stream":1,"max_tokens":1,"messages":[]}"#,
                "stream: must be a boolean",
            ),
            (
                r#"{"model":"m","model":"n","max_tokens":1,"messages":[]}"#,
                "model: must not be given twice",
            ),
            (
                r#"{"stream":true,"stream":false,"model":"m"}"#,
                "stream: must not be given twice",
            ),
            (
                r#"{"model":"m","mod\u0065l":"n","max_tokens":1,"messages":[]}"#,
                "model: must not be given twice",
            ),
            ("[]", "the request body must be a JSON object"),
            ("3", "the request body must be a JSON object"),
        ] {
            assert_eq!(read(json).1.unwrap_err(), message, "{json}");
        }
        for json in [
            "",
            "{",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{\"messages\":[}",
            "{}x",
            "\u{feff}{}",
            "nul",
        ] {
            let message = read(json).1.unwrap_err();
            assert!(message.contains("not valid JSON"), "{json}: {message}");
        }
    }

    #[test]
    fn keeps_the_model_for_the_record_when_a_later_field_is_wrong() {
        assert_eq!(read(r#"{"model":"m"}"#).0.model.as_deref(), Some("m"));
    }

    #[test]
    fn deep_nesting_is_skipped_without_recursion() {
        let deep = format!(
            r#"{{"model":"m","max_tokens":1,"messages":{}{}}}"#,
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        read(&deep).1.unwrap();
    }

    #[test]
    fn bytes_that_are_no_text_never_panic() {
        let buffer = Bytes::from_static(b"{\"model\":\"\xff\",\"max_tokens\":1,\"messages\":[]}");
        let (_, result) = Facts::read(Endpoint::Messages, &buffer);
        assert!(result.is_err());
    }
}
