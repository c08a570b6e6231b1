//! A durable ledger has every finished answer, whatever ends the process.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use support::{Pair, TestClient, client, message, read_ledger, request};
use tower_claude_testkit::{Answer, Asked, FakeClaude};

const KILLS: usize = 50;
const CALLERS: usize = 8;

fn fake() -> FakeClaude {
    FakeClaude::new(|asked: &Asked| {
        let message = Answer::message("claude-sonnet-5-5")
            .text("a word or two ".repeat(8))
            .deltas(8);
        match asked.is_stream() {
            true => message.into_stream(),
            false => message.into_json(),
        }
    })
}

/// Calls until the gateway is gone; notes each answer that came to its end.
async fn call_on(url: String, finished: Arc<Mutex<HashSet<String>>>, caller: usize) {
    let client = client();
    let mut number = 0;
    loop {
        number += 1;
        match call(&client, &url, (caller + number).is_multiple_of(2)).await {
            Some(id) => {
                finished.lock().unwrap().insert(id);
            }
            None => return,
        }
    }
}

/// The id of a call whose answer has ended; `None` if it has not.
async fn call(client: &TestClient, url: &str, stream: bool) -> Option<String> {
    let response = client.request(request(url, message("Hi", stream))).await;
    let (head, body) = response.ok()?.into_parts();
    assert_eq!(head.status, 200);
    let id = head.headers["x-claude-request-id"].to_str().unwrap();
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // An answer has ended as soon as its last event is there, whatever then becomes of the
        // connection.
        let Ok(frame) = frame else { break };
        bytes.extend_from_slice(frame.data_ref().unwrap());
    }
    let has_ended = match stream {
        true => String::from_utf8_lossy(&bytes).contains("event: message_stop"),
        false => serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
    };
    has_ended.then(|| id.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_finished_answer_is_missing_after_fifty_kills() {
    let mut answers = 0;
    for kill in 0..KILLS {
        let mut pair = Pair::start(fake(), "");
        let url = format!("{}/v1/messages", pair.gateway.url());
        let finished = Arc::new(Mutex::new(HashSet::new()));
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| tokio::spawn(call_on(url.clone(), Arc::clone(&finished), caller)))
            .collect();
        // At another moment each time.
        tokio::time::sleep(Duration::from_micros(40_000 + 1_370 * kill as u64)).await;
        pair.gateway.kill();
        for caller in callers {
            caller.await.unwrap();
        }
        let ledger = read_ledger(&pair.gateway.folder.join("usage.jsonl"));
        let recorded: HashSet<&str> = ledger
            .iter()
            .map(|line| line["request_id"].as_str().unwrap())
            .collect();
        let finished = finished.lock().unwrap();
        for id in finished.iter() {
            assert!(recorded.contains(&**id), "kill {kill}: {id} is missing");
        }
        answers += finished.len();
    }
    println!("{answers} finished answers, all recorded");
    assert!(
        answers > KILLS * CALLERS,
        "it had time to answer: {answers}"
    );
}
