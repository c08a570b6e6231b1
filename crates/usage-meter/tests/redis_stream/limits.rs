//! A queue that is full, an answer that waits, a stream that is long enough.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_testkit::RedisServer;
use tower_claude_usage_meter::{Overflow, SpillFile, UsageSink};

use crate::{LONG, assert_once_each, builder, entries, length, put, record, room, spawn, until};

#[test]
fn what_does_not_fit_while_redis_is_away_is_counted() {
    let mut server = RedisServer::later(&[]);
    let (stream, writer) = spawn(builder(&server).capacity(room(10)));
    until("tried", || stream.failed_writes() > 0);
    let ids = put(&stream, 25);
    assert_eq!(stream.lost(), 15);
    assert!(!stream.is_up() && stream.is_ready());
    server.restart();
    writer.flush().unwrap();
    assert!(stream.is_up());
    assert_once_each(&server, &ids[..10]);
    writer.close().unwrap();
    assert_eq!(stream.lost(), 15);
}

#[test]
fn what_does_not_fit_is_spilled_to_a_file() {
    let mut server = RedisServer::later(&[]);
    let path = std::env::temp_dir().join(format!("usage-stream-{}.jsonl", std::process::id()));
    let spill = Overflow::Spill(SpillFile::open(&path).unwrap());
    let (stream, writer) = spawn(builder(&server).capacity(room(10)).overflow(spill));
    let ids = put(&stream, 25);
    assert_eq!((stream.lost(), stream.spilled()), (0, 15));
    server.restart();
    writer.close().unwrap();
    assert_once_each(&server, &ids[..10]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(ids[10..].iter().all(|id| text.contains(id)));
    assert_eq!(text.lines().count(), 15);
}

#[tokio::test]
async fn the_end_of_an_answer_waits_for_room() {
    let mut server = RedisServer::later(&[]);
    let settings = builder(&server).capacity(room(1));
    let (stream, writer) = spawn(settings.overflow(Overflow::Wait(LONG)));
    let mut ids = put(&stream, 1);
    let late = record();
    ids.push(late.request_id.as_str().to_owned());
    let delivery = tokio::spawn(stream.deliver(late));
    tokio::task::yield_now().await;
    assert!(!delivery.is_finished());
    server.restart();
    delivery.await.unwrap().unwrap();
    writer.close().unwrap();
    assert_once_each(&server, &ids);
    assert_eq!(stream.lost(), 0);
}

#[tokio::test]
async fn a_durable_stream_holds_the_end_of_an_answer_until_redis_has_the_record() {
    let server = RedisServer::start();
    let (stream, writer) = spawn(builder(&server).durable().timeout(LONG));
    until("up", || stream.is_ready());
    assert!(stream.holds());
    for count in 1..=10 {
        stream.deliver(record()).await.unwrap();
        assert_eq!(length(&server), count);
    }
    server.stop();
    let delivery = tokio::spawn(stream.deliver(record()));
    tokio::task::yield_now().await;
    assert!(!delivery.is_finished());
    server.resume();
    delivery.await.unwrap().unwrap();
    assert_eq!(length(&server), 11);
    writer.close().unwrap();
}

#[tokio::test]
async fn a_durable_stream_says_that_redis_is_away_and_keeps_the_record() {
    let mut server = RedisServer::later(&[]);
    let settings = builder(&server).durable();
    let (stream, writer) = spawn(settings.timeout(Duration::from_millis(100)));
    assert!(!stream.is_ready(), "nobody has answered yet");
    let began = Instant::now();
    stream.deliver(record()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "at once");
    server.restart();
    until("up", || stream.is_ready());
    writer.flush().unwrap();
    assert_eq!(length(&server), 1);

    // One that is under way when it stops.
    server.stop();
    let began = Instant::now();
    stream.deliver(record()).await.unwrap_err();
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    println!("told after {waited:?}");
    assert!(!stream.is_ready());
    server.resume();
    until("up", || stream.is_ready());
    writer.close().unwrap();
    assert_eq!(entries(&server).len(), 2);
    assert_eq!(stream.lost(), 0);
}

#[test]
fn a_longest_length_has_redis_forget_the_oldest() {
    let server = RedisServer::start();
    let settings = builder(&server).max_len(NonZeroU64::new(500).unwrap());
    let (stream, writer) = spawn(settings);
    let ids = put(&stream, 5_000);
    writer.close().unwrap();
    let entries = entries(&server);
    assert!((500..1_000).contains(&entries.len()), "{}", entries.len());
    assert!(ids[4_500..].iter().all(|id| entries.contains_key(id)));
}
