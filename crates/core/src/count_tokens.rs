//! The body of a call to `count_tokens`, out of that of a call to `messages`.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use crate::json_cursor::JsonCursor;

/// What upstream makes of a member in a call to `count_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// It counts it.
    Counted,
    /// It counts the tools among which no tool of the server is.
    Tools,
    /// There is input to the call that it does not count.
    Uncountable,
    /// It does not know it, and the input does not depend on it.
    Unknown,
}

/// The tools that the server runs, which are not counted; of all others the schema is.
const OF_THE_SERVER: [&str; 5] = [
    "code_execution_",
    "mcp_toolset",
    "tool_search_tool_",
    "web_fetch_",
    "web_search_",
];

/// Copies what upstream counts, byte for byte; `None` if it would not count all.
pub(crate) fn body(json: &[u8]) -> Option<Bytes> {
    let mut cursor = JsonCursor::new(json);
    if !cursor.enter_object() {
        return None;
    }
    let mut body = BytesMut::with_capacity(json.len());
    let (mut has_model, mut has_messages) = (false, false);
    while let Some(key) = cursor.next_key() {
        let value = cursor.skip();
        let name = unescaped(key)?;
        match Member::of(&name) {
            Member::Unknown => continue,
            Member::Uncountable if !is_nothing(value) => return None,
            Member::Uncountable => continue,
            Member::Tools if runs_on_the_server(value) => return None,
            Member::Tools | Member::Counted => {}
        }
        has_model |= &*name == "model";
        has_messages |= &*name == "messages";
        body.put_u8(if body.is_empty() { b'{' } else { b',' });
        body.put_u8(b'"');
        body.put_slice(key);
        body.put_slice(b"\":");
        body.put_slice(value);
    }
    if !cursor.is_at_end() || !has_model || !has_messages {
        return None;
    }
    body.put_u8(b'}');
    Some(body.freeze())
}

// === impl Member ===

impl Member {
    /// Source: the parameters of the method in the official SDKs, those of the beta included,
    /// whose header travels with the call; and what the guide to token counting says is refused.
    fn of(name: &str) -> Self {
        match name {
            "model" | "messages" | "system" | "tool_choice" | "thinking" | "cache_control"
            | "output_config" | "output_format" | "context_management" | "speed" => Self::Counted,
            "tools" => Self::Tools,
            "mcp_servers" | "thread" => Self::Uncountable,
            _ => Self::Unknown,
        }
    }
}

fn unescaped(key: &[u8]) -> Option<Cow<'_, str>> {
    if !key.contains(&b'\\') {
        return std::str::from_utf8(key).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", key, b"\""].concat();
    serde_json::from_slice(&quoted).ok().map(Cow::Owned)
}

fn is_nothing(value: &[u8]) -> bool {
    let is_empty = |value: &[u8]| {
        let mut cursor = JsonCursor::new(value);
        cursor.enter_array() && !cursor.next_value()
    };
    value == b"null" || is_empty(value)
}

