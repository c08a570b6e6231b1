//! Where calls go, and what callers get.

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use support::{Fleet, a_then_b, ask, good, hear, in_order, log, prepared, tenant};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{Call, FailureKind, Refusal, Target, Tenant};
use tower_claude_failover::{ByPriority, Candidate, FailoverLayer, Order};
use tower_claude_testkit::{Answer, FakeClaude};

fn layer(targets: Vec<Target>) -> FailoverLayer {
    FailoverLayer::new(targets).expect("targets")
}

fn pair(a: Answer, b: Answer) -> Fleet {
    Fleet::answering([("a", a), ("b", b)])
}

#[test]
fn targets_that_make_no_sense_are_refused() {
    let text = |targets: Vec<Target>| FailoverLayer::new(targets).unwrap_err().to_string();
    assert_eq!(text(vec![]), "failover needs at least one target");
    assert_eq!(
        text(in_order(["a", "b", "a"])),
        "two targets are named \"a\""
    );
    assert!(text(vec![Target::new("a").weight(0)]).contains("weight 0"));
    let many = (0..256).map(|n| Target::new(n.to_string())).collect();
    assert!(text(many).contains("255"));
}

#[tokio::test]
async fn a_call_goes_to_the_first_target_alone() {
    let fleet = pair(good(), good());
    let (request, call) = prepared().await;
    let heard = hear(&a_then_b(&fleet), request).await;
    assert_eq!(heard.status, 200);
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 0));
    assert_eq!(log(&call), [("a".into(), Some(200), None, None, true)]);
    let usage = call.attempts().last(|attempt| attempt.usage.clone());
    let usage = usage.flatten().unwrap();
    assert!(
        usage.read(tower_claude_core::Metered::is_exact),
        "at the end"
    );
}

#[tokio::test]
async fn what_cannot_have_been_billed_moves_on() {
    for (answer, status, failure) in [
        (Answer::overloaded(), Some(529), FailureKind::Overloaded),
        (
            Answer::error(503, "api_error", "down"),
            Some(503),
            FailureKind::Overloaded,
        ),
        (
            Answer::error(408, "timeout_error", "slow"),
            Some(408),
            FailureKind::RequestTimeout,
        ),
        (
            Answer::rate_limited(30),
            Some(429),
            FailureKind::RateLimited,
        ),
        (Answer::spend_cap(), Some(429), FailureKind::SpendCap),
        (Answer::spend_limit(), Some(400), FailureKind::SpendLimit),
        (
            Answer::error(401, "authentication_error", "no"),
            Some(401),
            FailureKind::Authentication,
        ),
        (
            Answer::error(402, "billing_error", "no"),
            Some(402),
            FailureKind::Billing,
        ),
        (
            Answer::error(403, "permission_error", "no"),
            Some(403),
            FailureKind::Permission,
        ),
        (
            Answer::raw(302, "text/html", "").header("location", "http://elsewhere"),
            Some(302),
            FailureKind::Redirect,
        ),
        (Answer::refused_connection(), None, FailureKind::NotSent),
    ] {
        let fleet = pair(answer, good());
        let (request, call) = prepared().await;
        let heard = hear(&a_then_b(&fleet), request).await;
        assert_eq!(heard.status, 200, "{failure:?}");
        assert_eq!(
            log(&call),
            [
                ("a".into(), status, Some(failure), None, false),
                ("b".into(), Some(200), None, Some(failure), true),
            ]
        );
    }
}

#[tokio::test]
async fn the_callers_own_mistakes_come_back_unchanged() {
    for status in [400, 404, 409, 413, 422] {
        let fleet = pair(Answer::error(status, "some_error", "yours"), good());
        let heard = hear(&a_then_b(&fleet), ask()).await;
        assert_eq!(heard.status, status);
        assert!(heard.text().contains("yours"));
        assert_eq!(heard.header("x-should-retry"), None);
        assert_eq!(fleet.calls("b"), 0);
    }
}

