//! Where a request ends: no byte of one may be read as part of another.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tower_claude_testkit::FakeClaude;

use crate::evidence::{assert_no_keys, only_line};
use crate::support::{Pair, UPSTREAM_KEY, WEB_KEY, message};
use crate::wire::{QUIET, chunked, exchange, listen, post, sized, statuses};

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
    // The caller reads a 400: the record must not say that it left and that nothing was sent.
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
