//! What a report of a ledger takes: bytes and lines a second on one core, and memory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude::core::{End, FailureKind, RequestId, Target, TenantId, Timestamp};
use tower_claude::pricing::Cost;
use tower_claude::usage_meter::{
    AttemptOutcome, AttemptRecord, Column, Outcome, Report, UsageRecord, UsageSource,
};

const BYTES: u64 = 300_000_000;
const ROUNDS: usize = 7;
const MODELS: [&str; 3] = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"];

fn main() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("report-{}.jsonl", std::process::id()));
    let lines = write(&path);
    let result = lines.and_then(|lines| measure(&path, lines));
    fs::remove_file(&path)?;
    result
}

fn measure(path: &Path, lines: u32) -> io::Result<()> {
    let bytes = fs::metadata(path)?.len();
    println!("  {bytes} bytes in {lines} lines");
    let megabytes = f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1e3;
    for columns in [
        &[Column::Tenant, Column::Feature, Column::Model][..],
        &[Column::Day, Column::Outcome, Column::Status],
        &[Column::Tenant, Column::User],
    ] {
        let words: Vec<_> = columns.iter().map(|column| column.as_str()).collect();
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let mut report = Report::by(columns.iter().copied());
            let began = Instant::now();
            let unread = report.read(File::open(path)?)?;
            rows = report.rows().len();
            times.push(began.elapsed());
            assert_eq!(unread.lines, 0, "all lines are records");
            assert_eq!(report.records(), u64::from(lines));
        }
        times.sort_unstable();
        let seconds = times[ROUNDS / 2].as_secs_f64();
        println!(
            "  by {}: {:.0} MB/s, {:.0} lines/s, {rows} rows",
            words.join(","),
            megabytes / seconds,
            f64::from(lines) / seconds,
        );
    }
    println!("  peak memory: {}", peak());
    Ok(())
}

/// The most memory this process has had, where the system says so.
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(
        || "not known here".to_owned(),
        |size| size.trim().to_owned(),
    )
}

/// Writes a ledger, and says of how many lines.
fn write(path: &Path) -> io::Result<u32> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut written, mut lines) = (0, 0);
    while written < BYTES {
        let mut line = serde_json::to_vec(&record(lines))?;
        line.push(b'\n');
        file.write_all(&line)?;
        written += line.len() as u64;
        lines += 1;
    }
    file.flush()?;
    Ok(lines)
}

/// As calls come: most go well, some after a second attempt, some not; 50 tenants, 20 features.
fn record(number: u32) -> UsageRecord {
    let count = u64::from(number);
    let started = Timestamp::from_unix_millis(1_795_169_701_250 + i64::from(number) * 250);
    let mut record = UsageRecord::new(started, RequestId::generate());
    let model = MODELS[usize::try_from(number).unwrap_or(0) % MODELS.len()];
    record.upstream_request_id = Some(
        format!("req_011CSHoEeqs5C35K2UU{number:09}")
            .as_str()
            .into(),
    );
    record.tenant = TenantId::new(&format!("team-{}", number % 50)).ok();
    record.user = Some(format!("user-{}@example.com", number % 5_000).into());
    record.feature = format!("feature-{}", number / 7 % 20).into();
    record.session = (!number.is_multiple_of(3))
        .then(|| format!("a5c7f2e0-4d5b-4b8e-9c65-{:012x}", number / 9).into());
    record.model = Some(model.into());
    record.endpoint = tower_claude::core::Endpoint::Messages;
    record.target = Some(Target::new("anthropic"));
    record.stream = !number.is_multiple_of(4);
    record.latency = Some(Duration::from_millis(1_500 + count % 7_919));
    record.system_prompt_sha256 = Some([u8::try_from(number % 251).unwrap_or(0); 32]);
    record.estimated_input_tokens = Some(1_000 + count % 900);
    let mut log = Vec::new();
    if number.is_multiple_of(10) {
        let reason = FailureKind::Overloaded;
        let mut first = AttemptRecord::new(
            record.target.clone(),
            Duration::ZERO,
            AttemptOutcome::Failed(reason),
        );
        first.status = Some(529);
        first.retry_reason = Some(reason);
        log.push(first);
    }
    if number.is_multiple_of(25) {
        record.outcome = Outcome::Errored;
        record.status = Some(529);
        record.error_type = Some("overloaded_error".into());
    } else {
        let ended = AttemptOutcome::Ended(End::Complete);
        let mut last = AttemptRecord::new(record.target.clone(), Duration::from_millis(3), ended);
        last.status = Some(200);
        log.push(last);
        record.outcome = Outcome::Complete;
        record.status = Some(200);
        record.served_model = Some(model.into());
        record.stop_reason = Some("end_turn".into());
        record.input_tokens = Some(1_000 + count % 977);
        record.output_tokens = Some(10 + count % 1_013);
        record.cache_read_input_tokens = Some(count % 7 * 1_024);
        record.cache_creation_5m_input_tokens = Some(0);
        record.cache_creation_1h_input_tokens = Some(0);
        record.web_search_requests = Some(0);
        record.service_tier = Some("standard".into());
        record.speed = Some("standard".into());
        record.usage_source = UsageSource::Exact;
        record.cost = Some(Cost::from_nano_dollars(5_000_500 + count % 9_999_991 * 100));
        record.price_version = Some("builtin");
        record.time_to_first_token = Some(Duration::from_millis(300 + count % 613));
    }
    record.attempt_log = log.into_iter().collect();
    record
}
