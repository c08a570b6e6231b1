//! What clients and upstreams can do to the gateway, over raw sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use support::{Gateway, Pair, UPSTREAM_KEY, WEB_KEY, client, get, message, request, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{Answer, Asked, FakeClaude};

/// How long a raw answer may pause before it counts as finished.
const QUIET: Duration = Duration::from_millis(700);

/// Sends bytes and reads until the gateway closes or says nothing more.
///
/// What came, and whether the connection was closed.
async fn exchange(address: &str, sent: &[u8]) -> (Vec<u8>, bool) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // It may close before it has read all.
    let _ = socket.write_all(sent).await;
    listen(&mut socket, QUIET).await
}

async fn listen(socket: &mut TcpStream, quiet: Duration) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        match tokio::time::timeout(quiet, socket.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return (heard, true),
            Ok(Ok(length)) => heard.extend_from_slice(&chunk[..length]),
            Err(_) => return (heard, false),
        }
    }
}

/// The status of each answer in what was heard.
fn statuses(heard: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(heard);
    text.match_indices("HTTP/1.")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect()
}

fn post(extra: &str, body: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\
         content-type: application/json\r\n{extra}\r\n{body}"
    )
}

fn sized(body: &str) -> String {
    post(&format!("content-length: {}\r\n", body.len()), body)
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// A gateway in front of this address.
fn gateway(base_url: &str, limits: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[usage]
ledger = "usage.jsonl"

[[targets]]
name = "raw"
base_url = "{base_url}"
credential = {{ file = "upstream-key" }}

[[tenants]]
id = "web"
plan = "standard"
keys = [{{ digest = "{}" }}]

[plans.standard]
limits = [{limits}]

{more}
"#,
        KeyDigest::of(WEB_KEY),
    ))
}

/// An upstream of bytes: it reads a request and says what it is told to, then closes.
struct RawUpstream {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    closed_early: Arc<AtomicUsize>,
}

impl RawUpstream {
    /// `pause` is waited between the pieces, and at the end before it closes.
    async fn start(pieces: Vec<Vec<u8>>, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let closed_early = Arc::<AtomicUsize>::default();
        let (count, closed) = (Arc::clone(&asked), Arc::clone(&closed_early));
        let pieces = Arc::new(pieces);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (pieces, count, closed) =
                    (Arc::clone(&pieces), Arc::clone(&count), Arc::clone(&closed));
                tokio::spawn(async move {
                    if !read_request(&mut socket).await {
                        return;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    for piece in &*pieces {
                        if socket.write_all(piece).await.is_err() {
                            break;
                        }
                        let mut byte = [0];
                        let gone = tokio::time::timeout(pause, socket.read(&mut byte)).await;
                        if matches!(gone, Ok(Ok(0) | Err(_))) {
                            closed.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                    }
                });
            }
        });
        Self {
            address,
            asked,
            closed_early,
        }
    }

    fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads a head and a body of known length.
async fn read_request(socket: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => read.extend_from_slice(&chunk[..length]),
        }
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return true;
            }
        }
    }
}

const COMPLETE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":7}}"#;

fn answer(status: &str, extra: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{extra}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-5-5\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const END: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

fn delta(text: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    )
}

fn stream_answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunked(body)
    )
    .into_bytes()
}

/// The one record of a gateway that was called once.
async fn only_line(gateway: &Gateway) -> Value {
    gateway.ledger_of(1).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let ledger = gateway.ledger();
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    ledger.into_iter().next().unwrap()
}

/// Neither what callers show nor what upstream is shown is written anywhere.
async fn assert_no_keys(gateway: &Gateway) {
    let ledger = std::fs::read_to_string(gateway.folder.join("usage.jsonl")).unwrap_or_default();
    let metrics = get(&gateway.admin, "/metrics").await;
    let metrics = String::from_utf8_lossy(metrics.body()).into_owned();
    for (place, text) in [
        ("stderr", gateway.stderr()),
        ("ledger", ledger),
        ("metrics", metrics),
    ] {
        for key in [WEB_KEY, UPSTREAM_KEY] {
            assert!(!text.contains(key), "{key} in {place}: {text}");
        }
        assert!(!text.contains("panicked"), "{place}: {text}");
    }
}

async fn usage_json(gateway: &Gateway) -> Value {
    support::json(&get(&gateway.admin, "/usage.json").await)
}

fn used(usage: &Value, meter: &str) -> u64 {
    let budgets = usage["budgets"].as_array().unwrap();
    let budget = budgets.iter().find(|budget| budget["meter"] == meter);
    budget.unwrap()["used"].as_u64().unwrap()
}

const LIMITS: &str = r#"
  { meter = "requests", limit = 1_000_000, per = "minute" },
  { meter = "input_tokens", limit = 100_000_000, per = "minute" },
  { meter = "output_tokens", limit = 100_000_000, per = "minute" },
"#;

