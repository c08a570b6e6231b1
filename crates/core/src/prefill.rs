//! A call with the beginning of its answer: what upstream then goes on from.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Call, Endpoint, JsonWalk};

/// What a member of the request says about going on from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// Nothing against it.
    Harmless,
    /// That the model may think before it writes.
    Thinking,
    /// That the model may have to call a tool first.
    ToolChoice,
    /// Something against it, or nobody knows.
    Other,
}

/// How a message of the assistant begins that follows another one.
const OPEN: &[u8] = br#",{"role":"assistant","content":"#;

// === impl Call ===

impl Call {
    /// The body with the beginning of the answer as its last message, all other bytes as they
    /// were. It is a copy, whose size the body's limit and the text bound.
    ///
    /// `None` where upstream would refuse it, or where the answer might not go on from the
    /// text:
    ///
    /// - the call is none for a message, or its body is not buffered;
    /// - the text is empty or ends in white space, which upstream refuses;
    /// - the last message is not the user's;
    /// - the model may think, or has to call a tool;
    /// - a member is none of those that are known to be harmless: a `thread`, whose messages
    ///   are elsewhere, or an output format, say.
    ///
    /// Which models take such a message at all is the caller's to know. The limit on output
    /// stays as it is, for what is still to come.
    #[must_use]
    pub fn body_with_prefill(&self, text: &str) -> Option<Bytes> {
        let is_message = self.endpoint() == Endpoint::Messages;
        let body = self.body().filter(|_| is_message)?;
        if text.is_empty() || text.ends_with(char::is_whitespace) {
            return None;
        }
        let end = end_of_messages(body)?;
        let (before, after) = (body.get(..end)?, body.get(end..)?);
        // Line ends are the escapes of most texts; the buffer grows where there are more.
        let room = OPEN.len() + text.len() + text.len() / 16 + 8;
        let mut spliced = BytesMut::with_capacity(body.len() + room);
        spliced.put_slice(before);
        spliced.put_slice(OPEN);
        serde_json::to_writer((&mut spliced).writer(), text).ok()?;
        spliced.put_u8(b'}');
        spliced.put_slice(after);
        Some(spliced.freeze())
    }
}

/// Where the bracket stands that closes the messages, if the request takes another one.
fn end_of_messages(body: &[u8]) -> Option<usize> {
    let mut walk = JsonWalk::new(body);
    if !walk.enter_object() {
        return None;
    }
    let mut end = None;
    while let Some(key) = walk.next_key() {
        let value = walk.skip();
        if value == b"null" {
            continue;
        }
        match Member::of(&key) {
            Member::Harmless => {}
            Member::Thinking if kind_of(value)? == "disabled" => {}
            Member::ToolChoice if matches!(&*kind_of(value)?, "auto" | "none") => {}
            Member::Thinking | Member::ToolChoice | Member::Other => return None,
        }
        if key == "messages" {
            if end.is_some() || !ends_with_the_user(value) {
                return None;
            }
            end = walk.place(value).end.checked_sub(1);
        }
    }
    end.filter(|end| walk.is_at_end() && body.get(*end) == Some(&b']'))
}

/// Whether the last of these messages is the user's.
fn ends_with_the_user(messages: &[u8]) -> bool {
    let mut walk = JsonWalk::new(messages);
    let mut is_user = false;
    if !walk.enter_array() {
        return false;
    }
    while walk.next_value() {
        let role = text_field(walk.skip(), "role");
        is_user = role.as_deref() == Some("user");
    }
    is_user && walk.is_at_end()
}

fn kind_of(value: &[u8]) -> Option<Cow<'_, str>> {
    text_field(value, "type")
}

/// A text that an object has once.
fn text_field<'a>(object: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    let mut walk = JsonWalk::new(object);
    if !walk.enter_object() {
        return None;
    }
    let mut found = None;
    while let Some(key) = walk.next_key() {
        let value = walk.skip();
        if key == name && found.replace(value).is_some() {
            return None;
        }
    }
    JsonWalk::text_of(found.filter(|_| walk.is_at_end())?)
}

// === impl Member ===

