//! Logs, and the numbers that are not the meter's.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_claude::capture::CaptureFile;
use tower_claude::core::Refusal;
use tower_claude::failover::Health;
use tower_claude::tenant_auth::AuthFailure;
use tower_claude::token_budget::BudgetStats;
use tower_claude::usage_meter::{BatchResults, Drains, JsonLines};

use crate::StartError;

/// Refused credentials, by reason.
const AUTH_FAILURES: &str = "claude_auth_failures_total";
/// Whether a target takes calls: 1 or 0.
const TARGET_UP: &str = "claude_target_up";
/// How much of an account's limits is used, 0 to 1.
const ACCOUNT_USED: &str = "claude_account_used_ratio";
/// Calls that wait for a target to open.
const WAITING: &str = "claude_waiting_calls";
/// Values of headers of a target that made no sense.
const DISTRUSTED: &str = "claude_distrusted_headers_total";
/// Records that could not be kept, and writes that failed and are tried again.
const LEDGER_LOST: &str = "claude_ledger_lost_total";
const LEDGER_FAILED: &str = "claude_ledger_failed_writes_total";
/// The same of texts that are kept.
const CAPTURE_LOST: &str = "claude_capture_lost_total";
const CAPTURE_FAILED: &str = "claude_capture_failed_writes_total";
/// How much of a limit a tenant has spent, 0 to 1, more in debt.
const BUDGET_USED: &str = "claude_budget_used_ratio";
/// Whether the budget's store answers: 1 or 0.
const BUDGET_STORE_UP: &str = "claude_budget_store_up";
/// Calls that are read on without their callers: how many now, and how they ended.
const DRAINS_RUNNING: &str = "claude_drains_running";
const DRAINS: &str = "claude_drains_total";
/// Results of batches that were fetched, by what became of them.
const BATCH_RESULTS: &str = "claude_batch_results_total";
const BUDGET_LEASED: &str = "claude_budget_leased_total";
const BUDGET_ALLOWED: &str = "claude_budget_allowed_total";
const BUDGET_REFUSED: &str = "claude_budget_refused_total";
const BUDGET_WARNED: &str = "claude_budget_warned_total";
const BUDGET_STOPPED: &str = "claude_budget_stopped_total";

/// Seconds; from a cached word to the longest thought.
const BUCKETS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0,
];

/// Logs as JSON lines on stderr, `info` and what is graver; no variable such as `RUST_LOG`
/// changes that.
pub fn log_to_stderr() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .init();
}

/// Installs the recorder whose numbers `/metrics` shows.
pub fn install_metrics() -> Result<PrometheusHandle, StartError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .map_err(StartError::new)?
        .install_recorder()
        .map_err(StartError::new)?;
    describe_counter!(
        AUTH_FAILURES,
        Unit::Count,
        "Calls without a good credential, by what was wrong with it."
    );
    describe_gauge!(
        TARGET_UP,
        "Whether a target takes calls: 0 while a breaker is open or its account has nothing left."
    );
    describe_gauge!(
        ACCOUNT_USED,
        "How much of a rate limit of the account behind a target is used, from 0 to 1."
    );
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Calls that wait now for a target to take them."
    );
    describe_counter!(
        DISTRUSTED,
        Unit::Count,
        "Values of headers of a target that made no sense and were ignored or cut."
    );
    describe_gauge!(
        BUDGET_USED,
        "How much of a limit is spent or reserved, from 0 to 1, more in debt."
    );
    describe_gauge!(
        BUDGET_STORE_UP,
        "Whether the store of the budgets answers: 1 or 0."
    );
    describe_counter!(
        BUDGET_LEASED,
        Unit::Count,
        "Calls that passed within this gateway's share while the store was away."
    );
    describe_counter!(
        BUDGET_ALLOWED,
        Unit::Count,
        "Calls that passed unchecked while the store was away."
    );
    describe_counter!(
        BUDGET_REFUSED,
        Unit::Count,
        "Calls that were refused because the store was away."
    );
    describe_counter!(
        BUDGET_WARNED,
        Unit::Count,
        "Calls that passed although a limit that only warns was spent."
    );
    describe_counter!(
        BUDGET_STOPPED,
        Unit::Count,
        "Streams that were ended for want of budget."
    );
    describe_gauge!(
        DRAINS_RUNNING,
        Unit::Count,
        "Calls that are read on now although their callers have left."
    );
    describe_counter!(
        DRAINS,
        Unit::Count,
        "Calls whose callers left before the end, by what became of them."
    );
    describe_counter!(
        BATCH_RESULTS,
        Unit::Count,
        "Results of batches that were fetched; failed, unreadable and too_long are not metered."
    );
    describe_counter!(
        LEDGER_LOST,
        Unit::Count,
        "Records of calls that could not be kept: the ledger is not complete."
    );
    describe_counter!(
        LEDGER_FAILED,
        Unit::Count,
        "Writes to the ledger that failed; they are tried again."
    );
    describe_counter!(
        CAPTURE_LOST,
        Unit::Count,
        "Calls whose texts could not be kept."
    );
    describe_counter!(
        CAPTURE_FAILED,
        Unit::Count,
        "Writes to the capture file that failed; they are tried again."
    );
    Ok(handle)
}

