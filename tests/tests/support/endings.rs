//! Calls with canaries in them, and every way in which they can end.

use std::time::Duration;

use http::Request;
use tower_claude::core::CallBody;
use tower_claude_testkit::{Answer, ScriptedBody, Split, Step};

use super::evidence::{ANSWER, COOKIE, PROMPT, STRANGE_KEY, SYSTEM, TENANT_KEY, TENANT_TOKEN};
use super::upstream::Panics;

/// One call: what is asked, what upstream does, and when the caller leaves.
pub(crate) struct Ending {
    pub(crate) name: &'static str,
    pub(crate) request: Request<CallBody>,
    pub(crate) answer: Answer,
    pub(crate) panics: Option<Panics>,
    pub(crate) leaves: Leaves,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Never,
    BeforeTheHead,
    InMidStream,
}

// === impl Ending ===

impl Ending {
    fn new(name: &'static str, answer: Answer) -> Self {
        Self::asked(name, message(TENANT_KEY), answer)
    }

    fn asked(name: &'static str, request: Request<CallBody>, answer: Answer) -> Self {
        Self {
            name,
            request,
            answer,
            panics: None,
            leaves: Leaves::Never,
        }
    }

    pub(crate) fn refused(name: &'static str, request: Request<CallBody>) -> Self {
        Self::asked(name, request, plain())
    }

    fn leaves(mut self, leaves: Leaves) -> Self {
        self.leaves = leaves;
        self
    }

    fn panics(mut self, panics: Panics) -> Self {
        self.panics = Some(panics);
        self
    }
}

/// A good body, with something said in it.
fn body() -> String {
    format!(
        r#"{{"model":"claude-sonnet-5-5","max_tokens":64,"stream":true,"system":"{SYSTEM}","messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#
    )
}

pub(crate) fn message(key: &str) -> Request<CallBody> {
    message_of(key, body())
}

pub(crate) fn message_of(key: &str, body: String) -> Request<CallBody> {
    let mut request = Request::post("/v1/messages")
        .header("cookie", COOKIE)
        .header("proxy-authorization", COOKIE)
        .body(CallBody::from(body))
        .unwrap();
    if !key.is_empty() {
        let key = key.parse().unwrap();
        request.headers_mut().insert("x-api-key", key);
    }
    request
}

