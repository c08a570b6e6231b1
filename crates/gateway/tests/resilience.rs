//! What the gateway does when a target is slow, closed or spent: wait, hedge, step down, go on.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "resilience/hedges.rs"]
mod hedges;
#[path = "resilience/pings.rs"]
mod pings;
#[path = "resilience/readiness.rs"]
mod readiness;
#[path = "resilience/steps_down.rs"]
mod steps_down;
mod support;
#[path = "resilience/waits.rs"]
mod waits;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower_claude_testkit::FakeServer;

use support::{Pair, client, get, request, send};

/// One attempt for each target, so that what follows is failover's.
const ONCE: &str = "[retry]\nattempts = 1\n";

/// A second target, asked after the usual one.
fn second(server: &FakeServer) -> String {
    let url = server.base_url();
    format!(
        "[[targets]]\nname = \"second\"\npriority = 1\nbase_url = \"{url}\"\n\
         credential = {{ file = \"upstream-key\" }}\n"
    )
}

/// The body of a call.
fn asking(model: &str, text: &str, stream: bool) -> String {
    serde_json::json!({
        "model": model,
        "max_tokens": 64,
        "stream": stream,
        "messages": [{ "role": "user", "content": text }],
    })
    .to_string()
}

fn messages(pair: &Pair, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request(&format!("{}/v1/messages", pair.gateway.url()), body)
}

async fn text_of(request: Request<Full<Bytes>>) -> (Response<()>, String) {
    let (head, body) = send(request).await.into_parts();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(head, ()), text)
}

/// The value of a series, once it is that.
async fn metric_is(pair: &Pair, series: &str, value: &str) {
    let line = format!("{series} {value}");
    let seen = async {
        loop {
            let metrics = get(&pair.gateway.admin, "/metrics").await;
            let text = String::from_utf8_lossy(metrics.body()).into_owned();
            if text.lines().any(|other| other == line) {
                return;
            }
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_secs(10), seen).await;
    assert!(seen.is_ok(), "no `{line}`");
}

/// The first frame of an answer.
async fn first_frame(request: Request<Full<Bytes>>) -> (Response<()>, Bytes) {
    let response = client().request(request).await.unwrap();
    let (head, mut body) = response.into_parts();
    let frame = body.frame().await.unwrap().unwrap();
    (Response::from_parts(head, ()), frame.into_data().unwrap())
}
