use std::io::{self, Write};

use tower_claude::usage_meter::{Report, ReportSums};

use super::{HEADS, OTHER, sums};

/// A report as RFC 4180 has tables: exact numbers, `null` as an empty cell, no total.
#[derive(Debug)]
pub(super) struct Csv<'a> {
    report: &'a Report,
}

// === impl Csv ===

impl<'a> Csv<'a> {
    pub(super) const fn new(report: &'a Report) -> Self {
        Self { report }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = self.report.columns().iter().map(|column| column.as_str());
        let head: Vec<_> = columns.chain(HEADS).collect();
        write!(out, "{}\r\n", head.join(","))?;
        for row in self.report.rows() {
            line(out, row.keys(), row.sums())?;
        }
        if let Some(other) = self.report.other() {
            let keys = self.report.columns().iter().map(|_| Some(OTHER));
            line(out, keys, other)?;
        }
        Ok(())
    }
}

fn line<'a>(
    out: &mut impl Write,
    keys: impl Iterator<Item = Option<&'a str>>,
    sums: &ReportSums,
) -> io::Result<()> {
    let keys = keys.map(|key| key.map_or_else(String::new, text));
    let cells: Vec<_> = keys.chain(self::sums(sums)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A text's cell: never a formula, whatever a caller has chosen to be called.
fn text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    // Empty without quotation marks is `null`.
    let is_quoted = text.is_empty() || text.contains(['"', ',', '\r', '\n']);
    match is_quoted {
        true => format!("\"{mark}{}\"", text.replace('"', "\"\"")),
        false => format!("{mark}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn quotes_what_would_end_a_cell_and_disarms_formulas() {
        for (said, cell) in [
            ("web", "web"),
            ("", "\"\""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\r=1", "\"'\r=1\""),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(text(said), cell, "{said:?}");
        }
    }
}
