//! `claude-gateway usage`: sums a ledger, for a person or for a spreadsheet.

mod csv;
mod moment;
mod options;
mod progress;
mod table;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::path::Path;

use tower_claude::core::Timestamp;
use tower_claude::usage_meter::{Report, ReportSums, Unread};

use self::csv::Csv;
pub use self::moment::Moment;
pub use self::options::UsageOptions;
use self::progress::Progress;
use self::table::Table;
use crate::StartError;

/// The heads of the sums, in the order of [`sums`].
const HEADS: [&str; 13] = [
    "requests",
    "complete",
    "refused",
    "errored",
    "truncated",
    "dropped",
    "input",
    "output",
    "cache_read",
    "cache_write",
    "web_searches",
    "cost_usd",
    "unpriced",
];

/// What stands for every key of the row of what is too much to be told apart.
const OTHER: &str = "(other)";

/// Reads the ledgers and prints what they come to; what could not be read is said on stderr.
pub(crate) fn usage(options: &UsageOptions) -> Result<(), StartError> {
    let mut report = start(options, Timestamp::now())?;
    let mut unread = 0_u64;
    for path in &options.ledgers {
        let of_file = read(&mut report, path)
            .map_err(|error| StartError::new(format!("reading {}: {error}", path.display())))?;
        tell(path, of_file);
        unread = unread.saturating_add(of_file.lines);
    }
    if let Some(other) = report.other() {
        let requests = other.totals.requests;
        eprintln!("there are too many groups: {requests} requests are in the row {OTHER}");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = match options.is_csv {
        true => Csv::new(&report).write(&mut out),
        false => Table::new(&report).write(&mut out),
    };
    match printed.and_then(|()| out.flush()) {
        // Who reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed.map_err(|error| StartError::new(format!("printing: {error}")))?,
    }
    if unread > 0 && report.records() == 0 {
        return Err(StartError::new("no line could be read"));
    }
    Ok(())
}

fn start(options: &UsageOptions, now: Timestamp) -> Result<Report, StartError> {
    let [since, until] =
        [options.since, options.until].map(|moment| moment.map(|moment| moment.seen_from(now)));
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(StartError::new(format!(
            "`--since` is {since}, which is not before `--until`, {until}"
        )));
    }
    let mut report = Report::by(options.by.iter().copied());
    if let Some(since) = since {
        report = report.since(since);
    }
    if let Some(until) = until {
        report = report.until(until);
    }
    Ok(report)
}

/// Reads a file, or stdin as `-`.
fn read(report: &mut Report, path: &Path) -> io::Result<Unread> {
    if path == Path::new(UsageOptions::STDIN) {
        return watched(report, io::stdin().lock(), None);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // The size of a pipe says nothing.
    let size = metadata.is_file().then_some(metadata.len());
    watched(report, file, size)
}

fn watched(report: &mut Report, source: impl Read, size: Option<u64>) -> io::Result<Unread> {
    let stderr = io::stderr();
    if !stderr.is_terminal() {
        return report.read(source);
    }
    let mut progress = Progress::new(source, size, stderr);
    let unread = report.read(&mut progress);
    progress.clear();
    unread
}

fn tell(path: &Path, unread: Unread) {
    let Some(first) = unread.first else {
        return;
    };
    let path = match path == Path::new(UsageOptions::STDIN) {
        true => "stdin".to_owned(),
        false => path.display().to_string(),
    };
    let plural = if unread.lines == 1 { "" } else { "s" };
    eprintln!(
        "{} line{plural} could not be read, the first is line {first} of {path}",
        unread.lines
    );
    if unread.too_long > 0 {
        eprintln!("{} of them longer than 1 MiB", unread.too_long);
    }
}

/// The cells of sums, in the order of [`HEADS`].
fn sums(sums: &ReportSums) -> [String; HEADS.len()] {
    let totals = &sums.totals;
    [
        totals.requests.to_string(),
        totals.complete.to_string(),
        totals.refused.to_string(),
        totals.errored.to_string(),
        totals.truncated.to_string(),
        totals.dropped.to_string(),
        totals.input_tokens.to_string(),
        totals.output_tokens.to_string(),
        totals.cache_read_input_tokens.to_string(),
        totals.cache_creation_input_tokens.to_string(),
        sums.web_search_requests.to_string(),
        totals.cost.to_string(),
        totals.unpriced.to_string(),
    ]
}
