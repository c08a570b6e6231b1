//! The upstream of the benchmarks: a fake Claude that replays prepared answers at once.
//!
//! `upstream` prints `{"listen":"…"}`. The model of a request picks the answer: `burst` is a
//! stream of 200 deltas as fast as they go, `paced` one with a delta each 10 ms, anything else
//! a plain message.

use std::time::Duration;

use tower_claude_testkit::{Answer, Asked, FakeClaude, FakeServer, Split};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let message = || {
        Answer::message("claude-sonnet-5-5")
            .text("All is well at the harbour. ".repeat(40))
            .input_tokens(250)
            .output_tokens(280)
            .deltas(200)
    };
    let plain = message().into_json();
    let burst = message().into_stream().split(Split::Events);
    let paced = burst.clone().pace(Duration::from_millis(10));
    let fake = FakeClaude::new(move |asked: &Asked| {
        let is = |model: &[u8]| memmem(asked.body(), model);
        if is(b"\"burst\"") {
            burst.clone()
        } else if is(b"\"paced\"") {
            paced.clone()
        } else {
            plain.clone()
        }
    })
    .unlogged();
    let server = FakeServer::start(fake);
    println!(
        "{{\"event\":\"listening\",\"listen\":\"{}\"}}",
        server.addr()
    );
    std::future::pending::<()>().await;
}

/// Whether a needle is among the first bytes, where a request names its model.
fn memmem(body: &[u8], needle: &[u8]) -> bool {
    body[..body.len().min(64)]
        .windows(needle.len())
        .any(|window| window == needle)
}