#[tokio::test]
async fn what_may_have_been_billed_moves_on_only_if_asked_to() {
    for answer in [
        Answer::error(500, "api_error", "oh"),
        Answer::error(504, "timeout_error", "oh"),
        Answer::reset(),
    ] {
        let fleet = pair(answer, good());
        let service = layer(in_order(["a", "b"])).layer(fleet.clone());
        let response = service.oneshot(ask()).await;
        assert!(response.is_err() || !response.unwrap().status().is_success());
        assert_eq!(fleet.calls("b"), 0);

        let service = layer(in_order(["a", "b"]))
            .possibly_billed(true)
            .layer(fleet.clone());
        assert_eq!(hear(&service, ask()).await.status, 200);
        assert_eq!(fleet.calls("b"), 1);
    }
}

#[tokio::test]
async fn upstreams_word_on_asking_again_is_obeyed_both_ways() {
    let told = |answer: Answer, word: &str| answer.header("x-should-retry", word);
    let fleet = pair(told(Answer::overloaded(), "false"), good());
    assert_eq!(hear(&a_then_b(&fleet), ask()).await.status, 529);
    assert_eq!(fleet.calls("b"), 0);

    let server_error = Answer::error(500, "api_error", "oh");
    let fleet = pair(told(server_error, "true"), good());
    assert_eq!(hear(&a_then_b(&fleet), ask()).await.status, 200);

    // It speaks of this account: another may still serve the call.
    for answer in [Answer::spend_cap(), Answer::rate_limited(30)] {
        let fleet = pair(told(answer, "false"), good());
        assert_eq!(hear(&a_then_b(&fleet), ask()).await.status, 200);
    }
}

#[tokio::test]
async fn the_last_answer_comes_back_with_a_word_against_asking_again() {
    let fleet = pair(
        Answer::overloaded(),
        Answer::error(503, "api_error", "maintenance").header("x-should-retry", "true"),
    );
    let heard = hear(&a_then_b(&fleet), ask()).await;
    assert_eq!(heard.status, 503);
    assert!(heard.text().contains("maintenance"), "upstream's own");
    assert_eq!(heard.header("x-should-retry"), Some("false"));

    let fleet = Fleet::answering([("a", Answer::overloaded())]);
    let service = layer(in_order(["a"])).layer(fleet);
    let heard = hear(&service, ask()).await;
    assert_eq!(heard.status, 529);
    assert_eq!(heard.header("x-should-retry"), None, "asked once");
}

#[tokio::test]
async fn a_refused_credential_of_ours_is_a_502_that_names_the_target() {
    for (status, problem) in [
        (401, "credential"),
        (402, "bill"),
        (403, "credential"),
        (307, "redirect"),
    ] {
        let answer = Answer::error(status, "authentication_error", "key sk-secret is wrong");
        let fleet = pair(answer.clone(), answer);
        let (request, call) = prepared().await;
        let service = a_then_b(&fleet);
        let response = service.oneshot(request).await.unwrap();
        let refusal = response.extensions().get::<Refusal>().unwrap();
        assert_eq!(response.status(), 502);
        assert!(refusal.message().contains("target b"), "{refusal}");
        assert!(refusal.message().contains(problem), "{refusal}");
        assert!(!refusal.message().contains("secret"));
        let finals = log(&call).into_iter().filter(|line| line.4).count();
        assert_eq!(finals, 0, "the caller gets none of them");
    }
}

#[tokio::test]
async fn a_refused_credential_shows_in_the_health_and_closes_nothing() {
    let unauthorized = Answer::error(401, "authentication_error", "no");
    let fleet = Fleet::new([(
        "a",
        FakeClaude::sequence([unauthorized.clone(), unauthorized, good()]),
    )]);
    let layer = layer(in_order(["a"]));
    let service = layer.layer(fleet);
    for _ in 0..2 {
        assert_eq!(hear(&service, ask()).await.status, 502);
        let health = layer.health().snapshot();
        assert_eq!(health[0].last_failure, Some(FailureKind::Authentication));
        assert!(health[0].is_up);
    }
    assert_eq!(hear(&service, ask()).await.status, 200);
    assert_eq!(layer.health().snapshot()[0].last_failure, None);
}

