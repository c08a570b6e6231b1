//! What can go wrong on a connection, and what it says of the money.

#![expect(clippy::unwrap_used, reason = "the helpers are part of the tests")]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener as StdListener;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use support::{KEY, Raw, SAY, ask, bytes, call, claude, claude_over, client, read_request, told};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower_claude_core::{BoxError, Sent, TransportError};
use tower_claude_platforms::{HttpClient, Protocol};
use tower_claude_testkit::{Answer, FakeClaude, FakeServer};

/// Real time, as real sockets need it; long beside what a busy machine takes to answer.
const SOON: Duration = Duration::from_millis(200);

fn is_body_timeout(error: &BoxError) -> bool {
    TransportError::find(error).is_some_and(TransportError::is_timeout)
}

/// A URL nobody listens at.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_refused_connection_has_sent_nothing() {
    let base = nowhere().await;
    for protocol in [Protocol::Negotiated, Protocol::Http2] {
        let claude = claude_over(&base, &client(protocol));
        let error = call(&claude, ask(SAY)).await.unwrap_err();
        assert_eq!((error.sent(), error.is_timeout()), (Sent::No, false));
        assert!(told(&error).contains("refused"), "{}", told(&error));
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_has_sent_nothing() {
    let error = call(&claude("http://host.invalid"), ask(SAY))
        .await
        .unwrap_err();
    assert_eq!(error.sent(), Sent::No);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_has_no_reply() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let fake = FakeClaude::sequence([Answer::reset()]);
        let server = FakeServer::start(fake.clone());
        let claude = claude_over(&server.base_url(), &client(protocol));
        let error = call(&claude, ask(SAY)).await.unwrap_err();
        assert_eq!((error.sent(), error.is_timeout()), (Sent::Maybe, false));
        assert_eq!(fake.calls(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_is_refused_unread_has_sent_nothing() {
    let server = Raw::start(|socket| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    })
    .await;
    let claude = claude_over(&server.base, &client(Protocol::Http2));
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!((error.sent(), error.is_timeout()), (Sent::No, false));
}

#[tokio::test]
async fn a_stream_that_is_reset_otherwise_may_have_been_read() {
    let server = Raw::start(|socket| async move {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
        }
    })
    .await;
    let claude = claude_over(&server.base, &client(Protocol::Http2));
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!(error.sent(), Sent::Maybe);
}

#[tokio::test]
async fn a_request_on_a_connection_that_dies_is_not_sent_again() {
    let (requests, mut arrived) = mpsc::unbounded_channel();
    // Answers the first request of a connection and breaks off at the second.
    let server = Raw::start(move |mut socket| {
        let requests = requests.clone();
        async move {
            requests.send(read_request(&mut socket).await).unwrap();
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await
                .unwrap();
            requests.send(read_request(&mut socket).await).unwrap();
        }
    })
    .await;
    let claude = claude(&server.base);
    bytes(call(&claude, ask(SAY)).await.unwrap()).await;
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!((error.sent(), error.is_timeout()), (Sent::Maybe, false));

    assert!(arrived.recv().await.unwrap().is_some());
    assert!(arrived.recv().await.unwrap().is_some());
    // Nothing follows: had there been a third, it would be on a second connection.
    tokio::time::timeout(SOON, arrived.recv())
        .await
        .unwrap_err();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_no_connection_took_has_sent_nothing_and_is_not_sent_again() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    // A second connection would never be served.
    let client = HttpClient::builder().request_timeout(SOON * 20);
    let claude = claude_over(&base, &client.build().unwrap());
    let (close, closing) = channel();
    let (closed, is_closed) = channel();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(SAY.as_bytes()) {
            let mut part = [0; 4096];
            let length = socket.read(&mut part).unwrap();
            request.extend_from_slice(&part[..length]);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        socket.write_all(answer).unwrap();
        closing.recv().unwrap();
        drop(socket);
        // Time for the end to cross to the other side: nobody can be asked whether it has.
        let _ = closing.recv_timeout(SOON);
        closed.send(()).unwrap();
        listener
    });
    bytes(call(&claude, ask(SAY)).await.unwrap()).await;
    // The connection is back in the pool once its task has run.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }

    // The runtime stands still meanwhile. When it learns of the end, this task runs before
    // that of the connection: the pool still takes it for alive.
    close.send(()).unwrap();
    is_closed.recv().unwrap();
    tokio::task::yield_now().await;
    let error = call(&claude, ask(SAY)).await.unwrap_err();
    assert_eq!((error.sent(), error.is_timeout()), (Sent::No, false));
    assert!(told(&error).contains("Canceled"), "{}", told(&error));

    let listener = server.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    let second = listener.accept().unwrap_err();
    assert_eq!(second.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_after_the_request_timeout() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = Answer::cached_message().head_delay(Duration::from_secs(3600));
        let server = FakeServer::start(FakeClaude::sequence([answer]));
        let client = HttpClient::builder()
            .protocol(protocol)
            .request_timeout(SOON);
        let claude = claude_over(&server.base_url(), &client.build().unwrap());
        let start = Instant::now();
        let error = call(&claude, ask(SAY)).await.unwrap_err();
        assert_eq!((error.sent(), error.is_timeout()), (Sent::Maybe, true));
        assert!(start.elapsed() >= SOON);
    }
}

#[tokio::test]
async fn a_stream_that_stalls_is_a_timeout_after_what_came() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = Answer::thinking_tool_use().stall_after(3);
        let server = FakeServer::start(FakeClaude::sequence([answer.clone()]));
        let client = HttpClient::builder().protocol(protocol).idle_timeout(SOON);
        let claude = claude_over(&server.base_url(), &client.build().unwrap());
        let response = call(&claude, ask(SAY)).await.unwrap();
        let mut body = Box::pin(response.into_body());
        let mut read = Vec::new();
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => read.extend(frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert!(is_body_timeout(&error), "{error}");
        let sent = answer.truncate_after(3).response().unwrap().into_body();
        assert_eq!(read, sent.collect().await.unwrap().to_bytes());
    }
}