impl Member {
    fn of(name: &str) -> Self {
        match name {
            "cache_control" | "inference_geo" | "max_tokens" | "messages" | "metadata"
            | "model" | "service_tier" | "speed" | "stop_sequences" | "stream" | "system"
            | "temperature" | "tools" | "top_k" | "top_p" => Self::Harmless,
            "thinking" => Self::Thinking,
            "tool_choice" => Self::ToolChoice,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use http::Request;

    use super::*;
    use crate::{CallBody, Intake, Prepare};

    fn call(path: &str, body: &str) -> Call {
        let request = Request::post(path)
            .body(CallBody::full(body.to_owned()))
            .unwrap();
        let mut prepare = Prepare::new(request, &Intake::new());
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(&mut prepare).poll(&mut cx) {
            Poll::Ready(Ok(prepared)) => prepared.call,
            other => panic!("a request that can be read: {other:?}"),
        }
    }

    fn spliced(body: &str, text: &str) -> Option<String> {
        let bytes = call("/v1/messages", body).body_with_prefill(text)?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A request with more members, or with them twice.
    fn with(members: &str) -> String {
        format!(
            r#"{{"model":"m","max_tokens":9{members},"messages":[{{"role":"user","content":"hi"}}]}}"#
        )
    }

    #[test]
    fn every_byte_but_the_new_message_is_as_it_was() {
        let body = "{ \"model\" : \"m\",\n \"messages\" : [ {\"content\":[{\"type\":\"text\",\"text\":\"]}\"}], \"role\":\"user\"} \n] ,\"max_tokens\":9, \"system\":\"\\u00e9\" }";
        let whole = spliced(body, "a \"b\"\n\u{1f600}").unwrap();
        let message = r#",{"role":"assistant","content":"a \"b\"\n😀"}"#;
        assert!(whole.contains(message), "{whole}");
        assert_eq!(whole.replacen(message, "", 1), body);
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(&whole).is_ok());
    }

    #[test]
    fn a_text_that_upstream_refuses_is_none() {
        for text in ["", " ", "a ", "a\n", "a\u{a0}", "a\u{3000}"] {
            assert_eq!(spliced(&with(""), text), None, "{text:?}");
        }
        assert!(spliced(&with(""), " a").is_some());
    }

    #[test]
    fn only_members_that_are_known_to_be_harmless_are_let_pass() {
        for members in [
            "",
            r#","thinking":{"type":"disabled"}"#,
            r#","thinking":null,"thread":null"#,
            r#","tool_choice":{"type":"auto"},"tools":[]"#,
            r#","temperature":0.5,"stop_sequences":["x"],"stream":true"#,
        ] {
            assert!(spliced(&with(members), "a").is_some(), "{members}");
        }
        for members in [
            r#","thinking":{"type":"enabled","budget_tokens":1024}"#,
            r#","thinking":{"type":"adaptive"}"#,
            r#","thinking":{"type":"between_tools"}"#,
            r#","thinking":{}"#,
            r#","thinking":{"type":"disabled","type":"enabled"}"#,
            r#","th\u0069nking":{"type":"enabled"}"#,
            r#","tool_choice":{"type":"any"}"#,
            r#","tool_choice":{"type":"tool","name":"x"}"#,
            r#","thread":{"type":"continue"}"#,
            r#","output_config":{"format":{"type":"json_schema"}}"#,
            r#","from_the_future":1"#,
        ] {
            assert_eq!(spliced(&with(members), "a"), None, "{members}");
        }
    }

    #[test]
    fn the_last_message_is_the_users() {
        let of =
            |messages: &str| format!(r#"{{"model":"m","max_tokens":9,"messages":{messages}}}"#);
        for messages in [
            "[]",
            r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#,
            r#"[{"role":"system","content":"a"}]"#,
            r#"[{"role":"user","role":"assistant","content":"a"}]"#,
            r#"[{"content":"a"}]"#,
            "[1]",
        ] {
            assert_eq!(spliced(&of(messages), "a"), None, "{messages}");
        }
        let last = r#"[{"role":"assistant","content":"b"},{"r\u006fle":"user","content":"a"}]"#;
        assert!(spliced(&of(last), "a").is_some());
    }

    #[test]
    fn other_endpoints_have_no_answer_to_begin() {
        let call = call("/v1/messages/count_tokens", &with(""));
        assert_eq!(call.body_with_prefill("a"), None);
    }
}
