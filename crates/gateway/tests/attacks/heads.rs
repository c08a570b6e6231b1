//! Paths, methods and headers that no well-behaved client sends.

use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower_claude_testkit::FakeClaude;

use crate::support::{Pair, WEB_KEY, message, request, send};
use crate::wire::{QUIET, exchange, listen, post, statuses};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_heads_are_answered_and_harm_nobody() {
    let pair = Pair::start(FakeClaude::default(), "");
    let hello = message("Hello", false);
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("x-h-{i}: v\r\n"))
            .collect::<String>()
    };
    for (name, extra) in [
        ("16 KiB", format!("x-big: {}\r\n", "a".repeat(16 << 10))),
        ("64 KiB", format!("x-big: {}\r\n", "a".repeat(64 << 10))),
        ("1 MiB", format!("x-big: {}\r\n", "a".repeat(1 << 20))),
        ("90 headers", many(90)),
        ("200 headers", many(200)),
        ("a long name", format!("{}: a\r\n", "n".repeat(70_000))),
        ("20000 features", "x-feature: a\r\n".repeat(20_000)),
    ] {
        let sent = post(
            &format!("{extra}content-length: {}\r\n", hello.len()),
            &hello,
        );
        let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
        let said = statuses(&heard);
        println!("{name}: {said:?}");
        assert!(
            matches!(said[..], [200 | 400 | 413 | 431]),
            "{name}: {said:?} {}",
            String::from_utf8_lossy(&heard)
        );
    }
    let path = format!(
        "POST /v1/{} HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\r\n",
        "a".repeat(70_000)
    );
    let (heard, _) = exchange(&pair.gateway.address, path.as_bytes()).await;
    assert!(
        matches!(statuses(&heard)[..], [404 | 414]),
        "{}",
        String::from_utf8_lossy(&heard)
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    assert_eq!(send(request(&url, hello)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text_in_headers_are_nobody_and_unknown() {
    let pair = Pair::start(FakeClaude::default().recording(), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let odd: [&[u8]; 4] = [
        b"a\x80b",
        b"\xff\xfe",
        b"a\tb",
        "schlüssel-schlüssel".as_bytes(),
    ];
    for value in odd {
        let value = HeaderValue::from_bytes(value).unwrap();
        let mut asked = request(&url, message("Hi", false));
        asked.headers_mut().insert("x-api-key", value.clone());
        assert_eq!(send(asked).await.status(), 401, "{value:?}");
        let mut asked = request(&url, message("Hi", false));
        for name in ["x-feature", "x-user-id", "x-session-id"] {
            asked.headers_mut().insert(name, value.clone());
        }
        assert_eq!(send(asked).await.status(), 200, "{value:?}");
    }
    let ledger = pair.gateway.ledger_of(odd.len()).await;
    assert_eq!(ledger.len(), odd.len());
    for line in ledger {
        assert_eq!(line["feature"], "unknown");
        assert_eq!(line["user"], Value::Null);
        assert_eq!(line["session"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_paths_and_methods_are_refused_in_the_envelope() {
    let more = "[server]\npassthrough = [\"/v1/skills\"]\n";
    let pair = Pair::start(FakeClaude::default(), more);
    let cases = [
        ("POST", "/v1/%6dessages", 404),
        ("POST", "/v1/messages%2f", 404),
        ("POST", "//v1/messages", 404),
        ("POST", "/v1//messages", 404),
        ("POST", "/v1/./messages", 404),
        ("POST", "/v1/messages;x=1", 404),
        ("POST", "/v1/messages%00", 404),
        ("POST", "/V1/messages", 404),
        ("POST", "/v1/messages/batches/..%2f..%2fadmin", 404),
        ("GET", "/v1/models/..", 404),
        ("GET", "/v1/models/%2e%2e", 404),
        ("GET", "/v1/models/a/b/c", 404),
        ("GET", "/v1/skills/../models", 404),
        ("GET", "/v1/skills/%2e%2e/models", 404),
        ("GET", "/v1/skills//x", 404),
        ("GET", "/", 404),
        ("OPTIONS", "*", 404),
        ("OPTIONS", "/v1/messages", 405),
        ("TRACE", "/v1/messages", 405),
        ("CONNECT", "example.org:443", 404),
        ("GET", "/v1/messages", 405),
        ("HEAD", "/v1/models", 405),
        ("DELETE", "/v1/messages", 405),
        ("BREW", "/v1/messages", 405),
        ("get", "/v1/models", 405),
        ("GET", "/api/hello", 405),
    ];
    for (method, path, status) in cases {
        let sent = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {WEB_KEY}\r\ncontent-length: 0\r\n\r\n"
        );
        let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
        let text = String::from_utf8_lossy(&heard);
        assert_eq!(statuses(&heard), [status], "{method} {path}: {text}");
        let kind = if status == 404 {
            "not_found_error"
        } else {
            "invalid_request_error"
        };
        assert!(
            method == "HEAD" || text.contains(kind),
            "{method} {path}: {text}"
        );
    }
    assert_eq!(pair.fake.calls(), 0);
    assert_eq!(pair.gateway.ledger_of(cases.len()).await.len(), cases.len());
    // Bytes that no path holds never become a call.
    for path in ["/v1/mess\0ages", "/v1/mess ages", "/v1/mes\x7fsages"] {
        let sent = format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\r\n");
        let (heard, closed) = exchange(&pair.gateway.address, sent.as_bytes()).await;
        assert_eq!(statuses(&heard), [400], "{path:?}");
        assert!(closed);
    }
    assert_eq!(pair.fake.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_waits_for_100_is_not_asked_for_when_the_call_is_refused() {
    let pair = Pair::start(FakeClaude::default(), "[server]\nbody_limit = \"64KiB\"\n");
    let expecting = |key: &str, length: usize| {
        format!(
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
             expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let (heard, _) = exchange(
        &pair.gateway.address,
        expecting("nobody-has-this-key", 50).as_bytes(),
    )
    .await;
    assert_eq!(statuses(&heard), [401]);
    let (heard, _) = exchange(
        &pair.gateway.address,
        expecting(WEB_KEY, 100_000).as_bytes(),
    )
    .await;
    assert_eq!(statuses(&heard), [413]);
    // And where it is wanted, it is asked for.
    let hello = message("Hello", false);
    let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
    socket
        .write_all(expecting(WEB_KEY, hello.len()).as_bytes())
        .await
        .unwrap();
    let (heard, _) = listen(&mut socket, QUIET).await;
    assert_eq!(statuses(&heard), [100]);
    socket.write_all(hello.as_bytes()).await.unwrap();
    let (heard, _) = listen(&mut socket, QUIET).await;
    assert_eq!(statuses(&heard), [200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_cannot_choose_the_form_of_its_refusals() {
    // In the form of gRPC a refusal, a 401 too, is a 200 without a body: that would hide it from
    // every proxy and client library between. Ours are always Anthropic's envelope.
    let pair = Pair::start(FakeClaude::default(), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let mut asked = request(&url, "{}");
    asked
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let response = send(asked).await;
    assert_eq!(response.status(), 400, "{:?}", response.headers());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_needs_no_key_and_reads_no_body() {
    let pair = Pair::start(FakeClaude::default(), "");
    let sent = "HEAD /api/hello HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nGET /";
    let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
    assert_eq!(statuses(&heard), [200]);
    let request = Request::builder()
        .method(Method::HEAD)
        .uri(format!("{}/api/hello?x=1", pair.gateway.url()))
        .body(Full::default())
        .unwrap();
    assert_eq!(send(request).await.status(), 200);
    assert!(pair.gateway.ledger().is_empty());
}
