//! Bytes as a caller writes and reads them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::WEB_KEY;

/// How long a raw answer may pause before it counts as finished.
pub(crate) const QUIET: Duration = Duration::from_millis(700);

/// Sends bytes and reads until the gateway closes or says nothing more.
///
/// What came, and whether the connection was closed.
pub(crate) async fn exchange(address: &str, sent: &[u8]) -> (Vec<u8>, bool) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // It may close before it has read all.
    let _ = socket.write_all(sent).await;
    listen(&mut socket, QUIET).await
}

pub(crate) async fn listen(socket: &mut TcpStream, quiet: Duration) -> (Vec<u8>, bool) {
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
pub(crate) fn statuses(heard: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(heard);
    text.match_indices("HTTP/1.")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .collect()
}

pub(crate) fn post(extra: &str, body: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {WEB_KEY}\r\n\
         content-type: application/json\r\n{extra}\r\n{body}"
    )
}

pub(crate) fn sized(body: &str) -> String {
    post(&format!("content-length: {}\r\n", body.len()), body)
}

pub(crate) fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}
