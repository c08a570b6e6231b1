use std::collections::{BTreeMap, BTreeSet};

/// What a scrape shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports {
    labels: BTreeMap<String, BTreeSet<String>>,
    /// Every series as it was written, and its value.
    series: Vec<(String, String)>,
    /// The values a label has anywhere.
    values: BTreeMap<String, BTreeSet<String>>,
    /// Metrics that say what they are.
    described: BTreeSet<String>,
}

/// What a scrape adds to every series.
const OF_SCRAPES: [&str; 2] = ["job", "instance"];
/// What the parts of a histogram are called after it, and the label of one of them.
const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];
const BOUND: &str = "le";

// === impl Exports ===

impl Exports {
    /// Reads the text format.
    pub(crate) fn read(text: &str) -> Self {
        let mut exports = Self::default();
        let helps = text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
        let helps = helps.filter(|(_, help)| !help.is_empty());
        exports.described = helps.map(|(name, _)| name.to_owned()).collect();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for line in lines.filter(|line| !line.trim().is_empty()) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, rest) = series.split_once('{').unwrap_or((series, ""));
            let mut labels = Vec::new();
            for pair in rest.trim_end_matches('}').split_terminator("\",") {
                let (label, value) = pair.split_once("=\"").unwrap();
                labels.push(label);
                let values = exports.values.entry(label.to_owned()).or_default();
                values.insert(value.trim_end_matches('"').to_owned());
            }
            exports.add(name, &labels);
            let series = (series.to_owned(), value.to_owned());
            exports.series.push(series);
        }
        exports
    }

    /// A metric with these labels, and those of every scrape.
    pub(crate) fn add(&mut self, name: &str, labels: &[&str]) {
        let known = self.labels.entry(name.to_owned()).or_default();
        known.extend(labels.iter().copied().map(str::to_owned));
        known.extend(OF_SCRAPES.map(str::to_owned));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.labels.keys().map(String::as_str)
    }

    pub(crate) fn labels(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.labels.get(name)
    }

    /// Each metric, a histogram as one, with the labels of its own.
    pub(crate) fn metrics(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut metrics = BTreeMap::<_, BTreeSet<_>>::new();
        for (name, labels) in &self.labels {
            let whole = PARTS.iter().find_map(|part| name.strip_suffix(part));
            let labels = labels.iter().map(String::as_str);
            let own = labels.filter(|label| !OF_SCRAPES.contains(label) && *label != BOUND);
            metrics
                .entry(whole.unwrap_or(name))
                .or_default()
                .extend(own);
        }
        metrics
    }

    pub(crate) fn is_described(&self, metric: &str) -> bool {
        self.described.contains(metric)
    }

    pub(crate) fn has_value(&self, label: &str, value: &str) -> bool {
        let values = self.values.get(label);
        values.is_some_and(|values| values.contains(value))
    }

    /// The sum of the values of a metric.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of = |series: &str| series.split('{').next() == Some(name);
        let values = self.series.iter().filter(|(series, _)| of(series));
        values.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// The series as a test of rules takes them: what counts goes on counting, a sample a minute.
    pub(crate) fn as_input(&self, minutes: usize) -> String {
        let scraped = r#"job="claude-gateway",instance="127.0.0.1:9090""#;
        let mut input = String::new();
        let up = ("up".to_owned(), "1".to_owned());
        for (series, value) in self.series.iter().chain([&up]) {
            let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
            let comma = if rest == "}" { "" } else { "," };
            let counts = ["_total", "_bucket", "_count", "_sum"];
            let step = u8::from(counts.iter().any(|end| name.ends_with(end)));
            input.push_str(&format!(
                "      - series: '{name}{{{scraped}{comma}{rest}'\n        \
                 values: '{value}+{step}x{minutes}'\n"
            ));
        }
        input
    }
}

#[test]
fn reads_series_and_what_is_said_of_them() {
    let text = "# HELP a_seconds How long.\n# TYPE a_seconds histogram\n\
                a_seconds_bucket{le=\"1\"} 2\na_seconds_sum 1.5\na_seconds_count 2\n\
                # TYPE b_total counter\nb_total{result=\"lost\"} 3\n";
    let exports = Exports::read(text);
    let metrics = exports.metrics();
    assert!(metrics.keys().eq(&["a_seconds", "b_total"]), "{metrics:?}");
    assert!(metrics["a_seconds"].is_empty());
    assert_eq!(metrics["b_total"], BTreeSet::from(["result"]));
    assert!(exports.is_described("a_seconds") && !exports.is_described("b_total"));
    assert_eq!(exports.sum("b_total"), 3.0);
}