/// A good body with a canary where it does not belong.
pub(crate) fn mistyped(field: &str) -> Request<CallBody> {
    let good = body();
    let bad = match field {
        "model" => good.replace(r#""claude-sonnet-5-5""#, &format!(r#"{{"a":"{PROMPT}"}}"#)),
        "max_tokens" => good.replace("64", &format!(r#""{PROMPT}""#)),
        "stream" => good.replace("true", &format!(r#""{PROMPT}""#)),
        _ => good.replace(r#"[{"role""#, r#"{"role""#),
    };
    assert_ne!(bad, good);
    message_of(TENANT_KEY, bad)
}

pub(crate) fn bearer(mut request: Request<CallBody>) -> Request<CallBody> {
    let token = format!("Bearer {TENANT_TOKEN}");
    let headers = request.headers_mut();
    headers.insert("authorization", token.parse().unwrap());
    request
}

pub(crate) fn plain() -> Answer {
    Answer::message("claude-sonnet-5-5")
        .text(ANSWER)
        .into_json()
}

pub(crate) fn stream() -> Answer {
    Answer::message("claude-sonnet-5-5")
        .thinking(ANSWER)
        .text(ANSWER)
        .deltas(1)
        .into_stream()
}

/// Every way in which a call that reaches upstream can end.
pub(crate) fn endings() -> Vec<Ending> {
    let error = |status, error_type| Answer::error(status, error_type, ANSWER);
    let slow = Duration::from_secs(5);
    let by_token = bearer(message(""));
    vec![
        Ending::new("a plain answer", plain()),
        Ending::new("a plain answer in pieces", plain().split(Split::Every(90))),
        Ending::new("a stream", stream()),
        Ending::new("a stream in one piece", stream().split(Split::Whole)),
        Ending::new("a stream in pieces", stream().split(Split::Every(90))),
        Ending::new("a slow stream", stream().head_delay(slow).pace(slow)),
        Ending::asked("a bearer token", by_token, stream()),
        Ending::new("upstream says 400", error(400, "invalid_request_error")),
        Ending::new("upstream says 401", error(401, "authentication_error")),
        Ending::new("upstream says 403", error(403, "permission_error")),
        Ending::new("upstream says 404", error(404, "not_found_error")),
        Ending::new("upstream says 413", error(413, "request_too_large")),
        Ending::new("upstream says 429", error(429, "rate_limit_error")),
        Ending::new("upstream says 500", error(500, "api_error")),
        Ending::new("upstream says 529", error(529, "overloaded_error")),
        Ending::new("an error in pieces", {
            error(529, "overloaded_error").split(Split::Every(90))
        }),
        Ending::new(
            "an error that is no JSON",
            Answer::raw(502, "text/html", ANSWER),
        ),
        Ending::new("a redirect", Answer::raw(302, "text/plain", ANSWER)),
        Ending::new("no connection", Answer::refused_connection()),
        Ending::new("no reply", Answer::reset()),
        Ending::new("reset before content", stream().reset_after(1)),
        Ending::new("reset after content", stream().reset_after(4)),
        Ending::new("truncated before content", stream().truncate_after(1)),
        Ending::new("truncated after content", stream().truncate_after(4)),
        Ending::new("stalled before content", stream().stall_after(1)),
        Ending::new("stalled after content", stream().stall_after(4)),
        Ending::new("a plain answer cut short", {
            plain().split(Split::Every(90)).truncate_after(2)
        }),
        Ending::new("an error before content", {
            stream().error_event_after(1, "overloaded_error", ANSWER)
        }),
        Ending::new("an error after content", {
            stream().error_event_after(4, "api_error", ANSWER)
        }),
        Ending::new("left before the head", stream().head_delay(slow))
            .leaves(Leaves::BeforeTheHead),
        Ending::new("left in mid-stream", stream()).leaves(Leaves::InMidStream),
        Ending::new("a panic in the call", plain()).panics(Panics::Call),
        Ending::new("a panic in the future", plain()).panics(Panics::Future),
        Ending::new("a panic in the body", stream()).panics(Panics::Body),
    ]
}

/// Every way in which we refuse one.
pub(crate) fn refusals() -> Vec<Ending> {
    let at = |path: &str| {
        let mut request = message(TENANT_KEY);
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    let with = |from: &str, to: &str| message_of(TENANT_KEY, body().replacen(from, to, 1));
    let broken = ScriptedBody::new([
        Step::Data(body()[..60].to_owned().into()),
        Step::Fail("connection reset by peer".into()),
    ]);
    let mut compressed = message(TENANT_KEY);
    let gzip = http::HeaderValue::from_static("gzip");
    compressed.headers_mut().insert("content-encoding", gzip);
    let mut basic = message("");
    let value = format!("Basic {TENANT_TOKEN}").parse().unwrap();
    basic.headers_mut().insert("authorization", value);
    vec![
        Ending::refused("no credential", message("")),
        Ending::refused("an unknown key", message(STRANGE_KEY)),
        Ending::refused("a short key", message(&STRANGE_KEY[..10])),
        Ending::refused("another scheme", basic),
        Ending::refused("two credentials", bearer(message(TENANT_KEY))),
        Ending::refused("an unknown path", at("/v1/elsewhere")),
        Ending::refused("a wrong method", at("/v1/models")),
        Ending::refused("a model not allowed", with("claude-sonnet", "gpt")),
        Ending::refused("more than the whole limit", with("64", "200000")),
        Ending::refused("a body too large", with(PROMPT, &PROMPT.repeat(200))),
        Ending::refused("a body that breaks off", {
            message(TENANT_KEY).map(|_| CallBody::new(broken))
        }),
        Ending::refused("a compressed body", compressed),
        Ending::refused("not JSON", with("\"messages\":", "")),
        Ending::refused(
            "not an object",
            message_of(TENANT_KEY, format!("{PROMPT:?}")),
        ),
        Ending::refused("a field twice", with("{", r#"{"model":"x","#)),
        Ending::refused("a field missing", with("model", "other")),
    ]
}