// === What arrives ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_hides_behind_another() {
    let pair = Pair::start(FakeClaude::default().recording(), "");
    let hello = message("Hello", false);
    let hidden = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\r\n");
    let behind_chunks = format!("0\r\n\r\n{hidden}");
    let n = hello.len();
    let te = "transfer-encoding: chunked\r\n";
    let cl = |n: usize| format!("content-length: {n}\r\n");
    // What is sent, and the status of the one answer there may be.
    let cases: Vec<(&str, String, &[u16])> = vec![
        (
            "CL+TE",
            post(&format!("{}{te}", cl(behind_chunks.len())), &behind_chunks),
            &[400],
        ),
        (
            "TE+CL",
            post(&format!("{te}{}", cl(behind_chunks.len())), &behind_chunks),
            &[400],
        ),
        (
            "two lengths",
            post(
                &format!("{}{}", cl(n), cl(n + hidden.len())),
                &format!("{hello}{hidden}"),
            ),
            &[400],
        ),
        (
            "a list of lengths",
            post(&format!("content-length: {n}, {}\r\n", n + 1), &hello),
            &[400],
        ),
        (
            "a length with a sign",
            post(&format!("content-length: +{n}\r\n"), &hello),
            &[400],
        ),
        (
            "a negative length",
            post("content-length: -1\r\n", &hello),
            &[400],
        ),
        (
            "a huge length",
            post("content-length: 99999999999999999999\r\n", &hello),
            &[400],
        ),
        (
            "a folded line",
            post(&format!("x-feature: a\r\n b\r\n{}", cl(n)), &hello),
            &[400],
        ),
        (
            "a space before the colon",
            post(&format!("transfer-encoding : chunked\r\n{}", cl(n)), &hello),
            &[400],
        ),
        (
            "an unknown coding",
            post("transfer-encoding: xchunked\r\n", &hello),
            &[400],
        ),
        (
            "chunked not last",
            post("transfer-encoding: chunked, identity\r\n", &chunked(&hello)),
            &[400],
        ),
        (
            "HTTP/1.0 with chunks",
            post(te, &chunked(&hello)).replace("HTTP/1.1", "HTTP/1.0"),
            &[400],
        ),
        (
            "a chunk that is too long",
            post(te, &format!("ffffffffffffffffff\r\n{hello}\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "a chunk of no size",
            post(te, &format!("zz\r\n{hello}\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "a chunk longer than said",
            post(te, &format!("5\r\n{hello}\r\n0\r\n\r\n")),
            &[400],
        ),
        (
            "NUL in a header",
            post(&format!("x-feature: a\0b\r\n{}", cl(n)), &hello),
            &[400],
        ),
        (
            "a bare CR in a header",
            post(&format!("x-feature: a\rb\r\n{}", cl(n)), &hello),
            &[400],
        ),
    ];
    for (name, sent, expected) in cases {
        let (heard, closed) = exchange(&pair.gateway.address, sent.as_bytes()).await;
        let said = statuses(&heard);
        let text = String::from_utf8_lossy(&heard);
        println!("{name}: {said:?} closed={closed}");
        assert!(said.len() <= 1, "{name}: one answer at most: {text}");
        // hyper resolves a length beside chunks as the RFC allows: chunks count, then it closes.
        let resolved = name.contains("CL") && said == [400];
        assert!(said == expected || resolved, "{name}: {said:?} {text}");
        assert!(closed, "{name}: the connection ends");
    }
    let asked = pair.fake.asked();
    assert!(asked.is_empty(), "nothing of it went upstream: {asked:?}");
    assert_no_keys(&pair.gateway).await;
    for line in pair.gateway.ledger() {
        println!("{} {}", line["outcome"], line["status"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_framed_wrongly_is_refused_and_recorded_as_that() {
    // BUG: the caller reads a 400, the record says that it left and nothing was sent.
    let pair = Pair::start(FakeClaude::default(), "");
    let sent = post("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n");
    let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
    assert_eq!(statuses(&heard), [400]);
    let line = only_line(&pair.gateway).await;
    assert_eq!(
        (&line["outcome"], &line["status"]),
        (&json!("refused"), &json!(400)),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_but_legal_framing_is_read() {
    let pair = Pair::start(FakeClaude::default().recording(), "");
    let hello = message("Hello", false);
    let (a, b) = hello.split_at(20);
    let te = "transfer-encoding: chunked\r\n";
    let cases = [
        (
            "chunk extensions",
            post(
                te,
                &format!(
                    "{:x};a=b;c=\"d\"\r\n{a}\r\n{:X} ; q\r\n{b}\r\n0;z\r\n\r\n",
                    a.len(),
                    b.len()
                ),
            ),
        ),
        (
            "trailers",
            post(
                &format!("{te}trailer: x-tenant\r\n"),
                &format!(
                    "{:x}\r\n{hello}\r\n0\r\nx-tenant: root\r\nx-api-key: other\r\n\r\n",
                    hello.len()
                ),
            ),
        ),
        (
            "another case",
            post("Transfer-Encoding: CHUNKED\r\n", &chunked(&hello)),
        ),
        (
            "leading zeros",
            post(te, &format!("000{:x}\r\n{hello}\r\n0\r\n\r\n", hello.len())),
        ),
        ("an empty line before", format!("\r\n{}", sized(&hello))),
        (
            "equal lengths",
            post(
                &format!(
                    "content-length: {0}\r\ncontent-length: {0}\r\n",
                    hello.len()
                ),
                &hello,
            ),
        ),
        (
            "upgrade",
            post(
                &format!(
                    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\ncontent-length: {}\r\n",
                    hello.len()
                ),
                &hello,
            ),
        ),
        (
            "absolute form",
            sized(&hello).replace("POST /v1", "POST http://evil.example:81/v1"),
        ),
        ("HTTP/1.0", sized(&hello).replace("HTTP/1.1", "HTTP/1.0")),
        (
            "query",
            sized(&hello).replace("/v1/messages", "/v1/messages?beta=true&x=%00%2e%2e/"),
        ),
    ];
    for (at, (name, sent)) in cases.iter().enumerate() {
        let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
        let text = String::from_utf8_lossy(&heard);
        assert_eq!(statuses(&heard), [200], "{name}: {text}");
        let asked = pair.fake.asked();
        let asked = asked.get(at).unwrap();
        assert_eq!(asked.body(), &hello, "{name}");
        assert_eq!(asked.path(), "/v1/messages", "{name}");
        for gone in [
            "upgrade",
            "transfer-encoding",
            "trailer",
            "x-tenant",
            "sec-websocket-key",
        ] {
            assert_eq!(asked.header(gone), None, "{name}: {gone}");
        }
        assert_eq!(asked.header("x-api-key"), Some(UPSTREAM_KEY), "{name}");
        assert!(!asked.header("host").unwrap().contains("evil"), "{name}");
    }
    assert_eq!(pair.gateway.ledger_of(cases.len()).await.len(), cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let pair = Pair::start(FakeClaude::default(), "");
    let hello = sized(&message("Hello", false));
    let models = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\r\n");
    let lost = models.replace("/v1/models", "/v1/none");
    let sent = [&*hello, &models, &lost, &hello].concat();
    let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
    assert_eq!(statuses(&heard), [200, 200, 404, 200]);
    let ledger = pair.gateway.ledger_of(4).await;
    let endpoints: Vec<&str> = ledger
        .iter()
        .map(|l| l["endpoint"].as_str().unwrap())
        .collect();
    assert_eq!(endpoints, ["messages", "models", "unknown", "messages"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_may_come_byte_by_byte() {
    let pair = Pair::start(FakeClaude::default().recording(), "");
    let hello = message("Hello", false);
    let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let head = post("transfer-encoding: chunked\r\n", "");
    socket.write_all(head.as_bytes()).await.unwrap();
    for byte in hello.bytes() {
        for part in ["1\r".as_bytes(), b"\n", &[byte], b"\r\n"] {
            socket.write_all(part).await.unwrap();
        }
    }
    socket.write_all(b"0\r\n\r\n").await.unwrap();
    let (heard, _) = listen(&mut socket, QUIET).await;
    assert_eq!(statuses(&heard), [200]);
    assert_eq!(pair.fake.asked()[0].body(), &hello);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_chunks_is_held_to_the_limit() {
    let pair = Pair::start(FakeClaude::default(), "[server]\nbody_limit = \"64KiB\"\n");
    let sent = post(
        "transfer-encoding: chunked\r\n",
        &format!("20000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x20000)),
    );
    let (heard, closed) = exchange(&pair.gateway.address, sent.as_bytes()).await;
    assert_eq!(
        statuses(&heard),
        [413],
        "{}",
        String::from_utf8_lossy(&heard)
    );
    assert!(String::from_utf8_lossy(&heard).contains("65536"));
    // It says so, or it closes: what is left of the body must not be read as a request.
    println!("closed: {closed}");
    let line = only_line(&pair.gateway).await;
    assert_eq!(
        (&line["outcome"], &line["status"]),
        (&json!("refused"), &json!(413))
    );
}

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
async fn odd_json_is_refused_or_passes_as_it_is() {
    let pair = Pair::limited(FakeClaude::default(), LIMITS, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let ok = r#""messages":[{"role":"user","content":"hi"}]"#;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep_objects = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
    let m = r#""model":"claude-sonnet-5-5""#;
    let with = |fields: &str| format!("{{{fields}}}").into_bytes();
    let mut in_ignored = format!(r#"{{{m},"max_tokens":9,{ok},"x":""#).into_bytes();
    in_ignored.extend(b"\xff\xfe\"}");
    let mut in_used = br#"{"model":"claude-"#.to_vec();
    in_used.extend(b"\xff\",\"max_tokens\":9,\"messages\":[]}");
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("empty", vec![], &[400]),
        (
            "BOM",
            [
                b"\xef\xbb\xbf",
                &*with(&format!(r#"{m},"max_tokens":9,{ok}"#)),
            ]
            .concat(),
            &[400],
        ),
        (
            "UTF-16",
            "{\"a\":1}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            &[400],
        ),
        (
            "deep messages",
            with(&format!(r#"{m},"max_tokens":9,"messages":{deep}"#)),
            &[200, 400],
        ),
        (
            "deep content",
            with(&format!(
                r#"{m},"max_tokens":9,"messages":[{{"role":"user","content":{deep}}}]"#
            )),
            &[200, 400],
        ),
        (
            "deep system",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"system":{deep_objects}"#
            )),
            &[200],
        ),
        (
            "deep metadata",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"metadata":{deep_objects}"#
            )),
            &[200],
        ),
        (
            "deep user",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"metadata":{{"user_id":{deep}}}"#
            )),
            &[200],
        ),
        (
            "deep tools",
            with(&format!(r#"{m},"max_tokens":9,{ok},"tools":{deep}"#)),
            &[200],
        ),
        (
            "deep model",
            with(&format!(r#""model":{deep},"max_tokens":9,{ok}"#)),
            &[400],
        ),
        (
            "deep unknown, unclosed",
            format!(r#"{{{m},"x":{}"#, "[".repeat(200_000)).into_bytes(),
            &[400],
        ),
        (
            "lone surrogate, ignored",
            with(&format!(r#"{m},"max_tokens":9,{ok},"x":"\ud800""#)),
            &[200],
        ),
        (
            "lone surrogate in messages",
            with(&format!(
                r#"{m},"max_tokens":9,"messages":[{{"role":"user","content":"\ud800"}}]"#
            )),
            &[200, 400],
        ),
        (
            "lone surrogate in model",
            with(&format!(r#""model":"claude-\ud800","max_tokens":9,{ok}"#)),
            &[400, 403],
        ),
        (
            "lone surrogate in user",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"metadata":{{"user_id":"\udfff"}}"#
            )),
            &[200],
        ),
        ("bad UTF-8, ignored", in_ignored, &[200, 400]),
        ("bad UTF-8 in model", in_used, &[400]),
        (
            "NUL in a string",
            with(&format!(r#"{m},"max_tokens":9,{ok},"x":"\u0000""#)),
            &[200],
        ),
        (
            "NUL in model",
            with(&format!(r#""model":"claude-\u0000","max_tokens":9,{ok}"#)),
            &[403],
        ),
        (
            "raw NUL",
            with(&format!("{m},\"max_tokens\":9,{ok},\"x\":\"\0\"")),
            &[400],
        ),
        (
            "1e3",
            with(&format!(r#"{m},"max_tokens":1e3,{ok}"#)),
            &[400],
        ),
        (
            "2.0",
            with(&format!(r#"{m},"max_tokens":2.0,{ok}"#)),
            &[400],
        ),
        (
            "2^64",
            with(&format!(r#"{m},"max_tokens":18446744073709551616,{ok}"#)),
            &[400],
        ),
        (
            "2^64-1",
            with(&format!(r#"{m},"max_tokens":18446744073709551615,{ok}"#)),
            &[200, 400],
        ),
        ("-1", with(&format!(r#"{m},"max_tokens":-1,{ok}"#)), &[400]),
        (
            "null",
            with(&format!(r#"{m},"max_tokens":null,{ok}"#)),
            &[400],
        ),
        (
            "true",
            with(&format!(r#"{m},"max_tokens":true,{ok}"#)),
            &[400],
        ),
        ("zero", with(&format!(r#"{m},"max_tokens":0,{ok}"#)), &[200]),
        (
            "model twice",
            with(&format!(
                r#"{m},"mod\u0065l":"claude-opus-5-5","max_tokens":9,{ok}"#
            )),
            &[400],
        ),
        (
            "max_tokens twice",
            with(&format!(
                r#"{m},"max_tokens":9,"max\u005ftokens":90000,{ok}"#
            )),
            &[400],
        ),
        (
            "stream twice",
            with(&format!(
                r#"{m},"stream":false,"max_tokens":9,"\u0073tream":true,{ok}"#
            )),
            &[400],
        ),
        (
            "model in another case too",
            with(&format!(
                r#"{m},"Model":"claude-opus-5-5","MODEL":1,"max_tokens":9,{ok}"#
            )),
            &[200],
        ),
        (
            "only in another case",
            with(&format!(
                r#""Model":"claude-sonnet-5-5","max_tokens":9,{ok}"#
            )),
            &[400],
        ),
        (
            "stream as text",
            with(&format!(r#"{m},"stream":"true","max_tokens":9,{ok}"#)),
            &[400],
        ),
        (
            "stream null",
            with(&format!(r#"{m},"stream":null,"max_tokens":9,{ok}"#)),
            &[200],
        ),
        (
            "ten megabytes of system",
            with(&format!(
                r#"{m},"max_tokens":9,{ok},"system":"{}""#,
                "word ".repeat(2 << 20)
            )),
            &[200],
        ),
        (
            "two documents",
            with(&format!(r#"{m},"max_tokens":9,{ok}}}{{"#)),
            &[400],
        ),
        ("an array", br#"["claude-sonnet-5-5",9]"#.to_vec(), &[400]),
        (
            "many keys",
            with(&format!(
                r#"{m},"max_tokens":9,{ok}{}"#,
                (0..50_000)
                    .map(|i| format!(",\"k{i}\":0"))
                    .collect::<String>()
            )),
            &[200],
        ),
    ];
    let mut count = 0;
    for (name, body, expected) in cases {
        let response = send(request(&url, body)).await;
        let status = response.status().as_u16();
        let text: String = String::from_utf8_lossy(response.body())
            .chars()
            .take(300)
            .collect();
        println!("{name}: {status} {text}");
        assert!(expected.contains(&status), "{name}: {status} {text}");
        if status >= 400 {
            assert_eq!(support::json(&response)["type"], "error", "{name}: {text}");
        }
        count += 1;
        assert_eq!(pair.gateway.ledger_of(count).await.len(), count, "{name}");
    }
    assert_no_keys(&pair.gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_with_a_body_leaves_no_rest_behind() {
    let pair = Pair::start(FakeClaude::default(), "");
    let hidden = format!("GET /v1/none HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\r\n");
    let sent = format!(
        "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\ncontent-length: {}\r\n\r\n{hidden}",
        hidden.len()
    );
    let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
    assert_eq!(
        statuses(&heard),
        [200],
        "{}",
        String::from_utf8_lossy(&heard)
    );
    // The body of a refused call is no request either.
    let sent = sent.replace(WEB_KEY, "nobody-has-this-key");
    let (heard, _) = exchange(&pair.gateway.address, sent.as_bytes()).await;
    assert_eq!(
        statuses(&heard),
        [401],
        "{}",
        String::from_utf8_lossy(&heard)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_from_callers_stay_values() {
    let more = format!(
        "[[tenants]]\nid = \"all\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\nmodels = [\"*\"]\n",
        KeyDigest::of("integration-key-of-all")
    );
    let pair = Pair::start(FakeClaude::default(), &more);
    let url = format!("{}/v1/messages", pair.gateway.url());
    let names = [
        "gpt\r\nx-evil: 1\r\n\r\n<script>",
        "a\"} 1\nclaude_requests_total{tenant=\"web",
        "a\u{2028}\u{0}\u{1b}[31m",
        &"m".repeat(1 << 20),
    ];
    for name in names {
        let body = json!({"model": name, "max_tokens": 9, "messages": []}).to_string();
        for key in [WEB_KEY, "integration-key-of-all"] {
            let mut asked = request(&url, body.clone());
            asked
                .headers_mut()
                .insert("x-api-key", key.parse().unwrap());
            asked
                .headers_mut()
                .insert("x-feature", "claude-sonnet-5-5".parse().unwrap());
            let response = send(asked).await;
            assert_eq!(response.status(), 403);
            assert_eq!(response.headers().get("x-evil"), None);
            assert!(
                response.body().len() < 2_000,
                "{} bytes",
                response.body().len()
            );
            let said = support::json(&response);
            assert_eq!(said["error"]["type"], "permission_error");
            let model: String = name.chars().take(20).collect();
            assert!(said["error"]["message"].as_str().unwrap().contains(&model));
        }
    }
    let ledger = pair.gateway.ledger_of(2 * names.len()).await;
    assert_eq!(
        ledger.len(),
        2 * names.len(),
        "one line each, whatever is in a name"
    );
    let text = std::fs::read_to_string(pair.gateway.folder.join("usage.jsonl")).unwrap();
    assert!(text.len() < 20_000, "{} bytes", text.len());
    let metrics = get(&pair.gateway.admin, "/metrics").await;
    let metrics = std::str::from_utf8(metrics.body()).unwrap();
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("claude_requests_total"))
    {
        assert!(line.contains("model=\"other\""), "{line}");
        assert!(
            line.contains("feature=\"other\"") || line.contains("feature=\"unknown\""),
            "{line}"
        );
    }
    assert_no_keys(&pair.gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_cannot_choose_the_form_of_its_refusals() {
    // BUG: `content-type: application/grpc` makes every refusal a 200 without a body, a 401 too.
    // GATEWAY.md: ours are Anthropic's envelope. A status of 200 would hide a refusal from
    // every proxy and client library between.
    let pair = Pair::start(FakeClaude::default(), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let mut asked = request(&url, "{}");
    asked
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let response = send(asked).await;
    assert_eq!(response.status(), 400, "{:?}", response.headers());
}

// === HTTP/2 ===

type Http2 = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http2(address: &str) -> Http2 {
    let socket = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(socket);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn over(sender: &mut Http2, request: Request<Full<Bytes>>) -> Response<Bytes> {
    sender.ready().await.unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_with_prior_knowledge_is_the_same_gateway() {
    let pair = Pair::start(FakeClaude::default(), "[server]\nbody_limit = \"64KiB\"\n");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let mut sender = http2(&pair.gateway.address).await;
    let plain = over(&mut sender, request(&url, message("Hello", false))).await;
    assert_eq!(plain.status(), 200);
    assert_eq!(support::json(&plain)["type"], "message");
    let stream = over(&mut sender, request(&url, message("Hello", true))).await;
    assert!(
        stream
            .body()
            .ends_with(b"data: {\"type\":\"message_stop\"}\n\n")
    );
    let mut nobody = request(&url, message("Hello", false));
    nobody.headers_mut().remove("x-api-key");
    let nobody = over(&mut sender, nobody).await;
    assert_eq!(nobody.status(), 401);
    assert_eq!(
        support::json(&nobody)["error"]["type"],
        "authentication_error"
    );
    let large = over(&mut sender, request(&url, "x".repeat(200_000))).await;
    assert_eq!(large.status(), 413);
    let bad = over(&mut sender, request(&url, "{")).await;
    assert_eq!(bad.status(), 400);
    let lost = over(&mut sender, request(&format!("{url}/none"), "{}")).await;
    assert_eq!(lost.status(), 404);
    let all = (0..150).map(|number| {
        let mut sender = sender.clone();
        let request = request(&url, message("Hello", number % 2 == 0));
        tokio::spawn(async move { over(&mut sender, request).await.status() })
    });
    let all: Vec<_> = all.collect();
    for task in all {
        assert_eq!(task.await.unwrap(), 200);
    }
    let ledger = pair.gateway.ledger_of(155).await;
    assert_eq!(ledger.len(), 155);
    assert_no_keys(&pair.gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_stream_that_is_reset_is_recorded_as_dropped() {
    let pair = Pair::limited(FakeClaude::scenarios(), LIMITS, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let mut sender = http2(&pair.gateway.address).await;
    sender.ready().await.unwrap();
    let response = sender
        .send_request(request(&url, message("scenario:stalled", true)))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let line = only_line(&pair.gateway).await;
    assert_eq!(line["outcome"], "dropped");
    // The connection goes on.
    let plain = over(&mut sender, request(&url, message("Hello", false))).await;
    assert_eq!(plain.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_connection_that_says_nothing_is_closed_in_time() {
    // BUG: without a key, a connection that begins as HTTP/2 is held for as long as it likes:
    // a preface that never ends, or pings answered for ever.
    let pair = Pair::start(
        FakeClaude::default(),
        "[server]\nheader_timeout = \"300ms\"\n",
    );
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    // A HEADERS frame of stream 1 without END_HEADERS; its CONTINUATION never comes.
    let headers = b"\0\0\x01\x01\0\0\0\0\x01\x82";
    let cases: [(&str, Vec<u8>); 4] = [
        ("three bytes", b"PRI".to_vec()),
        ("half a preface", preface[..10].to_vec()),
        ("a preface and no settings", preface.to_vec()),
        ("half a head", [&preface[..], settings, headers].concat()),
    ];
    let mut stuck = Vec::new();
    for (name, sent) in cases {
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        socket.write_all(&sent).await.unwrap();
        let (_, closed) = listen(&mut socket, Duration::from_secs(4)).await;
        if !closed {
            stuck.push(name);
        }
    }
    assert!(stuck.is_empty(), "still open after 4 s: {stuck:?}");
}

// === What upstream does ===

struct Misdeed {
    name: &'static str,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    stream: bool,
    status: u16,
    outcome: &'static str,
}

fn misdeed(
    name: &'static str,
    said: Vec<u8>,
    stream: bool,
    status: u16,
    outcome: &'static str,
) -> Misdeed {
    Misdeed {
        name,
        pieces: vec![said],
        pause: Duration::from_millis(1),
        stream,
        status,
        outcome,
    }
}

const JSON: &str = "content-type: application/json\r\n";
const SSE: &str = "content-type: text/event-stream\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_upstream_does_has_an_answer_and_one_record() {
    let error = r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#;
    let whole = [START, &delta("hi"), END].concat();
    let odd_usage =
        |usage: &str| COMPLETE.replace(r#"{"input_tokens":11,"output_tokens":7}"#, usage);
    let giant = [START, &delta(&"x".repeat(5 << 20)), END].concat();
    let giant_first = [&*delta(&"x".repeat(5 << 20)), START, END].concat();
    let cut = |text: &str| text[..text.len() - 40].to_owned();
    let head = |extra: &str| format!("HTTP/1.1 200 OK\r\n{extra}\r\n").into_bytes();
    let flood: String = (0..300)
        .map(|n| format!("x-flood-{n}: {}\r\n", "v".repeat(100)))
        .collect();
    let cases = vec![
        misdeed("fine", answer("200 OK", JSON, COMPLETE), false, 200, "complete"),
        misdeed("fine stream", stream_answer(&whole), true, 200, "complete"),
        misdeed("a gzip that is none", answer("200 OK", &format!("{JSON}content-encoding: gzip\r\n"), "\u{1f}gzip"), false, 200, "complete"),
        misdeed("broken json", answer("200 OK", JSON, &cut(COMPLETE)), false, 200, "complete"),
        misdeed("empty body", answer("200 OK", JSON, ""), false, 200, "complete"),
        misdeed("usage of negatives", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":-5,"output_tokens":-1}"#)), false, 200, "complete"),
        misdeed("usage of floats", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":1.5,"output_tokens":1e300}"#)), false, 200, "complete"),
        misdeed("usage of 2^64", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":18446744073709551616,"output_tokens":18446744073709551615}"#)), false, 200, "complete"),
        misdeed("usage beyond floats", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":1e999,"output_tokens":7}"#)), false, 200, "complete"),
        misdeed("usage of texts", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":"11","output_tokens":[7]}"#)), false, 200, "complete"),
        misdeed("usage null", answer("200 OK", JSON, &odd_usage("null")), false, 200, "complete"),
        misdeed("giant event", stream_answer(&giant), true, 200, "complete"),
        misdeed("giant event first", stream_answer(&giant_first), true, 200, "complete"),
        misdeed("CR only", stream_answer(&whole.replace('\n', "\r")), true, 200, "complete"),
        misdeed("CRLF", stream_answer(&whole.replace('\n', "\r\n")), true, 200, "complete"),
        misdeed("a type in another case", String::from_utf8(stream_answer(&whole)).unwrap().replace("text/event-stream", "Text/Event-Stream;charset=UTF-8").into_bytes(), true, 200, "complete"),
        misdeed("stream without a type", answer("200 OK", "", &whole), true, 200, "complete"),
        misdeed("stream of garbage", stream_answer("\u{0}\u{1}garbage\n\n:::\n\n"), true, 200, "truncated"),
        misdeed("an empty stream", stream_answer(""), true, 200, "truncated"),
        misdeed("204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false, 204, "complete"),
        misdeed("304", b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("301", answer("301 Moved", "location: http://127.0.0.1:1/\r\n", ""), false, 502, "errored"),
        misdeed("307 to itself", answer("307 Temporary Redirect", "location: /v1/messages\r\n", ""), false, 502, "errored"),
        misdeed("308 stream", answer("308 Permanent Redirect", &format!("{SSE}location: /\r\n"), &whole), true, 502, "errored"),
        misdeed("100 then 200", [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), answer("200 OK", JSON, COMPLETE)].concat(), false, 200, "complete"),
        misdeed("103 then 200", [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec(), answer("200 OK", JSON, COMPLETE)].concat(), false, 200, "complete"),
        // BUG: upstream's 101 reaches the caller as it is.
        misdeed("101", b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("199 only", b"HTTP/1.1 199 Odd\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("garbage", b"\x16\x03\x01 no http at all\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("status 999", answer("999 Odd", JSON, error), false, 999, "errored"),
        misdeed("status 99", answer("99 Odd", JSON, error), false, 502, "errored"),
        misdeed("header flood", answer("200 OK", &format!("{JSON}{flood}"), COMPLETE), false, 502, "errored"),
        misdeed("a head of a megabyte", answer("200 OK", &format!("{JSON}x-big: {}\r\n", "v".repeat(1 << 20)), COMPLETE), false, 502, "errored"),
        misdeed("close at once", vec![], false, 502, "errored"),
        misdeed("close within the head", b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec(), false, 502, "errored"),
        // The head is not out yet when the body breaks: hyper closes without it.
        misdeed("chunked garbage", [head(&format!("{JSON}transfer-encoding: chunked\r\n")), b"zz\r\nfoo\r\n".to_vec()].concat(), false, 0, "truncated"),
        misdeed("stream of chunked garbage", [head(&format!("{SSE}transfer-encoding: chunked\r\n")), b"zz\r\nfoo\r\n".to_vec()].concat(), true, 200, "truncated"),
        misdeed("shorter than said", [head(&format!("{JSON}content-length: 5000\r\n")), COMPLETE.into()].concat(), false, 200, "truncated"),
        // BUG: no error event, and on a broken stream not even a head.
        misdeed("stream shorter than said", [head(&format!("{SSE}content-length: 5000\r\n")), START.into()].concat(), true, 200, "truncated"),
        misdeed("longer than said", [answer("200 OK", JSON, COMPLETE), b"HTTP/1.1 200 OK\r\n\r\n".to_vec()].concat(), false, 200, "complete"),
        misdeed("two lengths", [head(&format!("{JSON}content-length: 5\r\ncontent-length: 6\r\n")), b"hellos".to_vec()].concat(), false, 502, "errored"),
        // BUG: the length passes, and the caller gets five bytes of the answer.
        misdeed("length and chunks", [head(&format!("{JSON}content-length: 5\r\ntransfer-encoding: chunked\r\n")), chunked(COMPLETE).into()].concat(), false, 200, "complete"),
        misdeed("until it closes", [head(JSON), COMPLETE.into()].concat(), false, 200, "complete"),
        misdeed("stream until it closes", [head(SSE), whole.clone().into()].concat(), true, 200, "complete"),
        misdeed("stream cut", [head(SSE), START.into(), delta("hi").into()].concat(), true, 200, "truncated"),
        misdeed("stream after stop", stream_answer(&[&*whole, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n"].concat()), true, 200, "complete"),
        misdeed("500 with a stream", answer("500 Oops", SSE, &whole), true, 500, "errored"),
        misdeed("an error without end", [b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\n\r\n".to_vec(), vec![b'x'; 3 << 20]].concat(), false, 400, "errored"),
        misdeed("json to a stream", answer("200 OK", JSON, COMPLETE), true, 200, "complete"),
        misdeed("a stream to a plain call", stream_answer(&whole), false, 200, "complete"),
        Misdeed {
            name: "a head that drips",
            pieces: b"HTTP/1.1 200 OK\r\nx-y: z".iter().map(|b| vec![*b]).collect(),
            pause: Duration::from_millis(200),
            stream: false,
            status: 504,
            outcome: "errored",
        },
        Misdeed {
            name: "a plain body that drips",
            pieces: answer("200 OK", JSON, COMPLETE).chunks(40).map(<[u8]>::to_vec).collect(),
            pause: Duration::from_millis(300),
            stream: false,
            status: 200,
            outcome: "truncated",
        },
        Misdeed {
            name: "a stream that falls silent",
            pieces: vec![[&head(SSE)[..], START.as_bytes(), delta("hi").as_bytes()].concat(), vec![]],
            pause: Duration::from_secs(20),
            stream: true,
            status: 200,
            outcome: "truncated",
        },
        Misdeed {
            name: "a stream byte by byte",
            pieces: [head(SSE), whole.clone().into()].concat().chunks(3).map(<[u8]>::to_vec).collect(),
            pause: Duration::from_millis(1),
            stream: true,
            status: 200,
            outcome: "complete",
        },
    ];
    let more = "[server]\nrequest_timeout = \"1500ms\"\nstream_idle_timeout = \"1s\"\n\
                [retry]\nattempts = 1\n[failover]\nbreaker = { failures = 1000 }\n";
    let mut wrong = Vec::new();
    for case in cases {
        let upstream = RawUpstream::start(case.pieces, case.pause).await;
        let gateway = gateway(&upstream.base_url(), LIMITS, more);
        let hello = message("Hello", case.stream);
        let close = format!("connection: close\r\ncontent-length: {}\r\n", hello.len());
        let sent = post(&close, &hello);
        let mut socket = TcpStream::connect(&gateway.address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let (heard, closed) = listen(&mut socket, Duration::from_millis(2_500)).await;
        drop(socket);
        let said = statuses(&heard);
        let text: String = String::from_utf8_lossy(&heard).chars().take(400).collect();
        let line = only_line(&gateway).await;
        let asked = upstream.asked.load(Ordering::SeqCst);
        println!(
            "{}: {said:?} {} usage {} {} {} cost {} asked {asked}",
            case.name,
            line["outcome"],
            line["usage_source"],
            line["input_tokens"],
            line["output_tokens"],
            line["cost_usd"]
        );
        let mut check = |is_right: bool, what: String| {
            if !is_right {
                wrong.push(format!("{}: {what}\n    {text:?}\n    {line}", case.name));
            }
        };
        let any = case.status == 0;
        check(
            any || said.first() == Some(&case.status),
            format!("status {said:?}, not {}", case.status),
        );
        check(
            line["outcome"] == case.outcome,
            format!("outcome {}, not {}", line["outcome"], case.outcome),
        );
        check(
            any || line["status"] == case.status,
            format!("recorded status {}", line["status"]),
        );
        check(asked == 1, format!("asked {asked} times"));
        if case.status == 502 || case.status == 504 {
            check(text.contains("\"type\":\"error\""), "no envelope".into());
        }
        let ends = String::from_utf8_lossy(&heard);
        if case.stream && case.outcome == "truncated" {
            check(ends.contains("event: error"), "no error event".into());
        } else if case.outcome == "truncated" {
            check(closed, "a cut answer ends its connection".into());
        }
        if case.outcome == "complete" && case.status != 204 {
            let (head, body) = ends.split_once("\r\n\r\n").unwrap_or_default();
            let said = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let fits = said.is_none_or(|said| said.parse() == Ok(body.len()));
            check(fits, format!("content-length {said:?} of {}", body.len()));
        }
        // Nothing is held any more.
        let usage = usage_json(&gateway).await;
        let output = used(&usage, "output_tokens");
        let due = line["output_tokens"].as_u64();
        let is_due = case.status < 400;
        check(
            !is_due || due.is_none_or(|due| due == output),
            format!("output used {output}, due {due:?}"),
        );
        println!(
            "    budget: input {} output {output}",
            used(&usage, "input_tokens")
        );
        assert_no_keys(&gateway).await;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_words_about_the_account_never_pass() {
    let fake = FakeClaude::new(|_: &Asked| {
        Answer::json(200, COMPLETE)
            .header("anthropic-ratelimit-requests-limit", "4000")
            .header("anthropic-ratelimit-unified-status", "allowed")
            .header("anthropic-priority-input-tokens-limit", "1")
            .header("anthropic-fast-input-tokens-limit", "1")
            .header("anthropic-organization-id", "org-secret")
            .header("anthropic-workspace-id", "ws-secret")
            .header("x-claude-request-id", "req_forged")
            .header("x-claude-target", "forged")
            .header("x-claude-attempts", "99")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=5")
    });
    let pair = Pair::limited(
        fake,
        r#"{ meter = "requests", limit = 7, per = "minute" }"#,
        "",
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message("Hi", false))).await;
    let headers = response.headers();
    let text = format!("{headers:?}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(headers["anthropic-ratelimit-requests-limit"], "7");
    assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "6");
    assert!(
        headers["anthropic-ratelimit-requests-reset"]
            .to_str()
            .unwrap()
            .ends_with('Z')
    );
    for gone in [
        "anthropic-ratelimit-unified-status",
        "anthropic-priority-input-tokens-limit",
        "anthropic-fast-input-tokens-limit",
        "x-hop",
        "keep-alive",
    ] {
        assert_eq!(headers.get(gone), None, "{gone}");
    }
    assert_eq!(headers["request-id"], "req_011TestKit0000000000000");
    assert_ne!(headers["x-claude-request-id"], "req_forged");
    assert_eq!(headers["x-claude-target"], "fake");
    assert_eq!(headers["x-claude-attempts"], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_does_not_speak_in_our_name() {
    // BUG: upstream's own `x-claude-*` headers pass.
    let fake = FakeClaude::new(|_: &Asked| {
        Answer::json(200, COMPLETE)
            .header("x-claude-budget-warning", "forged")
            .header("x-claude-degraded", "forged")
    });
    let pair = Pair::start(fake, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message("Hi", false))).await;
    for ours in ["x-claude-budget-warning", "x-claude-degraded"] {
        let said = response.headers().get(ours);
        assert_eq!(said, None, "{ours} is ours to say, and we did not");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retried_is_what_the_contract_lists() {
    // The first answer, the status at the end, how often upstream was asked, the flag.
    let cases: Vec<(&str, Answer, u16, u64, Option<&str>)> = vec![
        (
            "408",
            Answer::error(408, "timeout_error", "x"),
            200,
            2,
            None,
        ),
        (
            "409",
            Answer::error(409, "conflict_error", "x"),
            200,
            2,
            None,
        ),
        ("429 soon", Answer::rate_limited(1), 200, 2, None),
        ("429 late", Answer::rate_limited(3_000), 429, 1, None),
        ("503", Answer::error(503, "api_error", "x"), 200, 2, None),
        ("529", Answer::overloaded(), 200, 2, None),
        ("reset after sending", Answer::reset(), 502, 1, None),
        ("500", Answer::error(500, "api_error", "x"), 500, 1, None),
        (
            "504",
            Answer::error(504, "timeout_error", "x"),
            504,
            1,
            None,
        ),
        (
            "400",
            Answer::error(400, "invalid_request_error", "x"),
            400,
            1,
            None,
        ),
        (
            "404",
            Answer::error(404, "not_found_error", "x"),
            404,
            1,
            None,
        ),
        (
            "413",
            Answer::error(413, "request_too_large", "x"),
            413,
            1,
            None,
        ),
        (
            "401",
            Answer::error(401, "authentication_error", "x"),
            502,
            1,
            Some("false"),
        ),
        (
            "403",
            Answer::error(403, "permission_error", "x"),
            502,
            1,
            Some("false"),
        ),
        ("spend cap", Answer::spend_cap(), 429, 1, None),
        ("spend limit", Answer::spend_limit(), 400, 1, None),
        (
            "500 that wants it",
            Answer::error(500, "api_error", "x").header("x-should-retry", "true"),
            200,
            2,
            None,
        ),
        (
            "529 that does not",
            Answer::overloaded().header("x-should-retry", "false"),
            529,
            1,
            Some("false"),
        ),
        (
            "529 later",
            Answer::overloaded().header("retry-after", "3000"),
            529,
            1,
            None,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, first, status, times, flag) in cases {
        let fake = FakeClaude::sequence([first, Answer::json(200, COMPLETE)]);
        let pair = Pair::start(fake, "[retry]\nbase = \"1ms\"\n");
        let url = format!("{}/v1/messages", pair.gateway.url());
        let response = send(request(&url, message("Hi", false))).await;
        let said = (response.status().as_u16(), pair.fake.calls());
        if said != (status, times) {
            wrong.push(format!("{name}: {said:?}, not {:?}", (status, times)));
        }
        let should = response
            .headers()
            .get("x-should-retry")
            .map(|v| v.to_str().unwrap());
        if should != flag && !name.starts_with("spend") {
            wrong.push(format!("{name}: x-should-retry {should:?}, not {flag:?}"));
        }
        if name == "401" || name == "403" {
            let text = String::from_utf8_lossy(response.body()).into_owned();
            assert!(text.contains("target fake"), "{text}");
            let ready = get(&pair.gateway.admin, "/readyz").await;
            let ready = String::from_utf8_lossy(ready.body()).into_owned();
            assert!(ready.contains("fake"), "{ready}");
        }
        let line = only_line(&pair.gateway).await;
        if line["attempts"] != times || line["status"] != status {
            wrong.push(format!("{name}: {line}"));
        }
    }
    // Upstream's own answer passes unchanged, and says that we have tried.
    let fake = FakeClaude::new(|_: &Asked| Answer::overloaded());
    let pair = Pair::start(fake, "[retry]\nbase = \"1ms\"\n");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message("Hi", false))).await;
    assert_eq!(response.status(), 529);
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(response.headers()["x-claude-attempts"], "3");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_upstream_at_all_is_502_then_529_with_a_time() {
    let more = "[retry]\nattempts = 1\n[failover]\nbreaker = { failures = 2, open = \"5s\" }\n";
    let gateway = gateway("http://127.0.0.1:1", LIMITS, more);
    let url = format!("{}/v1/messages", gateway.url());
    for _ in 0..2 {
        let response = send(request(&url, message("Hi", false))).await;
        assert_eq!(response.status(), 502);
        assert_eq!(support::json(&response)["error"]["type"], "api_error");
    }
    let response = send(request(&url, message("Hi", true))).await;
    assert_eq!(response.status(), 529);
    assert_eq!(
        support::json(&response)["error"]["type"],
        "overloaded_error"
    );
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(get(&gateway.admin, "/readyz").await.status(), 503);
    let ledger = gateway.ledger_of(3).await;
    for line in &ledger {
        assert_eq!(line["cost_usd"], "0", "{line}");
    }
    let usage = usage_json(&gateway).await;
    assert_eq!(
        used(&usage, "output_tokens"),
        0,
        "nothing reached anybody: {usage}"
    );
    assert_eq!(
        used(&usage, "input_tokens"),
        0,
        "nothing reached anybody: {usage}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spent_limits_say_so_in_the_contracts_words() {
    let limits = r#"
      { meter = "requests", limit = 3, per = "minute" },
      { meter = "output_tokens", limit = 1000, per = "minute" },
    "#;
    let pair = Pair::limited(FakeClaude::default(), limits, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    let large = message("Hi", false)
        .replace("128", "1001")
        .replace("balanced", "strict");
    let response = send(request(&url, large)).await;
    println!("{:?}", response.body());
    let foreign = message("Hi", false).replace("claude-sonnet-5-5", "gpt-9");
    for _ in 0..5 {
        assert_eq!(
            send(request(&url, foreign.clone())).await.status(),
            403,
            "counts nothing"
        );
    }
    let mut last = None;
    for _ in 0..4 {
        last = Some(send(request(&url, message("Hi", false))).await);
    }
    let response = last.unwrap();
    assert_eq!(response.status(), 429);
    let body = support::json(&response);
    assert_eq!(body["error"]["type"], "rate_limit_error");
    assert_eq!(
        body["error"]["message"],
        "tenant web exhausted (3 requests/min)"
    );
    let details = &body["error"]["details"];
    for (key, value) in [
        ("scope", json!("tenant")),
        ("meter", json!("requests")),
        ("limit", json!(3)),
        ("per", json!("minute")),
    ] {
        assert_eq!(details[key], value, "{details}");
    }
    assert!(details["resets_at"].as_str().unwrap().ends_with('Z'));
    let wait: u64 = response.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        response.headers()["anthropic-ratelimit-requests-remaining"],
        "0"
    );
    assert_eq!(response.headers().get("x-claude-target"), None);
    assert_eq!(response.headers().get("x-claude-attempts"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_check_that_fails_answers() {
    let pair = Pair::limited(
        FakeClaude::default(),
        r#"{ meter = "requests", limit = 1, per = "minute" }"#,
        "[server]\nbody_limit = \"64KiB\"\n",
    );
    let url = pair.gateway.url();
    let messages = format!("{url}/v1/messages");
    assert_eq!(
        send(request(&messages, message("Hi", false)))
            .await
            .status(),
        200
    );
    let big = "x".repeat(70_000);
    let mut nobody = request(&format!("{url}/nowhere"), big.clone());
    nobody.headers_mut().remove("x-api-key");
    assert_eq!(send(nobody).await.status(), 401, "credential before path");
    let lost = request(&format!("{url}/nowhere"), big.clone());
    assert_eq!(send(lost).await.status(), 404, "path before size");
    assert_eq!(
        send(request(&messages, big)).await.status(),
        413,
        "size before body"
    );
    let bad = r#"{"model":"gpt"}"#;
    assert_eq!(
        send(request(&messages, bad)).await.status(),
        400,
        "body before model"
    );
    let foreign = message("Hi", false).replace("claude-sonnet-5-5", "gpt");
    assert_eq!(
        send(request(&messages, foreign)).await.status(),
        403,
        "model before limits"
    );
    assert_eq!(
        send(request(&messages, message("Hi", false)))
            .await
            .status(),
        429
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buffers_that_are_spent_are_529_and_come_back() {
    let pair = Pair::start(
        FakeClaude::default(),
        "[server]\nbody_limit = \"64KiB\"\nbuffer_limit = \"128KiB\"\n",
    );
    let mut holders = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        let head = post("content-length: 65000\r\n", "");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b' '; 60_000]).await.unwrap();
        holders.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let url = format!("{}/v1/messages", pair.gateway.url());
    let response = send(request(&url, message(&"x".repeat(60_000), false))).await;
    assert_eq!(response.status(), 529);
    assert_eq!(
        support::json(&response)["error"]["type"],
        "overloaded_error"
    );
    assert!(response.headers().contains_key("retry-after"));
    drop(holders);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let response = send(request(&url, message(&"x".repeat(60_000), false))).await;
    assert_eq!(response.status(), 200);
    let ledger = pair.gateway.ledger_of(5).await;
    assert_eq!(ledger.len(), 5);
}

// === Callers that leave ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_is_one_record_wherever_it_leaves() {
    let sse = format!("HTTP/1.1 200 OK\r\n{SSE}\r\n");
    let begun = [
        sse.as_bytes(),
        START.as_bytes(),
        delta("hello there").as_bytes(),
    ]
    .concat();
    let long = Duration::from_secs(30);
    let silent = vec![vec![], vec![]];
    let hello = message("Hello", true);
    let whole = sized(&hello);
    let cases = [
        (
            "a byte short of its length",
            sized(&hello)[..whole.len() - 1].to_owned(),
            silent.clone(),
            false,
        ),
        (
            "within a chunk",
            post("transfer-encoding: chunked\r\n", "fff\r\n{\"model\""),
            silent.clone(),
            false,
        ),
        ("before the head of the answer", whole.clone(), silent, true),
        (
            "after the head",
            whole.clone(),
            vec![sse.clone().into_bytes(), vec![]],
            true,
        ),
        ("midway", whole, vec![begun, vec![]], true),
    ];
    for (name, sent, pieces, reaches) in cases {
        for way in ["close", "reset"] {
            let upstream = RawUpstream::start(pieces.clone(), long).await;
            let gateway = gateway(&upstream.base_url(), LIMITS, "");
            let mut socket = TcpStream::connect(&gateway.address).await.unwrap();
            socket.write_all(sent.as_bytes()).await.unwrap();
            let _ = listen(&mut socket, Duration::from_millis(300)).await;
            if way == "reset" {
                socket.set_zero_linger().unwrap();
            }
            drop(socket);
            let line = only_line(&gateway).await;
            assert_eq!(line["outcome"], "dropped", "{name}, {way}: {line}");
            assert_eq!(line["model"].is_string(), reaches, "{name}: {line}");
            for _ in 0..100 {
                if !reaches || upstream.closed_early.load(Ordering::SeqCst) == 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let asked = usize::from(reaches);
            assert_eq!(
                upstream.asked.load(Ordering::SeqCst),
                asked,
                "{name}, {way}"
            );
            assert_eq!(
                upstream.closed_early.load(Ordering::SeqCst),
                asked,
                "{name}, {way}: upstream's call is cancelled"
            );
            let usage = usage_json(&gateway).await;
            let (output, input) = (used(&usage, "output_tokens"), used(&usage, "input_tokens"));
            println!(
                "{name}, {way}: used {input} {output}; {} {} {}",
                line["usage_source"], line["input_tokens"], line["output_tokens"]
            );
            if !reaches {
                assert_eq!(
                    (input, output, used(&usage, "requests")),
                    (0, 0, 0),
                    "{name}: {usage}"
                );
            } else if name == "midway" {
                assert_eq!(input, 11, "{name}");
                assert_eq!(Some(output), line["output_tokens"].as_u64(), "{name}");
            }
            assert_no_keys(&gateway).await;
        }
    }
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// The process that listens there: the gateway's own id is not told.
fn process_of(gateway: &Gateway) -> u32 {
    let folder = std::fs::canonicalize(&gateway.folder).unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_cancelled_streams_leave_nothing_behind() {
    let pair = Pair::limited(FakeClaude::scenarios(), LIMITS, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    assert_eq!(
        send(request(&url, message("Hi", false))).await.status(),
        200
    );
    let pid = process_of(&pair.gateway);
    let before = open_files(pid);
    let sent = sized(&message("scenario:stalled", true));
    for _ in 0..10 {
        let mut open = Vec::new();
        for number in 0..50 {
            let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
            socket.write_all(sent.as_bytes()).await.unwrap();
            if number % 2 == 0 {
                let mut chunk = [0; 64];
                socket.read_exact(&mut chunk).await.unwrap();
            }
            // A reset would take back what has not been read.
            if number % 6 == 0 {
                socket.set_zero_linger().unwrap();
            }
            open.push(socket);
        }
        drop(open);
    }
    let mut after = open_files(pid);
    for _ in 0..100 {
        if after <= before + 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = open_files(pid);
    }
    println!("{before} open before, {after} after");
    assert!(after <= before + 8, "{before} open before, {after} after");
    // Those that left before their call began have none; the half that read an answer have.
    let ledger = pair.gateway.ledger_of(251).await;
    let calls = usize::try_from(pair.fake.calls()).unwrap();
    println!("{} records, {calls} calls", ledger.len());
    assert!(
        (calls..=501).contains(&ledger.len()),
        "{} records, {calls} calls",
        ledger.len()
    );
    let dropped = ledger
        .iter()
        .filter(|line| line["outcome"] == "dropped")
        .count();
    assert_eq!(dropped, ledger.len() - 1);
    // What is held is given back; what is charged is at least what is known to be due.
    let sum = |key: &str| -> u64 {
        ledger
            .iter()
            .map(|line| line[key].as_u64().unwrap_or(0))
            .sum()
    };
    let unread = ledger
        .iter()
        .filter(|line| line["input_tokens"].is_null())
        .count();
    let usage = usage_json(&pair.gateway).await;
    println!("{unread} without usage; {usage}");
    assert_eq!(used(&usage, "requests"), ledger.len() as u64);
    assert_eq!(used(&usage, "output_tokens"), sum("output_tokens"));
    assert!(used(&usage, "input_tokens") >= sum("input_tokens"));
    assert_eq!(send(request(&url, message("Hi", true))).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_do_not_slow_the_others() {
    let fake = FakeClaude::new(|asked: &Asked| {
        if asked.last_user_text().as_deref() == Some("large") {
            Answer::message("claude-sonnet-5-5")
                .text("word ".repeat(1 << 20))
                .deltas(2_000)
                .into_stream()
        } else {
            Answer::message("claude-sonnet-5-5")
                .text("hi")
                .into_stream()
        }
    });
    let pair = Pair::start(fake, "");
    let large = sized(&message("large", true));
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        socket.write_all(large.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let url = format!("{}/v1/messages", pair.gateway.url());
    let client = client();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let response = client
                    .request(request(&url, message("small", true)))
                    .await
                    .unwrap();
                response.into_body().collect().await.unwrap().to_bytes()
            })
        })
        .collect();
    for task in tasks {
        let body = task.await.unwrap();
        assert!(body.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
    }
    let took = begun.elapsed();
    println!("200 streams beside 10 slow readers took {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    for mut socket in slow {
        let (heard, _) = listen(&mut socket, QUIET).await;
        assert!(heard.len() > 5 << 20);
        assert!(String::from_utf8_lossy(&heard).contains("message_stop"));
    }
    assert_eq!(pair.gateway.ledger_of(210).await.len(), 210);
}

// === What happens to the process ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_on_when_its_ledger_goes_away() {
    let pair = Pair::start(FakeClaude::default(), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    assert_eq!(
        send(request(&url, message("Hi", false))).await.status(),
        200
    );
    pair.gateway.ledger_of(1).await;
    std::fs::remove_file(pair.gateway.folder.join("usage.jsonl")).unwrap();
    for _ in 0..3 {
        assert_eq!(
            send(request(&url, message("Hi", false))).await.status(),
            200
        );
    }
    let usage = usage_json(&pair.gateway).await;
    assert_eq!(usage["totals"]["requests"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_be_written_is_said_aloud() {
    // BUG: neither log, metrics nor readiness say that no record is written any more.
    let fake = FakeClaude::default();
    let server = tower_claude_testkit::FakeServer::start(fake);
    let folder = support::folder();
    std::os::unix::fs::symlink("/dev/full", folder.join("usage.jsonl")).unwrap();
    std::fs::write(folder.join("upstream-key"), UPSTREAM_KEY).unwrap();
    let config = format!(
        "[usage]\nledger = \"usage.jsonl\"\n[[targets]]\nname = \"raw\"\nbase_url = \"{}\"\n\
         credential = {{ file = \"upstream-key\" }}\n[plans.standard]\nlimits = []\n\
         [[tenants]]\nid = \"web\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n",
        server.base_url(),
        KeyDigest::of(WEB_KEY)
    );
    std::fs::write(folder.join("gateway.toml"), config).unwrap();
    let mut gateway = Gateway::spawn(folder, &["--config", "gateway.toml"]);
    let url = format!("{}/v1/messages", gateway.url());
    for _ in 0..3 {
        assert_eq!(
            send(request(&url, message("Hi", false))).await.status(),
            200
        );
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let while_running = gateway.stderr();
    let metrics = get(&gateway.admin, "/metrics").await;
    let metrics = String::from_utf8_lossy(metrics.body()).into_owned();
    gateway.terminate();
    let code = gateway.ended().await;
    println!("exit {code:?}; {}", gateway.stderr());
    assert_ne!(code, Some(0), "records were lost");
    assert!(
        while_running.contains("ledger") || metrics.contains("ledger"),
        "lost records are seen while it runs: {while_running}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_open_streams_end_and_are_recorded_when_it_stops() {
    let mut pair = Pair::start(
        FakeClaude::scenarios(),
        "[server]\nshutdown_grace = \"300ms\"\n",
    );
    let sent = sized(&message("scenario:stalled", true));
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let mut chunk = [0; 64];
        socket.read_exact(&mut chunk).await.unwrap();
        open.push(socket);
    }
    pair.gateway.terminate();
    let begun = Instant::now();
    let tasks: Vec<_> = open
        .into_iter()
        .map(|mut socket| {
            tokio::spawn(async move { listen(&mut socket, Duration::from_secs(5)).await })
        })
        .collect();
    for task in tasks {
        let (heard, closed) = task.await.unwrap();
        assert!(closed);
        let text = String::from_utf8_lossy(&heard);
        assert!(
            text.contains("event: error") && text.contains("shutting down"),
            "{text}"
        );
        assert!(text.ends_with("0\r\n\r\n"), "ends in order: {text}");
    }
    assert_eq!(pair.gateway.ended().await, Some(0));
    println!("stopped after {:?}", begun.elapsed());
    assert_eq!(pair.gateway.ledger().len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_hold_up_its_end() {
    // BUG: with what has said nothing it waits for `header_timeout`; with half a head or half a
    // preface for all of `shutdown_grace`.
    let hello = sized(&message("Hello", false));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut late = Vec::new();
    for (name, first) in [
        ("that said nothing", vec![]),
        ("that were served", hello.into_bytes()),
        (
            "amid a head",
            b"POST /v1/messages HTTP/1.1\r\nhost:".to_vec(),
        ),
        ("amid a preface", preface),
    ] {
        let mut pair = Pair::start(FakeClaude::default(), "[server]\nshutdown_grace = \"7s\"\n");
        let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
        socket.write_all(&first).await.unwrap();
        let _ = listen(&mut socket, Duration::from_millis(300)).await;
        let begun = Instant::now();
        pair.gateway.terminate();
        let kept = tokio::spawn(async move {
            let _ = listen(&mut socket, Duration::from_secs(20)).await;
        });
        let code = pair.gateway.ended().await;
        println!("connections {name}: ended after {:?}", begun.elapsed());
        assert_eq!(code, Some(0));
        if begun.elapsed() > Duration::from_secs(4) {
            late.push((name, begun.elapsed()));
        }
        kept.abort();
    }
    assert!(late.is_empty(), "held up by connections {late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named() {
    let pair = Pair::start(FakeClaude::default(), "");
    let folder = support::folder();
    std::fs::copy(
        pair.gateway.folder.join("gateway.toml"),
        folder.join("gateway.toml"),
    )
    .unwrap();
    std::fs::write(folder.join("upstream-key"), UPSTREAM_KEY).unwrap();
    for flags in [
        [
            "--listen",
            &pair.gateway.address,
            "--admin-listen",
            "127.0.0.1:0",
        ],
        [
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            &pair.gateway.admin,
        ],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_claude-gateway"))
            .args(["--config", "gateway.toml"])
            .args(flags)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        let taken = if flags[1].ends_with(":0") {
            flags[3]
        } else {
            flags[1]
        };
        assert!(text.contains(taken) && text.contains("in use"), "{text}");
        assert!(output.stdout.is_empty(), "it never said it listens");
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_header_does_not_end_the_retries_of_another() {
    // BUG: the quota of retries is everybody's, and `x-stainless-retry-count` alone empties it.
    let other = "integration-key-of-other";
    let more = format!(
        "[retry]\nbase = \"1ms\"\n[[tenants]]\nid = \"other\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n",
        KeyDigest::of(other)
    );
    let first = Arc::new(AtomicUsize::new(0));
    let fake = FakeClaude::new(move |asked: &Asked| {
        let is_other = asked.last_user_text().as_deref() == Some("flaky");
        if is_other && first.fetch_add(1, Ordering::SeqCst) == 0 {
            Answer::overloaded()
        } else {
            Answer::json(200, COMPLETE)
        }
    });
    let pair = Pair::start(fake, &more);
    let url = format!("{}/v1/messages", pair.gateway.url());
    let client = client();
    for _ in 0..250 {
        let mut asked = request(&url, message("Hi", false));
        asked
            .headers_mut()
            .insert("x-stainless-retry-count", "1".parse().unwrap());
        let response = client.request(asked).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let mut asked = request(&url, message("flaky", false));
    asked
        .headers_mut()
        .insert("x-api-key", other.parse().unwrap());
    assert_eq!(send(asked).await.status(), 200, "it was worth a retry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a limit of hyper: with bytes in its buffer it does not look for the end"]
async fn a_caller_that_sent_more_than_its_request_is_seen_to_leave() {
    let upstream = RawUpstream::start(vec![vec![], vec![]], Duration::from_secs(60)).await;
    let gateway = gateway(&upstream.base_url(), LIMITS, "");
    for extra in ["G", "\r\n"] {
        let mut socket = TcpStream::connect(&gateway.address).await.unwrap();
        let sent = sized(&message("Hello", true)) + extra;
        socket.write_all(sent.as_bytes()).await.unwrap();
        let _ = listen(&mut socket, Duration::from_millis(300)).await;
    }
    let ledger = gateway.ledger_of(2).await;
    assert!(
        ledger.iter().all(|line| line["outcome"] == "dropped"),
        "{ledger:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_resets_over_http2_leave_it_serving() {
    let pair = Pair::limited(FakeClaude::scenarios(), LIMITS, "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    assert_eq!(
        send(request(&url, message("Hi", false))).await.status(),
        200
    );
    let pid = process_of(&pair.gateway);
    let before = open_files(pid);
    for _ in 0..20 {
        let mut sender = http2(&pair.gateway.address).await;
        for _ in 0..100 {
            if sender.ready().await.is_err() {
                break;
            }
            let call = sender.send_request(request(&url, message("scenario:stalled", true)));
            let _ = tokio::time::timeout(Duration::from_millis(1), call).await;
        }
    }
    let mut after = open_files(pid);
    for _ in 0..100 {
        if after <= before + 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = open_files(pid);
    }
    println!(
        "{before} files before, {after} after; {} records",
        pair.gateway.ledger().len()
    );
    assert!(after <= before + 8, "{before} before, {after} after");
    let mut sender = http2(&pair.gateway.address).await;
    let plain = over(&mut sender, request(&url, message("Hi", false))).await;
    assert_eq!(plain.status(), 200);
    let calls = pair.fake.calls();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let records = pair.gateway.ledger().len() as u64;
    assert!(records >= calls, "{records} records of {calls} calls");
    let usage = usage_json(&pair.gateway).await;
    assert!(used(&usage, "requests") <= records, "{usage}");
    assert_no_keys(&pair.gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_stream_says_good_bye_too() {
    let mut pair = Pair::start(
        FakeClaude::scenarios(),
        "[server]\nshutdown_grace = \"300ms\"\n",
    );
    let url = format!("{}/v1/messages", pair.gateway.url());
    let mut sender = http2(&pair.gateway.address).await;
    sender.ready().await.unwrap();
    let response = sender
        .send_request(request(&url, message("scenario:stalled", true)))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    pair.gateway.terminate();
    let rest = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&rest);
    assert!(
        text.contains("event: error") && text.contains("shutting down"),
        "{text}"
    );
    assert_eq!(pair.gateway.ended().await, Some(0));
    assert_eq!(pair.gateway.ledger().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a limit of hyper: what is in its buffer is not seen; it is closed after two idle minutes"]
async fn a_head_that_is_begun_behind_a_request_must_end_in_time_too() {
    let pair = Pair::start(
        FakeClaude::default(),
        "[server]\nheader_timeout = \"300ms\"\n",
    );
    let sent = sized(&message("Hi", false)) + "POST /v1/messages HTTP/1.1\r\nhost: x\r\n";
    let mut socket = TcpStream::connect(&pair.gateway.address).await.unwrap();
    socket.write_all(sent.as_bytes()).await.unwrap();
    let (heard, closed) = listen(&mut socket, Duration::from_secs(3)).await;
    assert_eq!(statuses(&heard), [200, 408]);
    assert!(closed);
}
