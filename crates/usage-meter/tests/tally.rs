//! Sums in memory.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::sync::Arc;

use support::{message, take, tenant};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{RequestId, Target, Timestamp};
use tower_claude_pricing::Cost;
use tower_claude_testkit::{Answer, FakeClaude};
use tower_claude_usage_meter::{Tally, UsageMeterLayer, UsageRecord, UsageSink};

fn record(tenant_id: &str, feature: &str, model: &str) -> Arc<UsageRecord> {
    let mut record = UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
    record.tenant = Some(tenant(tenant_id).id().clone());
    record.feature = feature.into();
    record.model = Some(model.into());
    record.target = Some(Target::new("anthropic"));
    record.input_tokens = Some(10);
    record.cost = Some(Cost::from_nano_dollars(500_000_000));
    Arc::new(record)
}

#[test]
fn sums_are_by_tenant_feature_model_and_target() {
    let tally = Tally::new();
    tally.record(record("web", "search", "opus"));
    tally.record(record("web", "chat", "opus"));
    tally.record(record("app", "chat", "haiku"));
    let snapshot = tally.snapshot();
    let shares = |shares: &[tower_claude_usage_meter::Share]| -> Vec<(String, u64, String)> {
        shares
            .iter()
            .map(|share| {
                (
                    share.name.as_deref().unwrap_or("-").to_owned(),
                    share.totals.requests,
                    share.totals.cost.to_string(),
                )
            })
            .collect()
    };
    let share = |name: &str, requests, cost: &str| (name.to_owned(), requests, cost.to_owned());
    assert_eq!(
        shares(&snapshot.tenants),
        [share("app", 1, "0.5"), share("web", 2, "1")]
    );
    assert_eq!(
        shares(&snapshot.features),
        [share("chat", 2, "1"), share("search", 1, "0.5")]
    );
    assert_eq!(
        shares(&snapshot.models),
        [share("haiku", 1, "0.5"), share("opus", 2, "1")]
    );
    assert_eq!(shares(&snapshot.targets), [share("anthropic", 3, "1.5")]);
    assert_eq!(snapshot.rows.len(), 3);
    assert_eq!(snapshot.totals.input_tokens, 30);
    let minutes: u64 = snapshot
        .minutes
        .iter()
        .map(|minute| minute.totals.requests)
        .sum();
    assert_eq!(minutes, 3);
}

#[tokio::test]
async fn a_snapshot_is_json_for_a_page() {
    let tally = Tally::new();
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let meter = UsageMeterLayer::new(tally.clone()).layer(fake);
    let response = meter.oneshot(message("claude-opus-5-5", false)).await;
    take(response.unwrap().into_body()).await;
    let json = serde_json::to_string(&tally.snapshot()).unwrap();
    let totals = concat!(
        r#""requests":1,"complete":1,"refused":0,"errored":0,"truncated":0,"dropped":0,"#,
        r#""input_tokens":37,"output_tokens":118,"cache_read_input_tokens":10240,"#,
        r#""cache_creation_input_tokens":2300,"cost_usd":"0.017556","unpriced":0"#,
    );
    assert!(json.starts_with(r#"{"since":"2"#), "{json}");
    assert!(
        json.contains(&format!(r#""totals":{{{totals}}}"#)),
        "{json}"
    );
    assert!(
        json.contains(&format!(r#""tenants":[{{"name":"web",{totals}}}]"#)),
        "{json}"
    );
    assert!(json.contains(r#""targets":[]"#), "{json}");
}

#[test]
fn invented_names_add_up_by_tenant_under_other() {
    let tally = Tally::new();
    for n in 0..3 * Tally::MOST {
        tally.record(record("web", "search", &format!("junk-{n}")));
    }
    tally.record(record("app", "search", "opus"));
    let snapshot = tally.snapshot();
    assert_eq!(snapshot.rows.len(), Tally::MOST + 2);
    let counts: Vec<_> = snapshot
        .tenants
        .iter()
        .map(|share| (share.name.as_deref(), share.totals.requests))
        .collect();
    let all = u64::try_from(3 * Tally::MOST).unwrap();
    assert_eq!(counts, [(Some("app"), 1), (Some("web"), all)]);
}
