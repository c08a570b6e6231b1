//! The standard responder: what the real API would say.

mod support;

use http::Method;
use http_body_util::Full;
use support::{ask, bytes, call, json, say};
use tower_claude_testkit::FakeClaude;

fn request(method: Method, path: &str) -> http::Request<Full<bytes::Bytes>> {
    http::Request::builder()
        .method(method)
        .uri(path)
        .body(Full::default())
        .expect("a request")
}

#[tokio::test]
async fn answers_a_message_with_usage_that_follows_from_the_request() {
    let fake = FakeClaude::default();
    let response = call(&fake, say("hello", false)).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        response.headers()["request-id"],
        "req_011TestKit0000000000001"
    );
    for name in [
        "anthropic-organization-id",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-input-tokens-reset",
    ] {
        assert!(response.headers().contains_key(name), "{name}");
    }
    let first = json(response).await;
    let again = json(call(&fake, say("hello", false)).await.unwrap()).await;
    assert_eq!(first["usage"], again["usage"]);
    assert_eq!(first["content"], again["content"]);
    assert_eq!(first["stop_reason"], "end_turn");
    assert_ne!(first["id"], again["id"]);
}

#[tokio::test]
async fn streams_the_text_in_several_deltas() {
    let fake = FakeClaude::default();
    let response = call(&fake, say("hello", true)).await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let stream = String::from_utf8(bytes(response).await.to_vec()).unwrap();
    assert!(stream.matches("event: content_block_delta").count() >= 4);
    assert!(stream.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

#[tokio::test]
async fn never_exceeds_max_tokens() {
    let fake = FakeClaude::default();
    for allowed in 0..40 {
        let body = format!(r#"{{"model":"m","max_tokens":{allowed},"messages":[]}}"#);
        let body = json(call(&fake, ask(body)).await.unwrap()).await;
        let output = body["usage"]["output_tokens"].as_u64().unwrap();
        assert!(output <= allowed);
        let text = body["content"][0]["text"].as_str().unwrap_or("");
        assert_eq!(text.split_whitespace().count() as u64, output);
        if allowed < 16 {
            assert_eq!(body["stop_reason"], "max_tokens");
        }
    }
}

#[tokio::test]
async fn reports_cache_use_when_the_request_asks_for_a_cache() {
    let fake = FakeClaude::default();
    for number in 0..20 {
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{{"type":"text","text":"{number}","cache_control":{{"type":"ephemeral","ttl":"1h"}}}}]}}]}}"#
        );
        bytes(call(&fake, ask(body)).await.unwrap()).await;
    }
    let totals = fake.truth().totals();
    assert!(totals.cache_read > 0);
    assert!(totals.cache_creation_1h > 0);
    assert_eq!(totals.cache_creation_5m, 0);
}

#[tokio::test]
async fn refuses_what_is_not_a_message_request() {
    let fake = FakeClaude::default();
    for (body, message) in [
        ("", "The request body is not valid JSON"),
        ("[1]", "The request body is not valid JSON"),
        ("{}", "model: Field required"),
        (
            r#"{"model":"m","max_tokens":1}"#,
            "messages: Field required",
        ),
        (
            r#"{"model":"m","messages":[]}"#,
            "max_tokens: Field required",
        ),
    ] {
        let response = call(&fake, ask(body)).await.unwrap();
        assert_eq!(response.status(), 400);
        let id = response.headers()["request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = json(response).await;
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(body["error"]["message"], message);
        assert_eq!(body["request_id"], id);
    }
}

#[tokio::test]
async fn knows_the_other_paths_too() {
    let fake = FakeClaude::default();
    for (method, path, status) in [
        (Method::GET, "/v1/models?limit=1000", 200),
        (Method::GET, "/v1/models/claude-haiku-5-5", 200),
        (Method::GET, "/v1/models/claude-nonesuch-9", 404),
        (Method::HEAD, "/api/hello", 200),
        (Method::GET, "/v1/messages", 405),
        (Method::DELETE, "/v1/models", 405),
        (Method::GET, "/v1/nothing", 404),
        (Method::POST, "/v1/messages/count_tokens", 400),
    ] {
        let response = call(&fake, request(method, path)).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
    let models = call(&fake, request(Method::GET, "/v1/models")).await;
    let models = json(models.unwrap()).await;
    assert_eq!(models["data"][0]["id"], models["first_id"]);
    assert_eq!(models["has_more"], false);
}

#[tokio::test]
async fn counts_tokens_without_charging_them() {
    let fake = FakeClaude::default();
    let mut request = ask(r#"{"model":"m","messages":[]}"#);
    *request.uri_mut() = "/v1/messages/count_tokens".parse().unwrap();
    let body = json(call(&fake, request).await.unwrap()).await;
    assert_eq!(body["input_tokens"], 7);
    assert_eq!(fake.truth().totals().input_tokens, 0);
}

#[tokio::test]
async fn lets_in_who_presents_the_key_it_requires() {
    let fake = FakeClaude::default().require_key("sk-test");
    for (name, value, status) in [
        ("x-api-key", "sk-test", 200),
        ("authorization", "Bearer sk-test", 200),
        ("authorization", "sk-test", 401),
        ("x-api-key", "sk-other", 401),
        ("x-other", "", 401),
    ] {
        let mut request = say("hello", false);
        request.headers_mut().insert(name, value.parse().unwrap());
        let response = call(&fake, request).await.unwrap();
        assert_eq!(response.status(), status, "{name}: {value}");
        if status == 401 {
            assert_eq!(
                json(response).await["error"]["type"],
                "authentication_error"
            );
        }
    }
}