/// Whether there is a tool that the server runs.
fn runs_on_the_server(tools: &[u8]) -> bool {
    let mut cursor = JsonCursor::new(tools);
    if !cursor.enter_array() {
        return false;
    }
    while cursor.next_value() {
        if !cursor.enter_object() {
            cursor.skip();
            continue;
        }
        while let Some(key) = cursor.next_key() {
            if key != b"type" {
                cursor.skip();
                continue;
            }
            let kind = cursor.text().unwrap_or_default();
            if OF_THE_SERVER.iter().any(|tool| kind.starts_with(tool)) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{CallBody, Intake, Prepare};

    fn derived(json: &str) -> Option<String> {
        let body = body(json.as_bytes())?;
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn keeps_what_is_counted_and_leaves_the_rest() {
        let json = r#"{"model":"m","max_tokens":9,"stream":true,"system":"s","metadata":{"user_id":"u"},
            "tools":[{"name":"t","input_schema":{}}],"tool_choice":{"type":"auto"},"temperature":0.5,
            "thinking":{"type":"adaptive"},"stop_sequences":["x"],"service_tier":"auto","future":{"model":1},
            "messages":[{"role":"user","content":"hi"}]}"#;
        let expected = r#"{"model":"m","system":"s","tools":[{"name":"t","input_schema":{}}],"tool_choice":{"type":"auto"},"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(derived(json).as_deref(), Some(expected));
    }

    #[test]
    fn values_stand_byte_for_byte_whatever_their_spacing() {
        let json = "\t{ \"max_tokens\" : 1 ,\r\n \"messages\"  :\n [ {\"a\" : \"}],\\\"\\u00e9é\" , \"b\":[ [ ] ] } ]  , \"model\":\"m\"\n} \n";
        let expected =
            "{\"messages\":[ {\"a\" : \"}],\\\"\\u00e9é\" , \"b\":[ [ ] ] } ],\"model\":\"m\"}";
        assert_eq!(derived(json).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_given_twice_is_upstreams_to_judge() {
        let json = r#"{"model":"m","thinking":{"type":"a"},"messages":[],"thinking":null}"#;
        assert_eq!(derived(json).as_deref(), Some(json));
    }

    #[test]
    fn a_key_in_escapes_is_the_key_it_spells() {
        let json = r#"{"mod\u0065l":"m","max_tok\u0065ns":3,"messages":[]}"#;
        let expected = r#"{"mod\u0065l":"m","messages":[]}"#;
        assert_eq!(derived(json).as_deref(), Some(expected));
    }

    #[test]
    fn input_that_upstream_does_not_count_is_not_asked_for() {
        for member in [
            r#""mcp_servers":[{"type":"url"}]"#,
            r#""thread":{"type":"continue"}"#,
            r#""tools":[{"name":"a"},{"name":"w", "type":"web_search_20250305"}]"#,
            r#""tools":[ 3, {"type":"code_execution_20250825"} ]"#,
            r#""tools":[{"type":"mcp_toolset"}]"#,
        ] {
            let json = format!(r#"{{"model":"m","messages":[],{member}}}"#);
            assert_eq!(derived(&json), None, "{member}");
        }
        for member in [
            r#""mcp_servers":[ ]"#,
            r#""mcp_servers":null"#,
            r#""tools":[{"type":"custom","name":"web_search_20250305"}]"#,
            r#""tools":[{"type":"advisor_20260301","name":"advisor"}]"#,
            r#""tools":null"#,
        ] {
            let json = format!(r#"{{"model":"m","messages":[],{member}}}"#);
            assert!(derived(&json).is_some(), "{member}");
        }
    }

    #[test]
    fn what_is_no_whole_call_makes_no_body() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"model":"m"}"#,
            r#"{"messages":[]}"#,
            r#"{"model":"m","messages":[]"#,
            r#"{"model":"m","messages":[]}x"#,
            r#"{"model":"m","messages":["#,
            "{\"model\":\"m\",\"messages\":[],\"\\ud800\":1}",
        ] {
            assert_eq!(derived(json), None, "{json}");
        }
    }

    #[test]
    fn a_large_body_is_copied_once() {
        let content = "The tide was out.\\n".repeat(12_000);
        let messages = format!(r#"[{{"role":"user","content":"{content}"}}]"#);
        let json = format!(r#"{{"stream":true,"messages":{messages},"max_tokens":1,"model":"m"}}"#);
        assert!(json.len() > 200_000);
        let expected = format!(r#"{{"messages":{messages},"model":"m"}}"#);
        assert_eq!(derived(&json), Some(expected));
    }

    #[tokio::test]
    async fn only_a_message_whose_content_is_all_there_is_asked_about() {
        let text = r#"{"type":"text","text":"hi"}"#;
        let file = r#"{"type":"document","source":{"type":"file","file_id":"f"}}"#;
        for (path, block, is_some) in [
            ("/v1/messages", text, true),
            ("/v1/messages", file, false),
            ("/v1/messages/count_tokens", text, false),
        ] {
            let body = format!(
                r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":[{block}]}}]}}"#
            );
            let request = Request::post(path).body(CallBody::from(body)).unwrap();
            let prepared = Prepare::new(request, &Intake::new()).await.unwrap();
            let body = prepared.call.count_tokens_body();
            assert_eq!(body.is_some(), is_some, "{path} {block}");
        }
    }
}
