//! The dashboard and the alert rules in `ops/`: valid, tested, and about what is exported.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "ops/dashboard.rs"]
mod dashboard;
#[path = "ops/exports.rs"]
mod exports;
#[path = "ops/gateway.rs"]
mod gateway;
#[path = "ops/promtool.rs"]
mod promtool;
#[path = "ops/query.rs"]
mod query;
#[path = "ops/rules.rs"]
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dashboard::Dashboard;
use exports::Exports;
use gateway::Gateway;
use promtool::Promtool;
use query::Query;
use rules::Rules;

const RULES: &str = "prometheus/claude-gateway.rules.yml";
const TESTS: [&str; 2] = [
    "prometheus/claude-gateway.test.yml",
    "prometheus/claude-gateway.month.test.yml",
];
const DASHBOARD: &str = "grafana/claude-gateway.json";
const README: &str = "README.md";

fn ops(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../ops")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(ops(name)).unwrap()
}

/// Metrics that are Prometheus's own.
fn with_prometheus(mut exports: Exports) -> Exports {
    exports.add("up", &[]);
    exports.add("ALERTS", &["alertname", "alertstate"]);
    exports
}

/// What the rules record counts as exported, with the labels it is summed up by.
fn with_records(mut exports: Exports, rules: &Rules) -> Exports {
    for rule in rules.records() {
        let query = Query::read(&rule.expr);
        let sources = query.metrics().filter_map(|name| exports.labels(name));
        let inherited: BTreeSet<String> = sources.flatten().cloned().collect();
        let labels: Vec<&str> = match query.groupings.is_empty() {
            true => inherited.iter().map(String::as_str).collect(),
            false => query.groupings.iter().map(String::as_str).collect(),
        };
        exports.add(&rule.name, &labels);
    }
    exports
}

/// The metrics of the table of a text, with their labels.
fn table(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let name = cells.get(1).and_then(|cell| cell.strip_prefix("`claude_"));
        if let (Some(name), Some(labels)) = (name, cells.get(2)) {
            let labels = labels.split('`').skip(1).step_by(2);
            let name = format!("claude_{}", name.trim_end_matches('`'));
            metrics.insert(name, labels.map(str::to_owned).collect());
        }
    }
    metrics
}

