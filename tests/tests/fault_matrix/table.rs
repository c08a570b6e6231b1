use std::fmt::Write as _;
use std::path::Path;

use tower_claude_testkit::fault_matrix::FaultMatrix;

/// The table as the stack has it, to be compared with the one in the repository.
pub(crate) struct Table(String);

/// All that is in the repository before the first table.
const MARK: &str = "\n## ";

// === impl Table ===

impl Table {
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    pub(crate) fn section(mut self, heading: &str, matrix: &FaultMatrix) -> Self {
        let _ = write!(self.0, "## {heading}\n\n{}", matrix.to_markdown());
        self
    }

    /// Fails at the lines that are not those of the repository, and says where the whole is.
    pub(crate) fn compare(&self) {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fault-matrix.md");
        let kept = std::fs::read_to_string(kept).unwrap_or_default();
        let before = kept.find(MARK).map_or(&*kept, |at| &kept[..=at]);
        let seen = format!("{before}{}\n", self.0.trim_end());
        // Headings and prose between the tables belong to the reader.
        let lines = |text: &str| -> Vec<String> {
            let is_kept = |line: &&str| line.starts_with('|') || line.starts_with('#');
            text.lines().filter(is_kept).map(str::to_owned).collect()
        };
        let (expected, seen_lines) = (lines(&kept), lines(&seen));
        if expected == seen_lines {
            return;
        }
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fault-matrix.md");
        std::fs::write(&written, &seen).unwrap();
        let mut message = String::new();
        for line in expected.iter().filter(|line| !seen_lines.contains(line)) {
            let _ = writeln!(message, "expected {line}");
        }
        for line in seen_lines.iter().filter(|line| !expected.contains(line)) {
            let _ = writeln!(message, "    seen {line}");
        }
        if message.is_empty() {
            message.push_str("all lines are there, in another order");
        }
        panic!(
            "the whole table as seen is in {}\n{message}",
            written.display()
        );
    }
}
