use std::io::{self, Read};
use std::num::NonZeroUsize;

use tower_claude_core::Timestamp;

use super::facts::Facts;
use super::full_line::FullLine;
use super::groups::Groups;
use super::key::KeyWriter;
use super::lines::{Line, Lines};
use super::plain_line::plain_line;
use super::{Column, ReportRow, ReportSums, Unread};

/// Sums a ledger by columns, in one pass and in bounded memory.
///
/// ```
/// use tower_claude_core::{RequestId, Timestamp};
/// use tower_claude_pricing::Cost;
/// use tower_claude_usage_meter::{Column, Report, UsageRecord};
///
/// let mut record = UsageRecord::new(Timestamp::now(), RequestId::generate());
/// record.feature = "search".into();
/// record.cost = Some(Cost::from_dollars_str("0.25")?);
/// let line = serde_json::to_string(&record)?;
///
/// let mut report = Report::by([Column::Feature]);
/// let unread = report.read(format!("{line}\n{line}\nnot a record\n").as_bytes())?;
/// assert_eq!(unread.first, Some(3));
///
/// let rows = report.rows();
/// assert_eq!(rows.len(), 1);
/// assert!(rows[0].keys().eq([Some("search")]));
/// assert_eq!(rows[0].sums().totals.cost.to_string(), "0.5");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A line is a record if it is a JSON object with the fields of the ledger that a report can
/// need, each once, and of its type; further fields are left alone. Any other line is counted as
/// [`Unread`]; an empty one is not, as nothing is lost with it.
#[derive(Debug)]
pub struct Report {
    columns: Box<[Column]>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    groups: Groups,
    total: ReportSums,
    records: u64,
    key: KeyWriter,
}

// === impl Report ===

impl Report {
    /// The most groups that a report tells apart, unless it is told another number.
    pub const GROUPS: NonZeroUsize = NonZeroUsize::new(1_000_000).unwrap();

    /// Sums by these columns; by none, all calls are one row.
    #[must_use]
    pub fn by(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            since: None,
            until: None,
            groups: Groups::new(Self::GROUPS),
            total: ReportSums::default(),
            records: 0,
            key: KeyWriter::default(),
        }
    }

    /// Leaves out calls that began before this.
    #[must_use]
    pub const fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Leaves out calls that began then or after.
    #[must_use]
    pub const fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Tells at most so many groups apart; the calls of further ones are [`Report::other`].
    #[must_use]
    pub fn groups(mut self, most: NonZeroUsize) -> Self {
        self.groups = Groups::new(most);
        self
    }

    /// Adds the records of a source, to its end.
    ///
    /// A buffer of two MiB is all that it takes, beside what the groups take.
    ///
    /// # Errors
    ///
    /// When the source cannot be read. What came before that is in the sums.
    pub fn read(&mut self, source: impl Read) -> io::Result<Unread> {
        let mut lines = Lines::new(source);
        let mut unread = Unread::default();
        let mut number = 0_u64;
        while let Some(line) = lines.next()? {
            number = number.saturating_add(1);
            match line {
                Line::Whole([]) => {}
                Line::Whole(line) if self.line(line) => {}
                line => unread.count(number, line == Line::TooLong),
            }
        }
        Ok(unread)
    }

    /// The rows, the dearest first, then by keys.
    #[must_use]
    pub fn rows(&self) -> Vec<ReportRow<'_>> {
        let mut rows: Vec<_> = self.groups.iter().map(ReportRow::of).collect();
        rows.sort_unstable_by(ReportRow::order);
        rows
    }

    /// The sums of the calls that are in no row, if there were too many groups.
    ///
    /// There are too many as well when what tells them apart takes more than 256 MiB.
    #[must_use]
    pub const fn other(&self) -> Option<&ReportSums> {
        self.groups.other()
    }

    /// The sums of all calls.
    #[must_use]
    pub const fn total(&self) -> &ReportSums {
        &self.total
    }

    /// How many records were read, those that were left out by their time included.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// What calls are told apart by.
    #[must_use]
    pub const fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Adds a line; `false` if it is no record.
    fn line(&mut self, line: &[u8]) -> bool {
        let Ok(line) = std::str::from_utf8(line) else {
            return false;
        };
        if let Some(facts) = plain_line(line) {
            self.add(&facts);
            return true;
        }
        let full = FullLine::read(line);
        let facts = full.as_ref().and_then(FullLine::facts);
        facts.inspect(|facts| self.add(facts)).is_some()
    }

    fn add(&mut self, facts: &Facts<'_>) {
        self.records = self.records.saturating_add(1);
        let is_early = self.since.is_some_and(|since| facts.timestamp < since);
        let is_late = self.until.is_some_and(|until| facts.timestamp >= until);
        if is_early || is_late {
            return;
        }
        let sums = facts.sums();
        self.total.add(&sums);
        let key = self.key.write(&self.columns, facts);
        self.groups.add(key, &sums);
    }
}
