use std::io::{self, Write};

use tower_claude::usage_meter::{Report, ReportRow};

use super::{HEADS, OTHER, sums};

/// A report as a person reads it: aligned, numbers to the right, a total at the end.
#[derive(Debug)]
pub(super) struct Table<'a> {
    report: &'a Report,
}

/// The longest a key is shown, in characters: as long as the attribution of a call may be.
const LONGEST: usize = 200;

const NULL: &str = "-";
const TOTAL: &str = "total";

// === impl Table ===

impl<'a> Table<'a> {
    pub(super) const fn new(report: &'a Report) -> Self {
        Self { report }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths = vec![0; self.report.columns().len() + HEADS.len()];
        let rows = self.report.rows();
        // Twice over the rows, so that their texts need not all be kept.
        self.each(&rows, |cells| {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
            Ok(())
        })?;
        self.each(&rows, |cells| self.line(out, &cells, &widths))
    }

    /// The cells of the head, of every row, and of the total.
    fn each(
        &self,
        rows: &[ReportRow<'_>],
        mut line: impl FnMut(Vec<String>) -> io::Result<()>,
    ) -> io::Result<()> {
        let columns = self.report.columns();
        let head = columns.iter().map(|column| column.as_str()).chain(HEADS);
        line(head.map(str::to_owned).collect())?;
        for row in rows {
            let keys = row.keys().map(|key| key.map_or(NULL.to_owned(), shown));
            line(keys.chain(sums(row.sums())).collect())?;
        }
        if let Some(other) = self.report.other() {
            let keys = columns.iter().map(|_| OTHER.to_owned());
            line(keys.chain(sums(other)).collect())?;
        }
        let keys = columns.iter().enumerate().map(|(place, _)| match place {
            0 => TOTAL.to_owned(),
            _ => String::new(),
        });
        line(keys.chain(sums(self.report.total())).collect())
    }

    fn line(&self, out: &mut impl Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
        let keys = self.report.columns().len();
        for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = if place == 0 { "" } else { "  " };
            match place < keys {
                true => write!(out, "{gap}{cell:<width$}")?,
                false => write!(out, "{gap}{cell:>width$}")?,
            }
        }
        writeln!(out)
    }
}

/// A key without what a terminal would take for a command, and not without end.
fn shown(key: &str) -> String {
    let mut shown = String::new();
    let mut rest = key.chars();
    for letter in rest.by_ref().take(LONGEST) {
        let is_plain = !letter.is_control() && !is_invisible(letter);
        match is_plain {
            true => shown.push(letter),
            false => shown.extend(letter.escape_unicode()),
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Whether it turns the order of letters around, breaks a line, or shows nothing.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn shows_no_command_to_a_terminal() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\u{a}");
        assert_eq!(shown("web\u{202e}"), "web\\u{202e}");
        assert_eq!(shown("né 漢"), "né 漢");
    }

    #[test]
    fn shows_that_a_key_goes_on() {
        let cut = shown(&"é".repeat(201));
        assert_eq!(cut, format!("{}…", "é".repeat(200)));
        assert_eq!(shown(&"é".repeat(200)), "é".repeat(200));
    }
}
