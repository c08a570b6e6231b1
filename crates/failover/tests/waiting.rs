//! Calls that wait for a target instead of being refused.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use support::{Fleet, ask, good, hear, in_order};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, Tenant, TenantId};
use tower_claude_failover::{FailoverLayer, Waiting};
use tower_claude_testkit::{Answer, FakeClaude};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A target that is rate limited for so long, and then well.
fn limited_for(retry_after: u64) -> Fleet {
    let answers = [Answer::rate_limited(retry_after), good()];
    Fleet::new([("a", FakeClaude::sequence(answers))])
}

fn layer() -> FailoverLayer {
    FailoverLayer::new(in_order(["a"]))
        .unwrap()
        .waiting(Waiting::new())
}

fn of_tenant(name: &str, priority: Option<&'static str>) -> Request<CallBody> {
    let mut request = ask();
    let tenant = Tenant::new(TenantId::new(name).unwrap());
    request.extensions_mut().insert(tenant.urgency(0));
    if let Some(priority) = priority {
        let priority = http::HeaderValue::from_static(priority);
        request.headers_mut().insert("priority", priority);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_target_that_opens_in_time() {
    let fleet = limited_for(3);
    let layer = layer();
    let service = layer.layer(fleet.clone());
    assert_eq!(hear(&service, ask()).await.status, 429);
    let began = Instant::now();
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { hear(&service, ask()).await.status }
    });
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(layer.health().waiting(), 1);
    assert_eq!(waiting.await.unwrap(), 200);
    assert_eq!(began.elapsed(), seconds(3));
    assert_eq!(layer.health().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_all_reason_is_one_for_ever() {
    let fleet = limited_for(1_800);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let layer = layer.waiting(Waiting::new().longest(Duration::MAX).stay(Duration::MAX));
    let service = layer.layer(fleet.clone());
    hear(&service, ask()).await;
    let began = Instant::now();
    assert_eq!(hear(&service, ask()).await.status, 200);
    assert_eq!(began.elapsed(), seconds(1_800));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_too_long_is_refused_at_once() {
    let fleet = limited_for(30);
    let service = layer().layer(fleet.clone());
    hear(&service, ask()).await;
    let began = Instant::now();
    let heard = hear(&service, ask()).await;
    assert_eq!(
        (heard.status, heard.header("retry-after")),
        (529, Some("30"))
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nobody_waits() {
    let fleet = limited_for(3);
    let none = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = none.layer(fleet.clone());
    hear(&service, ask()).await;
    assert_eq!(hear(&service, ask()).await.status, 529);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_refused_when_the_time_is_up() {
    // Limited again and again: each look finds it closed for longer.
    let answers = vec![Answer::rate_limited(4); 8];
    let fleet = Fleet::new([("a", FakeClaude::sequence(answers))]);
    let service = layer().layer(fleet.clone());
    hear(&service, ask()).await;
    let began = Instant::now();
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { hear(&service, ask()).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        let heard = call.await.unwrap();
        statuses.push((heard.status, began.elapsed().as_secs()));
    }
    // The first is asked after 4 s and limited again; the second sees that 5 s will not do.
    assert_eq!(statuses, [(429, 4), (529, 4)]);
}

/// Lets calls wait for a target that is limited for 3 s and well after; the order in which they
/// are served.
async fn order(calls: &[(&'static str, Option<&'static str>)]) -> Vec<&'static str> {
    let fleet = limited_for(3);
    let service = layer().layer(fleet);
    hear(&service, ask()).await;
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (tenant, priority) in calls {
        let (service, served) = (service.clone(), Arc::clone(&served));
        let (tenant, priority) = (*tenant, *priority);
        tasks.push(tokio::spawn(async move {
            let response = service.oneshot(of_tenant(tenant, priority)).await.unwrap();
            assert_eq!(response.status(), 200);
            served.lock().unwrap().push(tenant);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let served = served.lock().unwrap();
    served.clone()
}

#[tokio::test(start_paused = true)]
async fn tenants_take_turns_and_the_urgent_come_first() {
    let flood = [("web", None), ("web", None), ("web", None), ("api", None)];
    assert_eq!(order(&flood).await, ["web", "api", "web", "web"]);
    let urgent = [("slow", Some("u=6")), ("none", None), ("fast", Some("u=1"))];
    assert_eq!(order(&urgent).await, ["none", "fast", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_makes_room() {
    let fleet = limited_for(3);
    let layer = FailoverLayer::new(in_order(["a"]))
        .unwrap()
        .waiting(Waiting::new().most(NonZeroUsize::MIN));
    let service = layer.layer(fleet.clone());
    hear(&service, ask()).await;
    let leaving = tokio::spawn(service.clone().oneshot(ask()));
    tokio::task::yield_now().await;
    assert_eq!(layer.health().waiting(), 1);
    assert_eq!(hear(&service, ask()).await.status, 529, "one may wait");
    leaving.abort();
    assert!(leaving.await.is_err());
    assert_eq!(layer.health().waiting(), 0);
    assert_eq!(hear(&service, ask()).await.status, 200);
    assert_eq!(fleet.calls("a"), 2, "who left was not asked for");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_thinking_waits_a_little_for_its_target() {
    for (closed, plain, bound) in [(1, "b", "a"), (4, "b", "b")] {
        let limited = [Answer::rate_limited(closed), good()];
        let fleet = Fleet::new([
            ("a", FakeClaude::sequence(limited)),
            ("b", FakeClaude::sequence([good()])),
        ]);
        let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
        let service = layer.waiting(Waiting::new()).layer(fleet.clone());
        hear(&service, ask()).await;
        for (request, served) in [
            (ask(), plain),
            (
                Request::post("/v1/messages")
                    .body(CallBody::from(THINKING))
                    .unwrap(),
                bound,
            ),
        ] {
            let before = fleet.calls(served);
            assert_eq!(hear(&service, request).await.status, 200);
            assert_eq!(fleet.calls(served), before + 1, "closed for {closed} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_place_does_not_overtake_those_who_wait() {
    // Nothing left, as far as the headers tell: who gave up waiting would still be asked for.
    let told = Answer::message("claude-opus-5-5").text("a").into_json();
    let told = told
        .header("anthropic-ratelimit-requests-limit", "60")
        .header("anthropic-ratelimit-requests-remaining", "0")
        .header("anthropic-ratelimit-requests-reset", in_a_minute());
    let fleet = Fleet::new([("a", FakeClaude::sequence([told, good()]))]);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = layer
        .waiting(Waiting::new().most(NonZeroUsize::MIN))
        .layer(fleet.clone());
    hear(&service, ask()).await;
    let waiting = tokio::spawn(service.clone().oneshot(of_tenant("web", Some("u=5"))));
    tokio::task::yield_now().await;
    let began = Instant::now();
    assert_eq!(
        hear(&service, of_tenant("web", Some("u=5"))).await.status,
        529
    );
    assert_eq!((began.elapsed(), fleet.calls("a")), (Duration::ZERO, 1));
    // One that is more urgent takes the place, and who had it leaves as well.
    let urgent = tokio::spawn(service.clone().oneshot(of_tenant("web", Some("u=0"))));
    let displaced = waiting.await.unwrap().unwrap();
    let served = urgent.await.unwrap().unwrap();
    assert_eq!(
        (displaced.status().as_u16(), served.status().as_u16()),
        (529, 200)
    );
    assert_eq!(fleet.calls("a"), 2);
}

fn in_a_minute() -> String {
    let at = std::time::SystemTime::now() + seconds(60);
    tower_claude_core::Timestamp::from(at).to_string()
}

const THINKING: &str = r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[
    {"role":"user","content":"hi"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"ho"}]},
    {"role":"user","content":"and?"}]}"#;

#[tokio::test(start_paused = true)]
async fn who_waits_to_stay_and_loses_the_place_goes_where_it_is_open() {
    let limited = [Answer::rate_limited(2), good()];
    let fleet = Fleet::new([
        ("a", FakeClaude::sequence(limited)),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let service = layer
        .waiting(Waiting::new().most(NonZeroUsize::MIN))
        .layer(fleet.clone());
    hear(&service, ask()).await;
    let thinking = |priority: &'static str| {
        let mut request = of_tenant("web", Some(priority));
        *request.body_mut() = CallBody::from(THINKING);
        request
    };
    let calm = tokio::spawn(service.clone().oneshot(thinking("u=5")));
    tokio::task::yield_now().await;
    let urgent = tokio::spawn(service.clone().oneshot(thinking("u=0")));
    for call in [calm, urgent] {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_no_messages_wait_for_nobody() {
    let fleet = limited_for(3);
    let service = layer().layer(fleet.clone());
    hear(&service, ask()).await;
    let waiting = tokio::spawn(service.clone().oneshot(ask()));
    tokio::task::yield_now().await;
    let began = Instant::now();
    let count = Request::post("/v1/messages/count_tokens")
        .body(CallBody::from(
            r#"{"model":"claude-sonnet-5-5","messages":[]}"#,
        ))
        .unwrap();
    assert_eq!(hear(&service, count).await.status, 200);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_when_there_is_room() {
    let fleet = limited_for(4);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = layer
        .waiting(Waiting::new().most(NonZeroUsize::MIN))
        .layer(fleet.clone());
    hear(&service, ask()).await;
    let waiting = tokio::spawn(service.clone().oneshot(ask()));
    tokio::task::yield_now().await;
    let heard = hear(&service, ask()).await;
    assert_eq!(
        (heard.status, heard.header("retry-after")),
        (529, Some("4"))
    );
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}
