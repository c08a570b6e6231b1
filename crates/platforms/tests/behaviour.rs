//! What goes upstream and what comes back, on real sockets.

#![expect(clippy::unwrap_used, reason = "the helpers are part of the tests")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Request, Version};
use http_body_util::{BodyExt as _, Full};
use support::{
    KEY, Raw, SAY, ask, bytes, call, claude, claude_over, client, prepared, read_request,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tower_claude_core::{CallBody, Sent, Target};
use tower_claude_platforms::{Anthropic, ApiKey, HttpClient, Platforms, Protocol};
use tower_claude_testkit::{Answer, Asked, FakeClaude, FakeServer, ScriptedBody, Step, wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

fn recording() -> (FakeClaude, FakeServer) {
    let fake = FakeClaude::default().recording();
    let server = FakeServer::start(fake.clone());
    (fake, server)
}

fn last(fake: &FakeClaude) -> Asked {
    fake.asked().pop().unwrap()
}

#[tokio::test]
async fn answers_plain_and_streamed_over_both_versions() {
    for protocol in [Protocol::Negotiated, Protocol::Http1, Protocol::Http2] {
        let fake = FakeClaude::sequence([Answer::cached_message(), Answer::thinking_tool_use()]);
        let server = FakeServer::start(fake);
        let claude = claude_over(&server.base_url(), &client(protocol));

        let response = call(&claude, ask(SAY)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(bytes(response).await, wire::MESSAGE);

        let response = call(&claude, ask(SAY)).await.unwrap();
        assert_eq!(bytes(response).await, wire::STREAM_THINKING_TOOL_USE);
    }
}

#[tokio::test]
async fn exactly_the_listed_headers_arrive_upstream() {
    let (heads, mut arrived) = mpsc::unbounded_channel();
    let server = Raw::start(move |mut socket| {
        let heads = heads.clone();
        async move {
            while let Some(request) = read_request(&mut socket).await {
                heads.send(request).unwrap();
                socket.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let request = Request::post("/v1/messages?beta=true")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("anthropic-beta", "first")
        .header("anthropic-beta", "second,third")
        .header("anthropic-dangerous-direct-browser-access", "true")
        .header("anthropic-version", "2026-10-21")
        .header("authorization", "Bearer tenant-credential")
        .header("connection", "keep-alive, x-stainless-os")
        .header("content-encoding", "identity")
        .header("content-length", "9999")
        .header("content-type", "application/json")
        .header("cookie", "session=1")
        .header("expect", "100-continue")
        .header("forwarded", "for=192.0.2.1")
        .header("host", "gateway.example")
        .header("proxy-authorization", "Basic abc")
        .header("te", "trailers")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .header("tracestate", "vendor=1")
        .header("transfer-encoding", "chunked")
        .header("upgrade", "h2c")
        .header("user-agent", "Anthropic/Python")
        .header("x-api-key", "tenant-credential")
        .header("x-claude-code-session-id", "session")
        .header("x-feature", "search")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-stainless-lang", "python")
        .header("x-stainless-os", "Linux")
        .header("x-stainless-timeout", "NOT_GIVEN")
        .header("x-tenant", "web")
        .body(CallBody::from(SAY))
        .unwrap();
    call(&claude(&server.base), request).await.unwrap();

    let arrived = arrived.recv().await.unwrap();
    let (head, body) = arrived.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/messages?beta=true HTTP/1.1"));
    let mut headers: Vec<&str> = lines.collect();
    headers.sort_unstable();
    let host = format!("host: {}", server.base.strip_prefix("http://").unwrap());
    let length = format!("content-length: {}", SAY.len());
    assert_eq!(
        headers,
        [
            "accept-encoding: identity",
            "accept: application/json",
            "anthropic-beta: first",
            "anthropic-beta: second,third",
            "anthropic-version: 2026-10-21",
            &length,
            "content-type: application/json",
            &host,
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "tracestate: vendor=1",
            "user-agent: Anthropic/Python",
            &format!("x-api-key: {KEY}"),
            "x-stainless-lang: python",
            "x-stainless-timeout: NOT_GIVEN",
        ]
    );
    assert_eq!(body, SAY);
}

#[tokio::test]
async fn a_version_is_added_where_none_is_sent() {
    let (fake, server) = recording();
    call(&claude(&server.base_url()), ask(SAY)).await.unwrap();
    assert_eq!(last(&fake).header("anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn a_call_that_came_over_http2_goes_out_over_http1() {
    let (fake, server) = recording();
    let mut request = ask(SAY);
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = "https://gateway.example/v1/messages".parse().unwrap();
    let response = call(&claude(&server.base_url()), request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(last(&fake).path(), "/v1/messages");
}

#[tokio::test]
async fn paths_follow_the_prefix_of_the_base_url() {
    let (fake, server) = recording();
    let claude = claude(&(server.base_url() + "/team/a/"));
    let request = Request::get("/v1/models?limit=1000").body(CallBody::empty());
    call(&claude, request.unwrap()).await.unwrap();
    assert_eq!(last(&fake).uri(), "/team/a/v1/models?limit=1000");
}

#[tokio::test]
async fn the_name_of_the_model_is_spliced_and_no_other_byte_changes() {
    let (fake, server) = recording();
    let target = Target::new("spare").model("claude-opus-5-5", "a \"named\" deployment");
    let mut request = prepared(SAY).await;
    request.extensions_mut().insert(target);
    call(&claude(&server.base_url()), request).await.unwrap();
    let expected = SAY.replace("claude-opus-5-5", r#"a \"named\" deployment"#);
    assert_eq!(last(&fake).body(), expected.as_bytes());
    let length = expected.len().to_string();
    assert_eq!(last(&fake).header("content-length"), Some(&*length));
}

#[tokio::test]
async fn a_model_without_another_name_goes_out_as_it_is() {
    let (fake, server) = recording();
    for target in [None, Some(Target::new("x").model("claude-other", "y"))] {
        let mut request = prepared(SAY).await;
        if let Some(target) = target {
            request.extensions_mut().insert(target);
        }
        call(&claude(&server.base_url()), request).await.unwrap();
        assert_eq!(last(&fake).body(), SAY.as_bytes());
    }
}

#[tokio::test]
async fn no_name_is_spliced_into_a_body_that_was_not_read() {
    let (fake, server) = recording();
    let mut request = prepared(SAY).await;
    let target = Target::new("spare").model("claude-opus-5-5", "x");
    request.extensions_mut().insert(target);
    *request.body_mut() = CallBody::from(SAY.replace("hello", "other"));
    let error = call(&claude(&server.base_url()), request)
        .await
        .unwrap_err();
    assert_eq!(error.sent(), Sent::No);
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn a_streamed_body_is_passed_on_without_its_trailers() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (fake, server) = recording();
        let mut trailers = HeaderMap::new();
        trailers.insert("authorization", "smuggled".parse().unwrap());
        let body = Full::new(Bytes::from(SAY)).with_trailers(async move { Some(Ok(trailers)) });
        let request = ask(CallBody::new(body));
        let claude = claude_over(&server.base_url(), &client(protocol));
        call(&claude, request).await.unwrap();
        assert_eq!(last(&fake).body(), SAY.as_bytes());
        assert_eq!(last(&fake).header("authorization"), None);
    }
}

#[tokio::test]
async fn headers_of_the_connection_end_here_and_those_of_the_account_stay() {
    let server = Raw::answering(
        "HTTP/1.1 429 Too Many Requests\r\nconnection: keep-alive, x-hop\r\nkeep-alive: timeout=5\r\n\
         x-hop: 1\r\nproxy-connection: keep-alive\r\nretry-after: 3\r\nrequest-id: req_1\r\n\
         anthropic-ratelimit-requests-remaining: 0\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\n{}\r\n0\r\n\r\n",
    )
    .await;
    let response = call(&claude(&server.base), ask(SAY)).await.unwrap();
    assert_eq!(response.status(), 429);
    let mut names: Vec<_> = response
        .headers()
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "anthropic-ratelimit-requests-remaining",
            "request-id",
            "retry-after"
        ]
    );
    assert_eq!(bytes(response).await, "{}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (fake, elsewhere) = recording();
    let location = elsewhere.base_url() + "/v1/messages";
    let answer = Answer::raw(307, "text/plain", "").header("location", &location);
    let server = FakeServer::start(FakeClaude::sequence([answer]));
    let response = call(&claude(&server.base_url()), ask(SAY)).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], location);
    assert_eq!(fake.calls(), 0);
}

#[tokio::test]
async fn connections_are_kept_and_shared() {
    let server = Raw::answering(OK).await;
    let client = HttpClient::new().unwrap();
    for _ in 0..3 {
        let claude = claude_over(&server.base, &client);
        bytes(call(&claude, ask(SAY)).await.unwrap()).await;
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn another_key_is_used_from_the_next_call_on() {
    let (fake, server) = recording();
    let key = ApiKey::new("first").unwrap();
    let client = HttpClient::new().unwrap();
    let claude = Anthropic::new(server.base_url(), key.clone(), &client).unwrap();
    for expected in ["first", "second"] {
        call(&claude, ask(SAY)).await.unwrap();
        assert_eq!(last(&fake).header("x-api-key"), Some(expected));
        key.replace("second").unwrap();
    }
}

#[tokio::test]
async fn a_call_goes_to_its_target_or_to_the_first() {
    let (first, first_server) = recording();
    let (second, second_server) = recording();
    let client = HttpClient::new().unwrap();
    let targets = [
        Target::new("first").model("claude-opus-5-5", "renamed"),
        Target::new("second"),
    ];
    let platforms = Platforms::new([
        (
            targets[0].clone(),
            claude_over(&first_server.base_url(), &client),
        ),
        (
            targets[1].clone(),
            claude_over(&second_server.base_url(), &client),
        ),
    ])
    .unwrap();

    call(&platforms, prepared(SAY).await).await.unwrap();
    assert_eq!((first.calls(), second.calls()), (1, 0));
    assert_eq!(last(&first).model(), Some("renamed"));

    let mut request = prepared(SAY).await;
    request.extensions_mut().insert(Target::new("second"));
    call(&platforms, request).await.unwrap();
    assert_eq!((first.calls(), second.calls()), (1, 1));
    assert_eq!(last(&second).model(), Some("claude-opus-5-5"));

    let mut request = ask(SAY);
    request.extensions_mut().insert(Target::new("third"));
    let error = call(&platforms, request).await.unwrap_err();
    assert_eq!(error.sent(), Sent::No);
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn targets_have_names_of_their_own() {
    let claude = claude("http://127.0.0.1:1");
    let twice = ["a", "b", "a"].map(|name| (Target::new(name), claude.clone()));
    assert!(Platforms::new(twice).is_err());
    assert!(Platforms::new::<Anthropic>([]).is_err());
}

#[tokio::test]
async fn a_body_of_unknown_length_is_sent_in_chunks() {
    let (fake, server) = recording();
    let parts = ["{\"model\":", "\"m\",\"max_tokens\":1,\"messages\":[]}"];
    let stream = ScriptedBody::new(parts.map(|part| Step::Data(part.into()))).open_ended();
    call(&claude(&server.base_url()), ask(CallBody::new(stream)))
        .await
        .unwrap();
    assert_eq!(last(&fake).header("transfer-encoding"), Some("chunked"));
    assert_eq!(last(&fake).model(), Some("m"));
}
