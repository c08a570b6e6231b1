//! `claude-gateway usage`, run as people run it.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use support::{Pair, message, request, send};
use tower_claude::core::{RequestId, TenantId, Timestamp};
use tower_claude::pricing::Cost;
use tower_claude::usage_meter::{JsonLines, Outcome, UsageRecord, UsageSink};
use tower_claude_testkit::{Answer, FakeClaude};

const MODEL: &str = "claude-haiku-5-5";

/// A folder of its own for a test, gone at its end.
struct Folder(PathBuf);

// === impl Folder ===

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("usage-report-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claude-gateway"));
        command.current_dir(&self.0).arg("usage");
        command.args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Said {
        Said::of(self.command(line).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command has said, and how it ended.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

// === impl Said ===

impl Said {
    fn of(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

/// A line of the ledger: a call of so many days before now.
fn line(tenant: Option<&str>, model: &str, cost: Option<&str>, days: i64) -> String {
    serde_json::to_string(&record(tenant, model, cost, days)).unwrap() + "\n"
}

fn record(tenant: Option<&str>, model: &str, cost: Option<&str>, days: i64) -> UsageRecord {
    let start = Timestamp::now().unix_millis() - days * 86_400_000;
    let start = Timestamp::from_unix_millis(start);
    let mut record = UsageRecord::new(start, RequestId::generate());
    record.tenant = tenant.and_then(|tenant| TenantId::new(tenant).ok());
    record.feature = "search".into();
    record.model = Some(model.into());
    record.outcome = Outcome::Complete;
    record.input_tokens = Some(1_000_000);
    record.output_tokens = Some(20);
    record.cache_creation_5m_input_tokens = Some(3);
    record.cache_creation_1h_input_tokens = Some(4);
    record.cost = cost.map(|cost| Cost::from_dollars_str(cost).unwrap());
    record
}

fn calls() -> String {
    [
        line(Some("web"), "claude-opus-5-5", Some("0.1"), 0),
        line(Some("web"), "claude-opus-5-5", Some("0.2"), 2),
        line(
            Some("batch"),
            "claude-opus-5-5",
            Some("12.000000000001"),
            20,
        ),
        line(None, "=1+1,\"x\"", None, 0),
    ]
    .concat()
}

#[test]
fn prints_an_aligned_table_with_a_total() {
    let folder = Folder::new("table");
    folder.file("usage.jsonl", &calls());
    let said = folder.run("--ledger usage.jsonl");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let expected = "\
tenant  feature  model            requests  complete  refused  errored  truncated  dropped    input  output  cache_read  cache_write  web_searches         cost_usd  unpriced
batch   search   claude-opus-5-5         1         1        0        0          0        0  1000000      20           0            7             0  12.000000000001         0
web     search   claude-opus-5-5         2         2        0        0          0        0  2000000      40           0           14             0              0.3         0
-       search   =1+1,\"x\"                1         1        0        0          0        0  1000000      20           0            7             0                0         1
total                                    4         4        0        0          0        0  4000000      80           0           28             0  12.300000000001         1
";
    assert_eq!(said.out, expected);
}

#[test]
fn prints_csv_that_is_exact_and_no_formula() {
    let folder = Folder::new("csv");
    folder.file("usage.jsonl", &calls());
    let said = folder.run("--ledger usage.jsonl --by model,tenant --csv");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let expected = [
        "model,tenant,requests,complete,refused,errored,truncated,dropped,input,output,cache_read,cache_write,web_searches,cost_usd,unpriced\r\n",
        "claude-opus-5-5,batch,1,1,0,0,0,0,1000000,20,0,7,0,12.000000000001,0\r\n",
        "claude-opus-5-5,web,2,2,0,0,0,0,2000000,40,0,14,0,0.3,0\r\n",
        "\"'=1+1,\"\"x\"\"\",,1,1,0,0,0,0,1000000,20,0,7,0,0,1\r\n",
    ];
    assert_eq!(said.out, expected.concat());
}

#[test]
fn leaves_out_what_is_not_of_the_period() {
    let folder = Folder::new("period");
    folder.file("usage.jsonl", &calls());
    let costs = |more: &str| {
        let said = folder.run(&format!("--ledger usage.jsonl --by tenant --csv {more}"));
        assert_eq!(said.code, Some(0), "{said:?}");
        let cost = |line: &str| line.rsplit(',').nth(1).unwrap().to_owned();
        said.out.lines().skip(1).map(cost).collect::<Vec<_>>()
    };
    assert_eq!(costs("--since 7d"), ["0.3", "0"]);
    assert_eq!(costs("--since 24h"), ["0.1", "0"]);
    assert_eq!(costs("--until 24h"), ["12.000000000001", "0.2"]);
    assert_eq!(costs("--since 7d --until 24h"), ["0.2"]);
    assert_eq!(costs("--since 1970-01-01").len(), 3);
    assert_eq!(costs("--until 1970-01-01T00:00:00Z").len(), 0);
    let said = folder.run("--ledger usage.jsonl --since 1d --until 2d");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("is not before `--until`"), "{said:?}");
}

#[test]
fn sums_several_files_and_stdin() {
    let folder = Folder::new("several");
    let web = line(Some("web"), MODEL, Some("1"), 0);
    folder.file("a.jsonl", &web);
    folder.file("b.jsonl", &web);
    let mut command =
        folder.command("--ledger a.jsonl --ledger - --ledger b.jsonl --csv --by tenant");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(format!("{web}{web}broken").as_bytes())
        .unwrap();
    drop(stdin);
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("\r\nweb,4,4,"), "{said:?}");
    let expected = "1 line could not be read, the first is line 3 of stdin\n";
    assert_eq!(said.err, expected);
}

/// Sums as the help says it, by the pattern of a shell.
#[cfg(unix)]
#[test]
fn sums_a_ledger_that_has_gone_on_in_other_files() {
    let folder = Folder::new("rotated");
    for _ in 0..4 {
        // A file is put aside before the next write, so each record has one of its own.
        let builder = JsonLines::builder().rotate_at(NonZeroU64::MIN);
        let (ledger, writer) = builder.open(folder.0.join("usage.jsonl")).unwrap();
        let writer = writer.spawn_thread().unwrap();
        ledger.record(Arc::new(record(Some("web"), MODEL, Some("1"), 0)));
        writer.close().unwrap();
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 4);
    let mut command = Command::new("sh");
    let line = "exec \"$0\" usage --ledger usage*.jsonl --by tenant --csv";
    command.args(["-c", line, env!("CARGO_BIN_EXE_claude-gateway")]);
    let said = Said::of(command.current_dir(&folder.0).output().unwrap());
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    assert!(said.out.contains("\r\nweb,4,4,"), "{said:?}");
}

#[test]
fn names_the_lines_that_could_not_be_read() {
    let folder = Folder::new("unread");
    let good = line(Some("web"), MODEL, Some("1"), 0);
    let long = "x".repeat((1 << 20) + 1);
    let half = &good[..good.len() / 2];
    folder.file(
        "usage.jsonl",
        &format!("{good}{half}\n{long}\n{good}{half}"),
    );
    let said = folder.run("--ledger usage.jsonl --csv --by tenant");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("\r\nweb,2,2,"), "{said:?}");
    let expected = "3 lines could not be read, the first is line 2 of usage.jsonl\n\
                    1 of them longer than 1 MiB\n";
    assert_eq!(said.err, expected);
}

#[test]
fn fails_if_nothing_could_be_read_but_not_if_there_was_nothing() {
    let folder = Folder::new("nothing");
    folder.file("foreign.log", "one\ntwo\n");
    folder.file("empty.jsonl", "");
    let said = folder.run("--ledger foreign.log");
    assert_eq!(said.code, Some(1));
    let expected = "2 lines could not be read, the first is line 1 of foreign.log\n\
                    claude-gateway: no line could be read\n";
    assert_eq!(said.err, expected);
    let said = folder.run("--ledger empty.jsonl --by tenant");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    assert!(said.out.contains("\ntotal "), "{said:?}");
    let said = folder.run("--ledger empty.jsonl --ledger nowhere.jsonl");
    assert_eq!((said.code, &*said.out), (Some(1), ""));
    assert!(
        said.err
            .starts_with("claude-gateway: reading nowhere.jsonl: "),
        "{said:?}"
    );
    assert_eq!(folder.run("--ledger .").code, Some(1));
}

#[test]
fn says_what_is_allowed_and_shows_the_help() {
    let folder = Folder::new("allowed");
    for (line, error) in [
        ("", "usage needs --ledger FILE"),
        (
            "--ledger a --by team",
            "`--by`: there is no column \"team\"; there are tenant, user,",
        ),
        (
            "--ledger a --until noon",
            "`--until` needs a moment like YYYY-MM-DDThh:mm:ssZ",
        ),
    ] {
        let said = folder.run(line);
        assert_eq!((said.code, &*said.out), (Some(2), ""));
        assert!(
            said.err.starts_with(&format!("claude-gateway: {error}")),
            "{said:?}"
        );
    }
    assert!(folder.run("--help").out.contains("--since WHEN"));
}

#[test]
fn an_error_of_the_command_line_is_two_lines_and_the_first_says_it() {
    let folder = Folder::new("two-lines");
    let said = folder.run("usage.jsonl");
    let expected = "claude-gateway: unknown argument `usage.jsonl`; files come after --ledger\n\
                    `claude-gateway --help` says how it is used\n";
    assert_eq!((said.code, &*said.err), (Some(2), expected));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_a_file_that_is_not_there() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new("no-text");
    let mut command = folder.command("--ledger");
    command.arg(std::ffi::OsStr::from_bytes(b"usage-\xff.jsonl"));
    let said = Said::of(command.output().unwrap());
    assert_eq!(said.code, Some(1));
    let expected = "claude-gateway: reading usage-\u{fffd}.jsonl: ";
    assert!(said.err.starts_with(expected), "{said:?}");
}

#[test]
fn ends_quietly_when_its_reader_has_seen_enough() {
    let folder = Folder::new("reader");
    let tenants = (0..5_000).map(|number| format!("tenant-{number}"));
    let lines = tenants.map(|tenant| line(Some(&tenant), MODEL, Some("1"), 0));
    folder.file("usage.jsonl", &lines.collect::<String>());
    let mut command = folder.command("--ledger usage.jsonl --by tenant");
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::of(child.wait_with_output().unwrap());
    assert_eq!((said.code, &*said.err), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_what_a_gateway_has_written() {
    let answer = || {
        Answer::message("claude-sonnet-5-5")
            .input_tokens(100)
            .output_tokens(7)
    };
    let answers = [
        answer().into_json(),
        answer().into_stream(),
        answer().into_json(),
    ];
    let pair = Pair::start(FakeClaude::sequence(answers), "");
    let url = format!("{}/v1/messages", pair.gateway.url());
    for (feature, stream) in [("a", false), ("b", true), ("b", false)] {
        let mut request = request(&url, message("hello", stream));
        let feature = feature.parse().unwrap();
        request.headers_mut().insert("x-feature", feature);
        assert_eq!(send(request).await.status(), 200);
    }
    let ledger = pair.gateway.ledger_of(3).await;
    let costs = ledger.iter().map(|line| line["cost_usd"].as_str().unwrap());
    let costs: Vec<Cost> = costs.map(|cost| cost.parse().unwrap()).collect();
    let folder = Folder(pair.gateway.folder.clone());
    let said = folder.run("--ledger usage.jsonl --csv");
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    let [two, one] = [costs[1].saturating_add(costs[2]), costs[0]];
    assert!(!one.is_zero());
    let expected = [
        format!("web,b,claude-sonnet-5-5,2,2,0,0,0,0,200,14,0,0,0,{two},0"),
        format!("web,a,claude-sonnet-5-5,1,1,0,0,0,0,100,7,0,0,0,{one},0"),
    ];
    let rows: Vec<_> = said.out.lines().skip(1).collect();
    assert_eq!(rows, expected);
}
