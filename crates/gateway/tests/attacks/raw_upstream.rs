//! An upstream that says any bytes, and what a well-behaved one would say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_claude::tenant_auth::KeyDigest;

use crate::support::{Gateway, WEB_KEY};
use crate::wire::chunked;

pub(crate) const JSON: &str = "content-type: application/json\r\n";
pub(crate) const SSE: &str = "content-type: text/event-stream\r\n";
pub(crate) const COMPLETE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":7}}"#;

pub(crate) const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-5-5\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
pub(crate) const END: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// An upstream of bytes: it reads a request and says what it is told to, then closes.
pub(crate) struct RawUpstream {
    address: SocketAddr,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) closed_early: Arc<AtomicUsize>,
}

// === impl RawUpstream ===

impl RawUpstream {
    /// `pause` is waited between the pieces, and at the end before it closes.
    pub(crate) async fn start(pieces: Vec<Vec<u8>>, pause: Duration) -> Self {
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

    pub(crate) fn base_url(&self) -> String {
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

/// A gateway in front of this address.
pub(crate) fn gateway(base_url: &str, limits: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
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

pub(crate) fn answer(status: &str, extra: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{extra}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn delta(text: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    )
}

pub(crate) fn stream_answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunked(body)
    )
    .into_bytes()
}
