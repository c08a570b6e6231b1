//! The scripted body by itself.

use std::time::Duration;

use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio_test::{assert_pending, assert_ready};
use tower_claude_core::TransportError;
use tower_claude_testkit::{Answer, ScriptedBody, Step};

#[test]
fn tells_its_length_and_its_end_as_it_goes() {
    let mut body = ScriptedBody::new([Step::Data("abc".into()), Step::Data("de".into())]);
    let observer = body.observer();
    assert_eq!(body.size_hint().exact(), Some(5));

    let mut next = || {
        let mut frame = tokio_test::task::spawn(body.frame());
        let frame = assert_ready!(frame.poll()).unwrap().unwrap();
        frame.into_data().unwrap()
    };
    assert_eq!(next(), "abc");
    assert!(!observer.is_finished());
    assert_eq!(next(), "de");

    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(observer.is_finished());
    assert_eq!(observer.frames_sent(), 2);
    assert_eq!(observer.bytes_sent(), 5);
    assert_eq!(observer.polls(), 2);
}

#[test]
fn is_over_at_once_without_steps() {
    let body = ScriptedBody::new([]);
    assert!(body.is_end_stream());
    assert!(body.observer().is_finished());
}

#[test]
fn keeps_its_length_to_itself_when_open_ended() {
    let body = ScriptedBody::new([Step::Data("abc".into())]).open_ended();
    assert_eq!(body.size_hint().exact(), None);
    let body = ScriptedBody::new([Step::Data("abc".into()), Step::Fail("no".into())]);
    assert_eq!(body.size_hint().exact(), None);
}

#[test]
fn says_nothing_more_after_an_error() {
    let mut body = ScriptedBody::new([Step::Fail("broken".into()), Step::Data("no".into())]);
    let mut frame = tokio_test::task::spawn(body.frame());
    let error = assert_ready!(frame.poll()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "broken");
    drop(frame);

    assert!(body.is_end_stream());
    let mut frame = tokio_test::task::spawn(body.frame());
    assert!(assert_ready!(frame.poll()).is_none());
}

#[test]
fn is_seen_to_be_dropped() {
    let body = ScriptedBody::new([Step::Data("abc".into())]);
    let observer = body.observer();
    assert!(!observer.is_dropped());
    drop(body);
    assert!(observer.is_dropped());
    assert!(!observer.is_finished());
}

#[test]
fn stalls_without_keeping_the_waker() {
    let mut body = ScriptedBody::new([Step::Stall, Step::Data("never".into())]);
    let observer = body.observer();
    let mut frame = tokio_test::task::spawn(body.frame());
    assert_pending!(frame.poll());
    assert_pending!(frame.poll());
    assert!(!frame.is_woken());
    assert_eq!(observer.polls(), 2);
}

#[tokio::test(start_paused = true)]
async fn waits_and_then_sends_trailers() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-last", "1".parse().unwrap());
    let mut body = ScriptedBody::new([
        Step::Wait(Duration::from_secs(9)),
        Step::Wait(Duration::ZERO),
        Step::Trailers(trailers),
    ]);
    let mut frame = tokio_test::task::spawn(body.frame());
    assert_pending!(frame.poll());
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(frame.is_woken());
    let frame = assert_ready!(frame.poll()).unwrap().unwrap();
    assert!(frame.is_trailers());
}

#[tokio::test(start_paused = true)]
async fn runs_out_of_patience_as_a_client_does() {
    let answer = Answer::message("m").text("one").into_stream();
    let response = answer
        .time_out_after(1, Duration::from_secs(300))
        .response()
        .unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    let began = tokio::time::Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 300);
    assert!(TransportError::find(&error).is_some_and(TransportError::is_timeout));
    assert!(body.frame().await.is_none());
}