/// Counts a refused credential; nothing for other refusals.
pub(crate) fn count_refusal(refusal: &Refusal) {
    if let Some(failure) = AuthFailure::of(refusal) {
        counter!(AUTH_FAILURES, "reason" => failure.as_str()).increment(1);
    }
}

/// Brings the numbers of the targets up to date.
pub(crate) fn show_targets(health: &Health) {
    #[expect(clippy::cast_precision_loss, reason = "metrics are binary fractions")]
    gauge!(WAITING).set(health.waiting() as f64);
    for target in health.snapshot() {
        let name = || target.target.name().to_owned();
        gauge!(TARGET_UP, "target" => name()).set(if target.is_up { 1.0 } else { 0.0 });
        counter!(DISTRUSTED, "target" => name()).absolute(target.distrusted_headers);
        for used in &target.used {
            let class = used.class.as_str();
            for (limit, share) in used.limits() {
                gauge!(ACCOUNT_USED, "target" => name(), "class" => class, "limit" => limit)
                    .set(share);
            }
        }
    }
}

/// Brings the counters of the ledger up to date.
pub(crate) fn show_ledger(ledger: &JsonLines) {
    counter!(LEDGER_LOST).absolute(ledger.lost());
    counter!(LEDGER_FAILED).absolute(ledger.failed_writes());
}

/// Brings the counters of the capture file up to date.
pub(crate) fn show_capture(capture: &CaptureFile) {
    counter!(CAPTURE_LOST).absolute(capture.lost());
    counter!(CAPTURE_FAILED).absolute(capture.failed_writes());
}

/// Brings the counters of the results of batches up to date.
pub(crate) fn show_batch_results(results: &BatchResults) {
    counter!(BATCH_RESULTS, "result" => "metered").absolute(results.metered());
    counter!(BATCH_RESULTS, "result" => "repeated").absolute(results.repeated());
    counter!(BATCH_RESULTS, "result" => "failed").absolute(results.failed());
    counter!(BATCH_RESULTS, "result" => "unreadable").absolute(results.unreadable());
    counter!(BATCH_RESULTS, "result" => "too_long").absolute(results.too_long());
}

/// Brings the numbers of the calls that are read on without their callers up to date.
pub(crate) fn show_drains(drains: &Drains) {
    #[expect(clippy::cast_precision_loss, reason = "metrics are binary fractions")]
    gauge!(DRAINS_RUNNING).set(drains.running() as f64);
    counter!(DRAINS, "result" => "finished").absolute(drains.finished());
    counter!(DRAINS, "result" => "timed_out").absolute(drains.timed_out());
    counter!(DRAINS, "result" => "refused").absolute(drains.refused());
}

/// Brings the numbers of the budget layer up to date.
pub(crate) fn show_budget_layer(stats: &BudgetStats, is_store_up: bool) {
    gauge!(BUDGET_STORE_UP).set(if is_store_up { 1.0 } else { 0.0 });
    counter!(BUDGET_LEASED).absolute(stats.leased());
    counter!(BUDGET_ALLOWED).absolute(stats.allowed());
    counter!(BUDGET_REFUSED).absolute(stats.refused());
    counter!(BUDGET_WARNED).absolute(stats.warned());
    counter!(BUDGET_STOPPED).absolute(stats.stopped());
}

/// Brings the gauge of one limit up to date.
pub(crate) fn show_budget(tenant: &str, limit: &str, used: f64) {
    gauge!(BUDGET_USED, "tenant" => tenant.to_owned(), "limit" => limit.to_owned()).set(used);
}