#[tokio::test]
async fn a_stream_that_lasts_too_long_is_a_timeout_though_it_never_was_silent() {
    for (longest, is_late) in [(Some(SOON), true), (Some(SOON * 100), false), (None, false)] {
        let answer = Answer::message("claude-opus-5-5").text("a b c d e f g h i j");
        let answer = answer.deltas(10).into_stream().pace(SOON / 4);
        let server = FakeServer::start(FakeClaude::sequence([answer]));
        let mut client = HttpClient::builder();
        if let Some(longest) = longest {
            client = client.stream_timeout(longest);
        }
        let claude = claude_over(&server.base_url(), &client.build().unwrap());
        let response = call(&claude, ask(SAY)).await.unwrap();
        match response.into_body().collect().await {
            Ok(_) => assert!(!is_late),
            Err(error) => assert!(is_late && is_body_timeout(&error), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_plain_answer_has_to_end_in_time_and_a_stream_only_to_begin() {
    for (kind, is_late) in [("application/json", true), ("text/event-stream", false)] {
        let server = Raw::start(move |mut socket| async move {
            let _ = read_request(&mut socket).await;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 8\r\n\r\n");
            let _ = socket.write_all(head.as_bytes()).await;
            for _ in 0..8 {
                tokio::time::sleep(SOON / 2).await;
                let _ = socket.write_all(b"x").await;
            }
        })
        .await;
        let client = HttpClient::builder().request_timeout(SOON * 2);
        let claude = claude_over(&server.base, &client.build().unwrap());
        let response = call(&claude, ask(SAY)).await.unwrap();
        match response.into_body().collect().await {
            Ok(whole) => assert_eq!((is_late, whole.to_bytes().len()), (false, 8)),
            Err(error) => assert!(is_late && is_body_timeout(&error), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_no_timeout() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = Answer::thinking_tool_use().reset_after(2);
        let server = FakeServer::start(FakeClaude::sequence([answer]));
        let claude = claude_over(&server.base_url(), &client(protocol));
        let response = call(&claude, ask(SAY)).await.unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert!(!is_body_timeout(&error));
    }
}

#[tokio::test]
async fn garbage_instead_of_an_answer_has_no_reply() {
    let server = Raw::answering("SMTP ready, and here is your sk-ant-canary back\r\n\r\n").await;
    let error = call(&claude(&server.base), ask(SAY)).await.unwrap_err();
    assert_eq!(error.sent(), Sent::Maybe);
    assert!(!told(&error).contains(KEY));
}

#[tokio::test]
async fn nothing_tells_a_key_a_header_or_a_url() {
    let base = nowhere().await + "/prefix-canary";
    let claude = claude(&base);
    let request = || {
        let mut request = ask(SAY);
        *request.uri_mut() = "/v1/messages?query-canary".parse().unwrap();
        request
            .headers_mut()
            .insert("user-agent", "agent-canary".parse().unwrap());
        request
    };
    let mut all = format!("{claude:?} {claude:#?}");
    all += &told(&call(&claude, request()).await.unwrap_err());

    let server = FakeServer::start(FakeClaude::sequence([Answer::reset()]));
    let over = support::claude(&(server.base_url() + "/prefix-canary"));
    all += &told(&call(&over, request()).await.unwrap_err());
    all += &format!(
        "{:?}",
        tower_service::Service::call(&mut over.clone(), request())
    );
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test]
async fn dropping_the_call_or_the_body_ends_the_connection() {
    for is_begun in [false, true] {
        let (ended, mut end) = mpsc::unbounded_channel();
        let (requests, mut arrived) = mpsc::unbounded_channel();
        let server = Raw::start(move |mut socket| {
            let (requests, ended) = (requests.clone(), ended.clone());
            async move {
                read_request(&mut socket).await.unwrap();
                requests.send(()).unwrap();
                if is_begun {
                    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun";
                    socket.write_all(head).await.unwrap();
                }
                assert!(read_request(&mut socket).await.is_none());
                ended.send(()).unwrap();
            }
        })
        .await;
        let claude = claude(&server.base);
        if is_begun {
            let mut body = Box::pin(call(&claude, ask(SAY)).await.unwrap().into_body());
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), Bytes::from("begun"));
            tokio_test::assert_pending!(tokio_test::task::spawn(body.frame()).poll());
        } else {
            let mut calling = tokio_test::task::spawn(call(&claude, ask(SAY)));
            while arrived.try_recv().is_err() {
                tokio_test::assert_pending!(calling.poll());
                tokio::task::yield_now().await;
            }
        }
        end.recv().await.unwrap();
    }
}
