//! A call that is dropped: nothing goes on, nothing stays reserved.

mod support;

use std::time::Duration;

use http::Request;
use support::{Fleet, ask, good, good_stream, hear, in_order, log, prepared, ready};
use tokio_test::{assert_pending, task};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_claude_failover::{Failover, FailoverLayer};
use tower_claude_testkit::{
    Answer, Ended, FakeClaude, ProbeHandle, ScriptedBody, ServiceProbe, Step,
};

fn probed(fleet: &Fleet) -> (Failover<ServiceProbe<Fleet>>, ProbeHandle) {
    let probe = ServiceProbe::new(fleet.clone());
    let handle = probe.handle();
    let layer = FailoverLayer::new(in_order(["a", "b"])).expect("targets");
    (layer.layer(probe), handle)
}

fn slow(answer: Answer) -> Answer {
    answer.head_delay(Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_drops_the_attempt_in_flight() {
    let fleet = Fleet::answering([("a", Answer::overloaded()), ("b", slow(good()))]);
    let (mut service, probe) = probed(&fleet);
    ready(&mut service).await;
    let (request, call) = prepared().await;
    let mut future = task::spawn(service.call(request));
    assert_pending!(future.poll());
    assert_eq!(probe.in_flight(), 1);
    drop(future);
    assert_eq!(probe.in_flight(), 0);
    assert_eq!(probe.dropped_unfinished(), 1);
    let lines = log(&call);
    assert_eq!(lines.len(), 2, "the one that was cut short is in the log");
    assert_eq!((lines[1].0.as_str(), lines[1].1), ("b", None));
    assert!(!lines[1].4);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_behind_the_gate_drops_the_answer() {
    let fleet = Fleet::answering([("a", good_stream().stall_after(1)), ("b", good())]);
    let (mut service, _) = probed(&fleet);
    ready(&mut service).await;
    let (request, call) = prepared().await;
    let mut future = task::spawn(service.call(request));
    assert_pending!(future.poll());
    drop(future);
    assert_eq!(log(&call), [("a".into(), Some(200), None, None, false)]);
    let entry = fleet.fake("a").truth().entries().remove(0);
    assert_ne!(entry.ended, Ended::InProgress);
    assert_eq!(fleet.calls("b"), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_before_readiness_sends_nothing() {
    let fleet = Fleet::answering([("a", Answer::overloaded()), ("b", good())]);
    let (mut service, probe) = probed(&fleet);
    ready(&mut service).await;
    let (request, call) = prepared().await;
    let mut future = task::spawn(service.call(request));
    probe.hold_ready();
    assert_pending!(future.poll());
    drop(future);
    assert_eq!(fleet.calls("b"), 0);
    assert_eq!(log(&call).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_while_the_request_comes_sends_nothing() {
    let fleet = Fleet::answering([("a", good()), ("b", good())]);
    let (mut service, probe) = probed(&fleet);
    ready(&mut service).await;
    let body = ScriptedBody::new([Step::Data("{".into()), Step::Stall]);
    let observer = body.observer();
    let request = Request::post("/v1/messages").body(body).unwrap();
    let mut future = task::spawn(service.call(request));
    assert_pending!(future.poll());
    drop(future);
    assert!(observer.is_dropped());
    assert_eq!(probe.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_makes_room_for_the_next() {
    let outage = (0..5).map(|_| Answer::overloaded());
    let fleet = Fleet::new([
        ("a", FakeClaude::sequence(outage.chain([slow(good())]))),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let service = layer.layer(fleet.clone());
    for _ in 0..5 {
        hear(&service, ask()).await;
    }
    tokio::time::advance(Duration::from_secs(15)).await;
    for probes in 6..10 {
        let mut future = task::spawn(service.clone().oneshot(ask()));
        assert_pending!(future.poll());
        assert_eq!(fleet.calls("a"), probes);
    }
}