#[tokio::test]
async fn priority_decides_and_weight_shares() {
    let fleet = Fleet::answering(["light", "heavy", "spare"].map(|name| (name, good())));
    let service = layer(vec![
        Target::new("spare").priority(1).weight(1000),
        Target::new("light").weight(1),
        Target::new("heavy").weight(3),
    ])
    .route(ByPriority::seeded(7))
    .layer(fleet.clone());
    for _ in 0..400 {
        assert_eq!(hear(&service, ask()).await.status, 200);
    }
    assert_eq!(fleet.calls("spare"), 0);
    let light = fleet.calls("light");
    assert!((80..=120).contains(&light), "about a quarter: {light}");
}

#[tokio::test]
async fn a_seed_makes_the_draws_repeat() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let fleet = Fleet::answering(["a", "b"].map(|name| (name, good())));
        let service = layer(vec![Target::new("a"), Target::new("b")])
            .route(ByPriority::seeded(seed))
            .layer(fleet);
        let mut run = Vec::new();
        for _ in 0..64 {
            let (request, call) = prepared().await;
            hear(&service, request).await;
            run.push(log(&call)[0].0.clone());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn closures_and_shared_routes_work_and_their_mistakes_do_no_harm() {
    let fleet = pair(good(), good());
    let backwards = |_: &Call, _: Option<&Tenant>, targets: &[Candidate<'_>]| -> Order {
        // Places that are no candidate's, and places twice, are passed over.
        [99].into_iter()
            .chain((0..targets.len()).rev())
            .chain([0, 0])
            .collect()
    };
    let service = layer(in_order(["a", "b"]))
        .route(Arc::new(backwards))
        .layer(fleet.clone());
    assert_eq!(hear(&service, ask()).await.status, 200);
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (0, 1));

    let nowhere = |_: &Call, _: Option<&Tenant>, _: &[Candidate<'_>]| Order::new();
    let service = layer(in_order(["a", "b"])).route(nowhere).layer(fleet);
    assert_eq!(hear(&service, ask()).await.status, 529);
}

#[tokio::test]
async fn a_target_outside_the_tenants_residency_is_never_asked() {
    let fleet = Fleet::answering([
        ("us", good()),
        ("nowhere", good()),
        ("eu", Answer::overloaded()),
    ]);
    let service = layer(vec![
        Target::new("us").residency("us"),
        Target::new("nowhere"),
        Target::new("eu").residency("eu").priority(1),
    ])
    .layer(fleet.clone());
    let mut request = ask();
    request.extensions_mut().insert(tenant(["eu"]));
    assert_eq!(hear(&service, request).await.status, 529, "eu's own");
    assert_eq!(fleet.calls("us") + fleet.calls("nowhere"), 0);
}

#[tokio::test]
async fn no_target_of_an_allowed_residency_is_a_403_that_names_it() {
    let fleet = Fleet::answering([("us", good())]);
    let service = layer(vec![Target::new("us").residency("us")]).layer(fleet.clone());
    let mut request = ask();
    request.extensions_mut().insert(tenant(["eu", "ch"]));
    let heard = hear(&service, request).await;
    assert_eq!(heard.status, 403);
    assert!(heard.text().contains("permission_error"));
    assert!(heard.text().contains("eu, ch"));
    assert_eq!(fleet.calls("us"), 0);
}

#[tokio::test]
async fn an_unreadable_request_is_answered_and_not_sent() {
    let fleet = pair(good(), good());
    let mut request = ask();
    *request.body_mut() = "{".into();
    let heard = hear(&a_then_b(&fleet), request).await;
    assert_eq!(heard.status, 400);
    assert_eq!(fleet.calls("a"), 0);
}

#[tokio::test]
async fn every_attempt_sends_the_same_request() {
    let fleet = Fleet::new([
        (
            "a",
            FakeClaude::sequence([Answer::overloaded()]).recording(),
        ),
        (
            "b",
            FakeClaude::sequence([Answer::overloaded()]).recording(),
        ),
        ("c", FakeClaude::sequence([good()]).recording()),
    ]);
    let service = layer(in_order(["a", "b", "c"])).layer(fleet.clone());
    let mut request = ask();
    *request.uri_mut() = "/v1/messages?beta=true".parse().unwrap();
    for beta in ["one", "two"] {
        let beta = beta.parse().unwrap();
        request.headers_mut().append("anthropic-beta", beta);
    }
    assert_eq!(hear(&service, request).await.status, 200);
    let asked = |name: &str| fleet.fake(name).asked().remove(0);
    let first = asked("a");
    for other in [asked("b"), asked("c")] {
        assert_eq!(other.uri(), first.uri());
        assert_eq!(other.headers(), first.headers());
        assert_eq!(other.body(), first.body());
    }
}

#[tokio::test]
async fn what_lives_at_one_target_is_asked_there_only() {
    let fleet = pair(Answer::overloaded(), good());
    let service = layer(vec![Target::new("b").priority(1), Target::new("a")]).layer(fleet.clone());
    for _ in 0..3 {
        let batch = http::Request::post("/v1/messages/batches").body("{}".into());
        assert_eq!(hear(&service, batch.unwrap()).await.status, 529);
    }
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (3, 0));
}

