//! Callers that leave, or read slowly: nothing of theirs stays behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_claude_testkit::{Answer, Asked, FakeClaude};

use crate::evidence::{
    ABORT, LIMITS, assert_no_keys, only_line, open_files, process_of, usage_json, used,
};
use crate::raw_upstream::{RawUpstream, SSE, START, delta, gateway};
use crate::support::{Pair, client, message, request, send};
use crate::wire::{QUIET, listen, post, sized};

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
            let gateway = gateway(&upstream.base_url(), LIMITS, ABORT);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_cancelled_streams_leave_nothing_behind() {
    let pair = Pair::limited(FakeClaude::scenarios(), LIMITS, ABORT);
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
