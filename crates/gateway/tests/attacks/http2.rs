//! The same gateway over HTTP/2, and what only HTTP/2 lets a caller do.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower_claude_testkit::FakeClaude;

use crate::evidence::{
    ABORT, LIMITS, assert_no_keys, only_line, open_files, process_of, usage_json, used,
};
use crate::support::{self, Pair, message, request, send};
use crate::wire::listen;

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
    let pair = Pair::limited(FakeClaude::scenarios(), LIMITS, ABORT);
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
    // Nobody has shown a key yet: a preface that never ends, or pings answered for ever, would
    // hold a connection for as long as it likes.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_resets_over_http2_leave_it_serving() {
    let pair = Pair::limited(FakeClaude::scenarios(), LIMITS, ABORT);
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
