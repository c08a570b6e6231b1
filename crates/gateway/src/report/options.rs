use std::path::PathBuf;

use tower_claude::usage_meter::Column;

use super::moment::{Moment, ParseMomentError};
use crate::cli::{UsageError, once, value};

/// What is to be summed, and how it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageOptions {
    /// The files, in order; `-` is stdin.
    pub ledgers: Vec<PathBuf>,
    /// What calls are told apart by.
    pub by: Vec<Column>,
    /// Leaves out calls before this.
    pub since: Option<Moment>,
    /// Leaves out calls from this on.
    pub until: Option<Moment>,
    /// Whether it is for a spreadsheet.
    pub is_csv: bool,
}

const BY: [Column; 3] = [Column::Tenant, Column::Feature, Column::Model];

// === impl UsageOptions ===

impl UsageOptions {
    /// The name of stdin.
    pub(crate) const STDIN: &str = "-";

    /// Reads the arguments after `usage`; `None` where help is asked for.
    pub(crate) fn parse(
        arguments: impl Iterator<Item = String>,
    ) -> Result<Option<Self>, UsageError> {
        let mut arguments = arguments.peekable();
        let (mut ledgers, mut by) = (Vec::new(), None);
        let (mut since, mut until, mut csv) = (None, None, None);
        while let Some(name) = arguments.next() {
            let arguments = &mut arguments;
            match &*name {
                "--help" | "-h" => return Ok(None),
                "--csv" => once(&mut csv, &name, ())?,
                "--by" => once(&mut by, &name, columns(&value(&name, arguments)?)?)?,
                "--since" => once(&mut since, &name, moment(&name, arguments)?)?,
                "--until" => once(&mut until, &name, moment(&name, arguments)?)?,
                "--ledger" => {
                    add(&mut ledgers, value(&name, arguments)?)?;
                    // As many as a pattern of the shell has become.
                    while let Some(path) = arguments.next_if(|word| is_path(word)) {
                        add(&mut ledgers, path)?;
                    }
                }
                word if is_path(word) => {
                    return Err(UsageError::new(format!(
                        "unknown argument `{word}`; files come after --ledger"
                    )));
                }
                _ => return Err(UsageError::new(format!("unknown argument `{name}`"))),
            }
        }
        if ledgers.is_empty() {
            return Err(UsageError::new("usage needs --ledger FILE"));
        }
        Ok(Some(Self {
            ledgers,
            by: by.unwrap_or_else(|| BY.to_vec()),
            since,
            until,
            is_csv: csv.is_some(),
        }))
    }
}

fn add(ledgers: &mut Vec<PathBuf>, path: String) -> Result<(), UsageError> {
    let ledger = PathBuf::from(path);
    // It would be summed twice.
    if ledgers.contains(&ledger) {
        let ledger = ledger.display();
        return Err(UsageError::new(format!(
            "`--ledger {ledger}` is given twice"
        )));
    }
    ledgers.push(ledger);
    Ok(())
}

fn is_path(word: &str) -> bool {
    word == UsageOptions::STDIN || !word.starts_with('-')
}

fn columns(text: &str) -> Result<Vec<Column>, UsageError> {
    let mut columns = Vec::new();
    for word in text.split(',') {
        let column = word.trim().parse::<Column>();
        let column = column.map_err(|error| UsageError::new(format!("`--by`: {error}")))?;
        if columns.contains(&column) {
            let word = column.as_str();
            return Err(UsageError::new(format!("`--by` names {word} twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn moment(name: &str, arguments: &mut impl Iterator<Item = String>) -> Result<Moment, UsageError> {
    let text = value(name, arguments)?;
    let moment = text.parse();
    moment.map_err(|error: ParseMomentError| UsageError::new(format!("`{name}` needs {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<UsageOptions>, String> {
        let words = line.split_whitespace().map(str::to_owned);
        UsageOptions::parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_every_option() {
        let line = "--ledger a --ledger - --by day,user --since 7d --until 24h --csv";
        let options = UsageOptions {
            ledgers: vec!["a".into(), "-".into()],
            by: vec![Column::Day, Column::User],
            since: Some(Moment::Ago(7 * 86_400_000)),
            until: Some(Moment::Ago(86_400_000)),
            is_csv: true,
        };
        assert_eq!(parse(line), Ok(Some(options)));
        let options = UsageOptions {
            ledgers: vec!["a".into()],
            by: vec![Column::Tenant, Column::Feature, Column::Model],
            since: None,
            until: None,
            is_csv: false,
        };
        assert_eq!(parse("--ledger a"), Ok(Some(options)));
        assert_eq!(parse("--ledger a --help"), Ok(None));
    }

    #[test]
    fn takes_every_path_after_the_name_up_to_the_next_option() {
        let ledgers = |line| parse(line).map(|options| options.map(|options| options.ledgers));
        let expected = |paths: &[&str]| Ok(Some(paths.iter().map(PathBuf::from).collect()));
        assert_eq!(
            ledgers("--ledger a b - --csv --ledger c d"),
            expected(&["a", "b", "-", "c", "d"])
        );
        assert_eq!(ledgers("--by day --ledger a b"), expected(&["a", "b"]));
    }

    #[test]
    fn says_what_is_allowed_where_something_is_not() {
        let columns = "there are tenant, user, feature, session, endpoint, model, served_model, \
                       target, platform, outcome, status, service_tier, day, hour, month";
        for (line, error) in [
            ("", "usage needs --ledger FILE".to_owned()),
            ("--ledger", "`--ledger` needs a value".to_owned()),
            (
                "--ledger a --ledger a",
                "`--ledger a` is given twice".to_owned(),
            ),
            (
                "--ledger a b --ledger c b",
                "`--ledger b` is given twice".to_owned(),
            ),
            (
                "--csv a",
                "unknown argument `a`; files come after --ledger".to_owned(),
            ),
            (
                "--ledger a --csv --csv",
                "`--csv` is given twice".to_owned(),
            ),
            (
                "--ledger a --by day,day",
                "`--by` names day twice".to_owned(),
            ),
            (
                "--ledger a --by team",
                format!("`--by`: there is no column \"team\"; {columns}"),
            ),
            (
                "--ledger a --by day,",
                format!("`--by`: there is no column \"\"; {columns}"),
            ),
            (
                "--ledger a --since today",
                "`--since` needs a moment like YYYY-MM-DDThh:mm:ssZ, a day like YYYY-MM-DD, \
                 or an age like 7d, 24h or 30m"
                    .to_owned(),
            ),
            (
                "--ledger a --tenant web",
                "unknown argument `--tenant`".to_owned(),
            ),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
    }
}
