//! The fake behind a real socket.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower_claude_testkit::{Answer, Ended, FakeClaude, FakeServer, Split, wire};

fn say(text: &str, stream: bool) -> http::Request<Full<Bytes>> {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"stream":{stream},"messages":[{{"role":"user","content":"{text}"}}]}}"#
    );
    http::Request::post("http://fake/v1/messages")
        .header("host", "fake")
        .body(Full::from(body))
        .expect("a request")
}

async fn socket(server: &FakeServer) -> TokioIo<TcpStream> {
    let socket = TcpStream::connect(server.addr()).await;
    TokioIo::new(socket.expect("a connection"))
}

async fn ask(
    server: &FakeServer,
    request: http::Request<Full<Bytes>>,
) -> hyper::Result<http::Response<Incoming>> {
    let (mut client, connection) = http1::handshake(socket(server).await).await?;
    tokio::spawn(connection);
    client.send_request(request).await
}

/// All bytes up to the end or the error.
async fn read(response: http::Response<Incoming>) -> (Vec<u8>, Option<hyper::Error>) {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

#[tokio::test]
async fn answers_plain_and_streamed() {
    let server = FakeServer::start(FakeClaude::default());
    assert!(server.base_url().starts_with("http://127.0.0.1:"));

    let response = ask(&server, say("hello", false)).await.unwrap();
    assert!(response.headers().contains_key("content-length"));
    let (bytes, error) = read(response).await;
    assert!(error.is_none());
    let message: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(message["type"], "message");

    let response = ask(&server, say("hello", true)).await.unwrap();
    assert_eq!(response.headers()["transfer-encoding"], "chunked");
    let (bytes, error) = read(response).await;
    assert!(error.is_none());
    assert!(bytes.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
    server.stop().await;
}

#[tokio::test]
async fn speaks_http2_without_tls() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().split(Split::Every(100))]);
    let server = FakeServer::start(fake);
    let io = socket(&server).await;
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let response = client.send_request(say("hello", true)).await.unwrap();
    let (bytes, error) = read(response).await;
    assert!(error.is_none());
    assert_eq!(bytes, wire::STREAM_THINKING_TOOL_USE.as_bytes());
}

#[tokio::test]
async fn breaks_the_connection_without_an_answer() {
    let fake = FakeClaude::sequence([Answer::reset(), Answer::refused_connection()]);
    let server = FakeServer::start(fake);
    for _ in 0..2 {
        let error = ask(&server, say("hello", false)).await.unwrap_err();
        assert!(error.is_incomplete_message(), "{error:?}");
    }
}

#[tokio::test]
async fn breaks_off_in_the_body_after_what_came_before() {
    for split in [Split::Events, Split::Every(10)] {
        let answer = Answer::thinking_tool_use().split(split).reset_after(3);
        let fake = FakeClaude::sequence([answer.clone()]);
        let server = FakeServer::start(fake.clone());
        let response = ask(&server, say("hello", true)).await.unwrap();
        let (bytes, error) = read(response).await;
        assert!(error.is_some());
        let sent = answer.truncate_after(3).response().unwrap();
        let sent = sent.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, sent);
        assert_eq!(fake.truth().entries()[0].ended, Ended::Reset);
    }
}

#[tokio::test]
async fn breaks_off_an_http2_stream_after_what_came_before() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().reset_after(2)]);
    let server = FakeServer::start(fake);
    let io = socket(&server).await;
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let response = client.send_request(say("hello", true)).await.unwrap();
    let (bytes, error) = read(response).await;
    assert!(error.is_some());
    assert!(bytes.starts_with(b"event: message_start\n"));
}

#[tokio::test]
async fn closes_everything_when_it_is_dropped() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().stall_after(1)]);
    let server = FakeServer::start(fake);
    let response = ask(&server, say("hello", true)).await.unwrap();
    let address = server.addr();
    drop(server);
    let (bytes, error) = read(response).await;
    assert!(error.is_some());
    assert!(bytes.starts_with(b"event: message_start\n"));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn sees_a_client_go_away() {
    let fake = FakeClaude::scenarios();
    let server = FakeServer::start(fake.clone());
    let mut body = ask(&server, say("scenario:slow", true))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    // The connection task of the client ends with its body, and the server notices.
    loop {
        let ended = fake.truth().entries()[0].ended;
        if ended != Ended::InProgress {
            assert_eq!(ended, Ended::DroppedByReceiver);
            break;
        }
        tokio::task::yield_now().await;
    }
}
