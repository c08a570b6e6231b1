//! Writers that end, and servers that nothing comes of.

use std::time::Duration;

use tokio::time::Instant;
use tower_claude_testkit::RedisServer;
use tower_claude_usage_meter::RedisStream;

use crate::{builder, length, put, room, spawn, until};

#[test]
fn closing_gives_up_on_a_server_that_stays_away_and_counts() {
    let server = RedisServer::later(&[]);
    let (stream, writer) = spawn(builder(&server).capacity(room(10)));
    put(&stream, 7);
    let began = Instant::now();
    let error = writer.close().unwrap_err();
    println!("given up after {:?}: {error}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(stream.lost(), 7);

    let (_, writer) = spawn(builder(&server));
    writer.close().expect("there was nothing to add");
}

#[test]
fn a_writer_ends_when_the_last_sink_is_gone() {
    let server = RedisServer::start();
    let (stream, writer) = builder(&server).build().unwrap();
    let clone = stream.clone();
    put(&stream, 3);
    drop((stream, clone));
    writer.run().unwrap();
    assert_eq!(length(&server), 3);

    // Even though nobody can be told.
    let away = RedisServer::later(&[]);
    let (stream, writer) = builder(&away).build().unwrap();
    put(&stream, 3);
    drop(stream);
    writer.run().unwrap_err();
}

#[test]
fn a_writer_that_never_runs_counts_what_was_left_to_it() {
    let server = RedisServer::later(&[]);
    let (stream, writer) = builder(&server).build().unwrap();
    put(&stream, 3);
    drop(writer);
    assert_eq!(stream.lost(), 3);
    put(&stream, 1);
    assert_eq!(stream.lost(), 4);
}

#[test]
fn a_password_gets_in_and_never_out() {
    let server = RedisServer::with(&["--requirepass", "hunter2"]);
    let address = server.addr();
    let with_password = RedisStream::builder(format!("redis://:hunter2@{address}"));
    assert!(!format!("{with_password:?}").contains("hunter2"));
    let (stream, writer) = with_password.build().unwrap();
    assert!(!format!("{stream:?} {writer:?}").contains("hunter2"));
    let writer = writer.spawn_thread().unwrap();
    put(&stream, 1);
    writer.close().unwrap();
    assert_eq!(stream.failed_writes(), 0);

    for url in [
        format!("redis://{address}"),
        format!("redis://:hunter3@{address}"),
        format!("redis://someone:hunter3@{address}"),
    ] {
        let (stream, writer) = spawn(RedisStream::builder(url));
        put(&stream, 1);
        until("refused", || stream.failed_writes() > 1);
        let error = writer.close().unwrap_err();
        let text = format!("{error} {error:?} {stream:?}");
        assert!(
            !text.contains("hunter") && !text.contains("someone"),
            "{text}"
        );
        assert_eq!(stream.lost(), 1);
        println!("{error}");
    }
}

#[test]
fn what_is_no_redis_is_a_failure() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            let text = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
            let _ = std::io::Write::write_all(&mut stream, text);
        }
    });
    let (stream, writer) = spawn(RedisStream::builder(format!("redis://{address}")));
    put(&stream, 1);
    until("failed", || stream.failed_writes() > 1);
    writer.close().unwrap_err();
    assert_eq!(stream.lost(), 1);
    // Whoever is left to come.
    while !serve.is_finished() {
        let _ = std::net::TcpStream::connect(address);
    }
}

#[cfg(feature = "redis-tls")]
#[test]
fn a_server_that_does_not_speak_tls_is_a_failure() {
    let server = RedisServer::start();
    let url = format!("rediss://:hunter2@{}", server.addr());
    let settings = RedisStream::builder(url).timeout(Duration::from_millis(200));
    let (stream, writer) = spawn(settings);
    put(&stream, 1);
    until("failed", || stream.failed_writes() > 1);
    let error = writer.close().unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!((stream.lost(), length(&server)), (1, 0));
}
