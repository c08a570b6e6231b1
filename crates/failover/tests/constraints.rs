//! What no order, outage or fallback may break besides residency, and where conversations stay.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::collections::BTreeMap;

use http::Request;
use support::{Fleet, good, hear, in_order};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, Capability, Platform, Target};
use tower_claude_failover::{Failover, FailoverLayer};
use tower_claude_testkit::Answer;

fn post(body: impl Into<String>) -> Request<CallBody> {
    Request::post("/v1/messages")
        .body(CallBody::from(body.into()))
        .unwrap()
}

/// A body with these fields beside those that must be there.
fn body(fields: &str, content: &str) -> String {
    format!(
        r#"{{"model":"claude-opus-5-5","max_tokens":9,{fields}"messages":[{{"role":"user","content":{content}}}]}}"#
    )
}

fn pair(targets: [Target; 2]) -> (Failover<Fleet>, Fleet) {
    let fleet = Fleet::answering([("a", good()), ("b", good())]);
    (
        FailoverLayer::new(targets).unwrap().layer(fleet.clone()),
        fleet,
    )
}

#[tokio::test]
async fn a_call_goes_only_where_there_is_what_it_needs() {
    let partial = Target::new("a").without(Capability::WebSearch);
    let (service, fleet) = pair([partial, Target::new("b").priority(1)]);
    let search = r#""tools":[{"type":"web_search_20250305","name":"web_search"}],"#;
    for _ in 0..3 {
        let heard = hear(&service, post(body(search, "\"hi\""))).await;
        assert_eq!(heard.status, 200);
    }
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (0, 3));
    hear(&service, post(body("", "\"hi\""))).await;
    assert_eq!(fleet.calls("a"), 1, "others go where they went");
}

#[tokio::test]
async fn an_outage_moves_no_call_to_where_it_cannot_be_served() {
    let fleet = Fleet::answering([("a", Answer::overloaded()), ("b", good())]);
    let bedrock = Target::new("b").priority(1).platform(Platform::Bedrock);
    let service = FailoverLayer::new([Target::new("a"), bedrock])
        .unwrap()
        .layer(fleet.clone());
    let geo = r#""inference_geo":"us","#;
    let heard = hear(&service, post(body(geo, "\"hi\""))).await;
    assert_eq!((heard.status, fleet.calls("b")), (529, 0));
    let heard = hear(&service, post(body("", "\"hi\""))).await;
    assert_eq!((heard.status, fleet.calls("b")), (200, 1));
}

#[tokio::test]
async fn what_no_target_offers_is_refused_by_name() {
    let lacks = |name: &str| Target::new(name).without(Capability::McpServers);
    let (service, fleet) = pair([lacks("a"), lacks("b")]);
    let servers = r#""mcp_servers":[{"type":"url","url":"https://x","name":"x"}],"#;
    let heard = hear(&service, post(body(servers, "\"hi\""))).await;
    assert_eq!(heard.status, 400);
    assert!(heard.text().contains("mcp_servers"), "{}", heard.text());
    assert_eq!(fleet.calls("a") + fleet.calls("b"), 0);
}

#[tokio::test]
async fn a_beta_goes_only_where_it_is_taken() {
    let (service, fleet) = pair([
        Target::new("a").betas(["one-2026-01-01"]),
        Target::new("b").priority(1),
    ]);
    let with_betas = |betas: &'static str| {
        let mut request = post(body("", "\"hi\""));
        let betas = http::HeaderValue::from_static(betas);
        request.headers_mut().insert("anthropic-beta", betas);
        request
    };
    hear(&service, with_betas("one-2026-01-01")).await;
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 0));
    hear(&service, with_betas("one-2026-01-01, two-2026-02-02")).await;
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 1));
}

#[tokio::test]
async fn a_beta_that_the_only_target_does_not_take_is_refused_by_name() {
    let fleet = Fleet::answering([("a", good())]);
    let only = Target::new("a").betas(["one-2026-01-01"]);
    let service = FailoverLayer::new([only]).unwrap().layer(fleet.clone());
    let mut request = post(body("", "\"hi\""));
    let betas = http::HeaderValue::from_static("one-2026-01-01, two-2026-02-02");
    request.headers_mut().insert("anthropic-beta", betas);
    let heard = hear(&service, request).await;
    assert_eq!((heard.status, fleet.calls("a")), (400, 0));
    assert!(heard.text().contains("two-2026-02-02"), "{}", heard.text());
}