#[tokio::test]
async fn what_an_inner_layer_wrote_is_not_written_again() {
    /// Writes two attempts at each target, as Retry does.
    #[derive(Clone)]
    struct Twice(Fleet);

    impl tower::Service<http::Request<tower_claude_core::CallBody>> for Twice {
        type Response = http::Response<tower_claude_testkit::ScriptedBody>;
        type Error = tower_claude_core::TransportError;
        type Future = tower_claude_testkit::ResponseFuture<tower_claude_core::CallBody>;

        fn poll_ready(
            &mut self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: http::Request<tower_claude_core::CallBody>) -> Self::Future {
            let call = Call::of(&request).unwrap().clone();
            let target: &Target = request.extensions().get().unwrap();
            for is_final in [false, true] {
                let now = tokio::time::Instant::now().into_std();
                let mut attempt = tower_claude_core::Attempt::new(Some(target.clone()), now, None);
                attempt.is_final = is_final;
                call.attempts().begin(attempt);
            }
            self.0.call(request)
        }
    }

    let fleet = Twice(pair(Answer::overloaded(), good()));
    let (request, call) = prepared().await;
    let service = layer(in_order(["a", "b"])).layer(fleet);
    assert!(service.oneshot(request).await.is_ok());
    let finals: Vec<_> = log(&call)
        .into_iter()
        .map(|line| (line.0, line.4))
        .collect();
    let line = |name: &str, is_final| (name.to_owned(), is_final);
    assert_eq!(
        finals,
        [
            line("a", false),
            line("a", false),
            line("b", false),
            line("b", true)
        ]
    );
}

#[tokio::test]
async fn more_than_eight_targets_are_asked_in_order_too() {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let fleet = Fleet::answering(NAMES.map(|name| {
        let answer = if name == "l" {
            good()
        } else {
            Answer::overloaded()
        };
        (name, answer)
    }));
    let (request, call) = prepared().await;
    let service = layer(in_order(NAMES)).layer(fleet);
    assert_eq!(hear(&service, request).await.status, 200);
    let asked: Vec<_> = log(&call).into_iter().map(|line| line.0).collect();
    assert_eq!(asked, NAMES);
}

#[tokio::test]
async fn settings_made_after_the_view_of_health_are_seen_in_it() {
    let layer = layer(in_order(["a", "b"]));
    let health = layer.health();
    let breaker = tower_claude_failover::Breaker::new()
        .failures(NonZeroU32::MIN)
        .open(Duration::from_secs(60));
    let fleet = pair(Answer::overloaded(), good());
    let service = layer.breaker(breaker).layer(fleet);
    hear(&service, ask()).await;
    assert!(!health.snapshot()[0].is_up);
    assert!(health.snapshot()[1].is_up);
}