#[test]
fn the_rules_are_valid() {
    let rules = ops(RULES);
    let check = ["check", "rules", "--lint=all", "--lint-fatal"];
    let checked = Promtool::find().run(check, &[&rules]);
    checked.unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn the_tests_of_the_rules_pass() {
    let tests = TESTS.map(ops);
    let tests: Vec<&Path> = tests.iter().map(PathBuf::as_path).collect();
    let tested = Promtool::find().run(["test", "rules"], &tests);
    tested.unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn every_alert_is_tested_for_when_it_fires_and_when_it_must_not() {
    let rules = Rules::read(&read(RULES));
    let tests = TESTS.map(read).concat();
    for rule in rules.alerts() {
        let cases = rules::cases(&tests, &rule.name);
        assert!(cases.contains(&true), "{} never fires in a test", rule.name);
        assert!(cases.contains(&false), "{} is never silent", rule.name);
    }
}

#[test]
fn every_alert_waits_and_says_how_grave_it_is_and_what_it_is_about() {
    let rules = Rules::read(&read(RULES));
    assert!(rules.alerts().count() >= 10);
    for rule in rules.alerts() {
        for key in ["for", "severity", "summary", "description"] {
            assert!(rule.keys.contains(key), "{} has no {key}", rule.name);
        }
    }
}

#[test]
fn the_dashboard_is_whole() {
    let problems = Dashboard::read(&read(DASHBOARD)).problems();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_and_label_in_use_is_exported() {
    let exported = with_prometheus(Gateway::start().exports().await);
    let rules = Rules::read(&read(RULES));
    let exports = with_records(exported.clone(), &rules);
    let dashboard = Dashboard::read(&read(DASHBOARD));
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    for rule in rules.all() {
        let query = Query::read(&rule.expr);
        let found = query.problems(&exports);
        problems.extend(found.iter().map(|what| format!("{}: {what}", rule.name)));
        used.extend(query.metrics().map(str::to_owned));
    }
    for panel in dashboard.queries() {
        // The dashboard works without the rules.
        let query = Query::read(&panel.expr);
        let found = query.problems(&exported);
        problems.extend(found.iter().map(|what| format!("{}: {what}", panel.title)));
        for label in panel.legend_labels() {
            if !query.groupings.contains(label) {
                problems.push(format!("{}: the legend has {label}", panel.title));
            }
        }
        used.extend(query.metrics().map(str::to_owned));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let parts = ["_bucket", "_count", "_sum"];
    let is_part = |name: &str| parts.iter().any(|part| name.ends_with(part));
    let unused: Vec<&str> = exported
        .names()
        .filter(|name| !used.contains(*name) && !is_part(name))
        .collect();
    assert!(unused.is_empty(), "nobody looks at {unused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_says_what_it_is_and_is_in_the_table() {
    let exports = Gateway::start().exports().await;
    let metrics = exports.metrics();
    let table = table(&read(README));
    let mut problems = Vec::new();
    for (name, labels) in &metrics {
        if !exports.is_described(name) {
            problems.push(format!("{name} has no help"));
        }
        let Some(written) = table.get(*name) else {
            problems.push(format!("{name} is not in the table"));
            continue;
        };
        if !written
            .iter()
            .map(String::as_str)
            .eq(labels.iter().copied())
        {
            problems.push(format!("{name} has {labels:?}, not {written:?}"));
        }
    }
    let strange = table.keys().filter(|name| !metrics.contains_key(&***name));
    problems.extend(strange.map(|name| format!("nothing exports {name}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboard_finds_something_in_what_is_exported() {
    let gateway = Gateway::start();
    let exports = gateway.exports().await;
    let dashboard = Dashboard::read(&read(DASHBOARD));
    let queries: Vec<_> = dashboard.queries().collect();
    assert!(queries.len() > 40, "{}", queries.len());
    let (mut rules, mut cases) = (String::new(), String::new());
    for (index, panel) in queries.iter().enumerate() {
        let expr = serde_json::to_string(&panel.expr).unwrap();
        rules.push_str(&format!(
            "      - {{ record: 'query_{index}', expr: {expr} }}\n\
             \x20     - {{ record: 'found_{index}', expr: '(count(query_{index}) or vector(0)) > bool 0' }}\n"
        ));
        cases.push_str(&format!(
            "      - expr: 'found_{index}'\n        eval_time: 90m\n        exp_samples:\n\
             \x20         - {{ labels: 'found_{index}', value: 1 }}\n"
        ));
    }
    let rules_file = gateway.folder.join("dashboard.rules.yml");
    let test_file = gateway.folder.join("dashboard.test.yml");
    let rules = format!("groups:\n  - name: dashboard\n    rules:\n{rules}");
    std::fs::write(&rules_file, rules).unwrap();
    let test = format!(
        "rule_files: [dashboard.rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
         input_series:\n{}    promql_expr_test:\n{cases}",
        exports.as_input(90),
    );
    std::fs::write(&test_file, test).unwrap();
    let promtool = Promtool::find();
    let checked = promtool.run(["check", "rules"], &[&rules_file]);
    checked.unwrap_or_else(|said| panic!("{said}"));
    if let Err(said) = promtool.run(["test", "rules"], &[&test_file]) {
        let empty: Vec<String> = queries
            .iter()
            .enumerate()
            .filter(|(index, _)| said.contains(&format!("found_{index}\"")))
            .map(|(_, panel)| format!("{}: {}", panel.title, panel.expr))
            .collect();
        panic!("nothing is found by\n{}\n{said}", empty.join("\n"));
    }
}
