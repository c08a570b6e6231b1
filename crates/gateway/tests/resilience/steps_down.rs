//! Other models, other places, and the rest of a text.

use serde_json::Value;
use tower_claude_testkit::{Answer, FakeClaude, FakeServer};

use crate::support::{Pair, WEB_KEY, json, send};
use crate::{ONCE, asking, messages, second, text_of};

const OPUS: &str = "claude-opus-5-5";
const SONNET: &str = "claude-sonnet-5-5";

fn answer(model: &str) -> Answer {
    Answer::message(model).text("Ahoy.").into_json()
}

fn steps(models: &str) -> String {
    format!("{ONCE}[failover]\nfallbacks = {{ \"{OPUS}\" = {models} }}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_stood_in_is_named_and_paid_for() {
    let answers = [
        Answer::overloaded(),
        answer(SONNET),
        answer(SONNET),
        answer(OPUS),
    ];
    let pair = Pair::start(
        FakeClaude::sequence(answers),
        &steps("[\"claude-sonnet-5-5\"]"),
    );
    let (head, _) = text_of(messages(&pair, asking(OPUS, "Hi", false))).await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["x-claude-degraded"], SONNET);
    assert_eq!(head.headers()["x-claude-attempts"], "2");
    for model in [SONNET, OPUS] {
        let (head, _) = text_of(messages(&pair, asking(model, "Hi", false))).await;
        assert_eq!(head.headers().get("x-claude-degraded"), None);
    }
    let ledger = pair.gateway.ledger_of(3).await;
    assert_eq!(ledger[0]["model"], OPUS, "{}", ledger[0]);
    assert_eq!(ledger[0]["served_model"], SONNET, "{}", ledger[0]);
    assert_eq!(ledger[0]["attempts"], 2);
    assert_eq!(ledger[0]["cost_usd"], ledger[1]["cost_usd"]);
    assert_ne!(ledger[0]["cost_usd"], ledger[2]["cost_usd"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_the_tenant_may_not_use_does_not_stand_in() {
    let fake = FakeClaude::sequence([Answer::overloaded(), answer(SONNET)]);
    let more = steps("[\"claude-sonnet-5-5\"]");
    let other = "integration-key-of-other";
    let digest = tower_claude::tenant_auth::KeyDigest::of(other);
    let tenant = format!(
        "[[tenants]]\nid = \"other\"\nplan = \"standard\"\nmodels = [\"claude-opus-*\"]\n\
         keys = [{{ digest = \"{digest}\" }}]\n"
    );
    let pair = Pair::start(fake, &format!("{more}{tenant}"));
    let mut asked = messages(&pair, asking(OPUS, "Hi", false));
    let key = asked
        .headers_mut()
        .insert("x-api-key", other.parse().unwrap());
    assert_eq!(key.unwrap(), WEB_KEY);
    let response = send(asked).await;
    assert_eq!(response.status(), 529, "{}", json(&response));
    assert_eq!(pair.fake.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_where_what_it_needs_is_offered() {
    let other = FakeClaude::default();
    let server = FakeServer::start(other.clone());
    let lacks = "weight = 1\nwithout = [\"web_search\"]\n";
    let more = second(&server).replace("priority = 1\n", lacks);
    let pair = Pair::start(FakeClaude::default(), &more);
    let call = |text: String, tool: &str| {
        let mut body: Value = serde_json::from_str(&asking(SONNET, &text, false)).unwrap();
        body["tools"] = serde_json::json!([{ "type": tool, "name": "a_tool" }]);
        messages(&pair, body.to_string())
    };
    for number in 0..20 {
        let asked = call(format!("{number}"), "web_search_20250305");
        assert_eq!(send(asked).await.status(), 200);
    }
    assert_eq!((pair.fake.calls(), other.calls()), (20, 0));
    for number in 0..20 {
        send(call(format!("{number}"), "custom")).await;
    }
    assert!(other.calls() > 0, "it takes the others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_broke_off_is_gone_on_with_where_that_is_wanted() {
    let model = "claude-sonnet-4-5";
    for (setting, marks, attempts) in [("true", 1, 2), ("false", 0, 1)] {
        let answer = |text| Answer::message(model).text(text).deltas(2).into_stream();
        let fake = FakeClaude::sequence([
            answer("The gate opens at seven.").truncate_after(4),
            answer("ns at seven."),
        ]);
        let more = format!("{ONCE}[failover]\ncontinue_text = {setting}\n");
        let pair = Pair::start(fake, &more);
        let (_, text) = text_of(messages(&pair, asking(model, "When?", true))).await;
        assert_eq!(text.matches("event: continuation").count(), marks, "{text}");
        assert_eq!(text.matches("event: message_start").count(), 1, "{text}");
        assert_eq!(text.contains("event: message_stop"), marks == 1, "{text}");
        assert_eq!(text.contains("event: error"), marks == 0, "{text}");
        let line = &pair.gateway.ledger_of(1).await[0];
        assert_eq!(line["attempts"], attempts, "{line}");
    }
}