#[tokio::test]
async fn what_is_in_one_account_is_asked_at_home_and_never_moves() {
    let file = r#"[{"type":"document","source":{"type":"file","file_id":"file_011CNha8iCJcU1wXNR6q4V8w"}}]"#;
    let container = r#""container":"container_011CPR5CNjB747bTd36fQLFk","#;
    for text in [body("", file), body(container, "\"hi\"")] {
        let fleet = Fleet::answering([("a", Answer::overloaded()), ("b", good())]);
        // Of equal priority, so that others would be shared out.
        let layer = FailoverLayer::new(["a", "b"].map(Target::new)).unwrap();
        for _ in 0..4 {
            let heard = hear(&layer.layer(fleet.clone()), post(text.clone())).await;
            assert_eq!(heard.status, 529);
        }
        assert_eq!((fleet.calls("a"), fleet.calls("b")), (4, 0));
    }
}

#[tokio::test]
async fn a_long_call_goes_where_there_is_room_if_there_is() {
    let (service, fleet) = pair([
        Target::new("a").context_window(200_000),
        Target::new("b").priority(1).context_window(1_000_000),
    ]);
    for (input, served) in [(150_000, "a"), (250_000, "b"), (2_000_000, "a")] {
        let before = fleet.calls(served);
        let (request, call) = support::prepared().await;
        call.attempts().estimate(input);
        assert_eq!(hear(&service, request).await.status, 200);
        assert_eq!(fleet.calls(served), before + 1, "{input} tokens");
    }
}

/// Which target serves each of so many conversations, each turn of it asked of a new layer.
async fn homes(targets: &[Target], conversations: usize) -> BTreeMap<String, usize> {
    let mut homes = BTreeMap::new();
    for number in 0..conversations {
        let mut home = None;
        for turn in 1..=3 {
            let names = ["a", "b", "c"].map(|name| (name, good()));
            let fleet = Fleet::answering(names);
            let layer = FailoverLayer::new(targets.iter().cloned()).unwrap();
            let long = format!("question {number}: {}", "why? ".repeat(400));
            let later = r#",{"role":"assistant","content":"so"},{"role":"user","content":"more"}"#;
            let request = post(format!(
                r#"{{"model":"claude-opus-5-5","max_tokens":9,"system":"be kind","messages":[{{"role":"user","content":"{long}"}}{}]}}"#,
                later.repeat(turn)
            ));
            assert_eq!(hear(&layer.layer(fleet.clone()), request).await.status, 200);
            let asked = ["a", "b", "c"]
                .into_iter()
                .find(|name| fleet.calls(name) > 0);
            assert_eq!(*home.get_or_insert(asked.unwrap()), asked.unwrap());
        }
        *homes.entry(home.unwrap().to_owned()).or_default() += 1;
    }
    homes
}

#[tokio::test]
async fn a_conversation_stays_where_its_cache_is_and_weights_hold() {
    let even = ["a", "b", "c"].map(Target::new);
    for (name, count) in homes(&even, 300).await {
        assert!((70..=130).contains(&count), "{name}: {count}");
    }
    let weighted = [Target::new("a").weight(3), Target::new("b")];
    let homes = homes(&weighted, 300).await;
    assert!((195..=255).contains(&homes["a"]), "{homes:?}");
}

#[tokio::test]
async fn short_calls_are_shared_out_by_chance() {
    let fleet = Fleet::answering([("a", good()), ("b", good())]);
    let layer = FailoverLayer::new(["a", "b"].map(Target::new)).unwrap();
    for _ in 0..200 {
        let response = layer
            .layer(fleet.clone())
            .oneshot(post(body("", "\"hi\"")))
            .await;
        assert_eq!(response.unwrap().status(), 200);
    }
    assert!(fleet.calls("a") > 60 && fleet.calls("b") > 60);
}

#[tokio::test]
async fn priorities_come_before_conversations() {
    let fleet = Fleet::answering([("a", good()), ("b", good())]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    for number in 0..20 {
        let content = format!("\"{number} {}\"", "why? ".repeat(400));
        hear(&layer.layer(fleet.clone()), post(body("", &content))).await;
    }
    assert_eq!(fleet.calls("b"), 0);
}
