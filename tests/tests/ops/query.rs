use std::collections::BTreeSet;

use tower_claude::usage_meter::Outcome;

use crate::exports::Exports;

/// What a PromQL query looks at.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) selectors: Vec<Selector>,
    /// Every label that something is grouped or joined by.
    pub(crate) groupings: BTreeSet<String>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Selector {
    pub(crate) name: String,
    /// Labels, and what they are compared with.
    pub(crate) matchers: Vec<(String, String)>,
}

const OF_GROUPS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const OTHER_WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

// === impl Query ===

impl Query {
    /// Reads as much of the language as is in use here; what is wrong is promtool's affair.
    pub(crate) fn read(text: &str) -> Self {
        let mut query = Self::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '"' {
                rest = string(rest).1;
            } else if first.is_ascii_digit() {
                // Numbers, and durations with their letters.
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
            } else if is_word(first) {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                rest = query.word(word, after.trim_start());
            } else {
                rest = &rest[first.len_utf8()..];
            }
        }
        query
    }

    /// Takes a word and what belongs to it; returns what follows.
    fn word<'a>(&mut self, word: &str, after: &'a str) -> &'a str {
        if OF_GROUPS.contains(&word) && after.starts_with('(') {
            let (labels, rest) = after[1..].split_once(')').unwrap();
            let labels = labels.split(',').map(str::trim);
            self.groupings.extend(labels.map(str::to_owned));
            return rest;
        }
        // `sum (…)`, and `sum by (…) (…)`.
        let is_called = ["(", "by ", "by(", "without "];
        if OTHER_WORDS.contains(&word) || is_called.iter().any(|call| after.starts_with(call)) {
            return after;
        }
        let (matchers, rest) = matchers(after);
        self.selectors.push(Selector {
            name: word.to_owned(),
            matchers,
        });
        rest
    }

    pub(crate) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.selectors.iter().map(|selector| &*selector.name)
    }

    /// What it looks at that is not there.
    pub(crate) fn problems(&self, exports: &Exports) -> Vec<String> {
        let mut problems = Vec::new();
        let mut all = BTreeSet::new();
        for selector in &self.selectors {
            let name = &selector.name;
            let Some(labels) = exports.labels(name) else {
                problems.push(format!("nothing exports {name}"));
                continue;
            };
            all.extend(labels);
            for (label, value) in &selector.matchers {
                if !labels.contains(label) {
                    problems.push(format!("{name} has no label {label}"));
                }
                let words = value
                    .split('|')
                    .filter(|word| !is_possible(label, word, exports));
                problems.extend(words.map(|word| format!("{label} is never {word}")));
            }
        }
        let strange = self.groupings.iter().filter(|label| !all.contains(label));
        problems.extend(strange.map(|label| format!("{label} is a label of nothing here")));
        problems
    }
}

/// Whether a label can have that value; only asked of labels whose values are ours.
fn is_possible(label: &str, word: &str, exports: &Exports) -> bool {
    match label {
        "outcome" => Outcome::ALL.iter().any(|outcome| outcome.as_str() == word),
        "kind" | "result" => exports.has_value(label, word),
        _ => true,
    }
}

/// The part in braces, if there is one, and what follows.
fn matchers(text: &str) -> (Vec<(String, String)>, &str) {
    let mut matchers = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else {
        return (matchers, text);
    };
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if let Some(after) = rest.strip_prefix('}') {
            return (matchers, after);
        }
        let (label, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap());
        let (value, after) = string(&after[after.find('"').unwrap()..]);
        matchers.push((label.to_owned(), value.to_owned()));
        rest = after;
    }
}

/// The text between the quotes, and what follows; nothing is escaped in what is ours.
fn string(text: &str) -> (&str, &str) {
    text[1..].split_once('"').unwrap()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

#[test]
fn reads_names_labels_and_groups_and_nothing_else() {
    let query = Query::read(
        r#"histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{x="1", y=~"p|q"}[5m])))
           > bool 2 and on (job) b:c offset 10m unless 1e3 * d"#,
    );
    let selector = |name: &str, matchers: &[(&str, &str)]| Selector {
        name: name.to_owned(),
        matchers: matchers
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let expected = [
        selector("a_bucket", &[("x", "1"), ("y", "p|q")]),
        selector("b:c", &[]),
        selector("d", &[]),
    ];
    assert_eq!(query.selectors, expected);
    assert_eq!(query.groupings, ["job", "le"].map(str::to_owned).into());
}

#[test]
fn finds_metrics_labels_and_values_that_are_not_there() {
    let exports = Exports::read("a_total{outcome=\"complete\",kind=\"input\"} 1\n");
    let problems = |text| Query::read(text).problems(&exports);
    assert_eq!(
        problems("sum by (outcome) (a_total{kind=\"input\"})").len(),
        0
    );
    assert_eq!(problems("sum(a_totl)"), ["nothing exports a_totl"]);
    assert_eq!(problems("a_total{who=\"x\"}"), ["a_total has no label who"]);
    assert_eq!(
        problems("a_total{outcome=~\"truncated|late\"}"),
        ["outcome is never late"]
    );
    assert_eq!(problems("a_total{kind=\"out\"}"), ["kind is never out"]);
    let exports = Exports::read("b_total{result=\"failed\"} 1\n");
    let query = Query::read("b_total{result=~\"failed|lost\"}");
    assert_eq!(query.problems(&exports), ["result is never lost"]);
    assert_eq!(
        problems("sum by (tenant) (a_total)"),
        ["tenant is a label of nothing here"]
    );
}
