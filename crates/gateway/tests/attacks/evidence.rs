//! What a gateway leaves to be looked at: records, budgets, metrics, open files.

use std::time::Duration;

use serde_json::Value;

use crate::support::{self, Gateway, UPSTREAM_KEY, WEB_KEY, get};

pub(crate) const LIMITS: &str = r#"
  { meter = "requests", limit = 1_000_000, per = "minute" },
  { meter = "input_tokens", limit = 100_000_000, per = "minute" },
  { meter = "output_tokens", limit = 100_000_000, per = "minute" },
"#;

/// Nothing is read on for callers who have left.
pub(crate) const ABORT: &str = "[usage]\non_disconnect = \"abort\"\n";

/// The one record of a gateway that was called once.
pub(crate) async fn only_line(gateway: &Gateway) -> Value {
    gateway.ledger_of(1).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let ledger = gateway.ledger();
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    ledger.into_iter().next().unwrap()
}

/// Neither what callers show nor what upstream is shown is written anywhere.
pub(crate) async fn assert_no_keys(gateway: &Gateway) {
    let ledger = std::fs::read_to_string(gateway.folder.join("usage.jsonl")).unwrap_or_default();
    let metrics = get(&gateway.admin, "/metrics").await;
    let metrics = String::from_utf8_lossy(metrics.body()).into_owned();
    for (place, text) in [
        ("stderr", gateway.stderr()),
        ("ledger", ledger),
        ("metrics", metrics),
    ] {
        for key in [WEB_KEY, UPSTREAM_KEY] {
            assert!(!text.contains(key), "{key} in {place}: {text}");
        }
        assert!(!text.contains("panicked"), "{place}: {text}");
    }
}

pub(crate) async fn usage_json(gateway: &Gateway) -> Value {
    support::json(&get(&gateway.admin, "/usage.json").await)
}

pub(crate) fn used(usage: &Value, meter: &str) -> u64 {
    let budgets = usage["budgets"].as_array().unwrap();
    let budget = budgets.iter().find(|budget| budget["meter"] == meter);
    budget.unwrap()["used"].as_u64().unwrap()
}

pub(crate) fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// The process that listens there: the gateway's own id is not told.
pub(crate) fn process_of(gateway: &Gateway) -> u32 {
    let folder = std::fs::canonicalize(&gateway.folder).unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder))
        .unwrap()
}
