//! What happens to the process: its ledger, its ports, its end.

use std::process::Command;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{FakeClaude, FakeServer};

use crate::evidence::usage_json;
use crate::support::{
    self, Gateway, Pair, UPSTREAM_KEY, WEB_KEY, client, get, message, request, send,
};
use crate::wire::{listen, sized};

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
    // Calls succeed while no record of them is written: unsaid, nobody bills or notices them.
    let (mut gateway, _server) = full("durable = false");
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
async fn without_a_durable_ledger_no_call_is_answered() {
    let (gateway, _server) = full("durable = true");
    let url = format!("{}/v1/messages", gateway.url());
    // Nobody knew yet: it is asked, and its end is not handed out.
    let first = client().request(request(&url, message("Hi", true))).await;
    let first = first.unwrap().into_body().collect().await.unwrap();
    let first = String::from_utf8(first.to_bytes().to_vec()).unwrap();
    assert!(!first.contains("event: message_stop"), "{first}");
    assert!(
        first
            .trim_end()
            .rsplit("\n\n")
            .next()
            .unwrap()
            .starts_with("event: error"),
        "{first}"
    );
    for stream in [true, false] {
        let refused = send(request(&url, message("Hi", stream))).await;
        assert_eq!(refused.status(), 503);
        let text = String::from_utf8_lossy(refused.body()).into_owned();
        assert!(
            text.contains("api_error") && text.contains("recorded"),
            "{text}"
        );
    }
    let ready = get(&gateway.admin, "/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(String::from_utf8_lossy(ready.body()).contains("the ledger cannot be written"));
}

/// A gateway whose ledger is on a disk that is full.
fn full(usage: &str) -> (Gateway, FakeServer) {
    let server = FakeServer::start(FakeClaude::default());
    let folder = support::folder();
    std::os::unix::fs::symlink("/dev/full", folder.join("usage.jsonl")).unwrap();
    std::fs::write(folder.join("upstream-key"), UPSTREAM_KEY).unwrap();
    let config = format!(
        "[usage]\nledger = \"usage.jsonl\"\n{usage}\n[[targets]]\nname = \"raw\"\nbase_url = \"{}\"\n\
         credential = {{ file = \"upstream-key\" }}\n[plans.standard]\nlimits = []\n\
         [[tenants]]\nid = \"web\"\nplan = \"standard\"\nkeys = [{{ digest = \"{}\" }}]\n",
        server.base_url(),
        KeyDigest::of(WEB_KEY)
    );
    std::fs::write(folder.join("gateway.toml"), config).unwrap();
    (
        Gateway::spawn(folder, &["--config", "gateway.toml"]),
        server,
    )
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
    // Each of these could hold up a rollout: what has said nothing for `header_timeout`, half a
    // head or half a preface for all of `shutdown_grace`.
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
