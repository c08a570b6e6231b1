//! A load of bounded size: `load ADDR CASE CONNECTIONS CALLS [PER_SECOND]`.
//!
//! Cases: `1k` and `200k` are plain calls with bodies of that size; `burst` and `paced` are
//! streams. Prints one JSON line: calls, errors, seconds, bytes, and latencies in µs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_claude_benches::body;

#[derive(Default)]
struct Seen {
    errors: AtomicU64,
    bytes: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, case, connections, calls, rest @ ..] = &arguments[..] else {
        panic!("load ADDR CASE CONNECTIONS CALLS [PER_SECOND]");
    };
    let address: SocketAddr = address.parse().expect("ADDR");
    let connections: u64 = connections.parse().expect("CONNECTIONS");
    let calls: u64 = calls.parse().expect("CALLS");
    let per_second: Option<f64> = rest.first().map(|rate| rate.parse().expect("PER_SECOND"));
    let body = body(case);
    let key: Arc<str> = std::env::var("BENCH_KEY").expect("BENCH_KEY").into();
    let seen = Arc::new(Seen::default());
    let began = Instant::now();
    let most = u32::try_from(connections).expect("CONNECTIONS");
    let tasks: Vec<_> = (0..connections)
        .map(|number| {
            let share = calls / connections + u64::from(number < calls % connections);
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            let pause = per_second.map(|rate| Duration::from_secs_f64(connections as f64 / rate));
            let (body, key, seen) = (body.clone(), Arc::clone(&key), Arc::clone(&seen));
            // At a steady rate they take turns.
            let turn = pause.map(|pause| pause * u32::try_from(number).unwrap_or(0) / most);
            tokio::spawn(async move {
                if let Some(turn) = turn {
                    tokio::time::sleep(turn).await;
                }
                connection(address, body, key, share, pause, seen).await
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a task"));
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |part: usize| {
        latencies
            .get(latencies.len() * part / 100)
            .copied()
            .unwrap_or(0)
    };
    println!(
        "{{\"calls\":{},\"errors\":{},\"seconds\":{seconds:.3},\"bytes\":{},\"p50_us\":{},\"p99_us\":{}}}",
        latencies.len(),
        seen.errors.load(Ordering::Relaxed),
        seen.bytes.load(Ordering::Relaxed),
        at(50),
        at(99),
    );
}

async fn connection(
    address: SocketAddr,
    body: Bytes,
    key: Arc<str>,
    calls: u64,
    pause: Option<Duration>,
    seen: Arc<Seen>,
) -> Vec<u128> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1");
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    for _ in 0..calls {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let request = Request::post("/v1/messages")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("anthropic-version", "2023-06-01")
            .header("x-api-key", &*key)
            .header("x-feature", "bench")
            .header("user-agent", "Anthropic/Python 2.11.0")
            .body(Full::new(body.clone()))
            .expect("a request");
        let began = Instant::now();
        sender.ready().await.expect("an open connection");
        let response = sender.send_request(request).await.expect("an answer");
        if response.status() != 200 {
            seen.errors.fetch_add(1, Ordering::Relaxed);
        }
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.expect("a whole answer").into_data() {
                seen.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
        }
        latencies.push(began.elapsed().as_micros());
    }
    latencies
}
