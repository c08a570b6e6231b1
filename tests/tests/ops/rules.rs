use std::collections::BTreeSet;

/// The rules of a file.
pub(crate) struct Rules(Vec<Rule>);

pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expr: String,
    /// Every key it has, in whatever depth.
    pub(crate) keys: BTreeSet<String>,
}

// === impl Rules ===

impl Rules {
    /// Reads what promtool has found valid; only blocks and plain values, as our file has them.
    pub(crate) fn read(text: &str) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        // How far in the `expr` stands whose lines are being read.
        let mut block = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            if block.is_some_and(|outer| indent > outer || line.trim().is_empty()) {
                let expr = &mut rules.last_mut().unwrap().expr;
                expr.push_str(line.trim());
                expr.push('\n');
                continue;
            }
            block = None;
            let line = line.trim();
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            let (key, value) = (key, value.trim());
            if let "- alert" | "- record" = key {
                rules.push(Rule::new(value, key == "- alert"));
            } else if let Some(rule) = rules.last_mut() {
                rule.keys.insert(key.to_owned());
                match (key, value) {
                    ("expr", "|") => block = Some(indent),
                    ("expr", value) => rule.expr = value.to_owned(),
                    _ => {}
                }
            }
        }
        assert!(rules.iter().all(|rule| !rule.expr.is_empty()));
        Self(rules)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    pub(crate) fn alerts(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().filter(|rule| rule.is_alert)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().filter(|rule| !rule.is_alert)
    }
}

// === impl Rule ===

impl Rule {
    fn new(name: &str, is_alert: bool) -> Self {
        Self {
            name: name.to_owned(),
            is_alert,
            expr: String::new(),
            keys: BTreeSet::new(),
        }
    }
}

/// For every test of the alert in a file of tests, whether it fires there.
pub(crate) fn cases(tests: &str, alert: &str) -> Vec<bool> {
    let lines: Vec<&str> = tests.lines().map(str::trim).collect();
    let asked = format!("alertname: {alert}");
    let pairs = lines.windows(2).filter(|pair| pair[0] == asked);
    pairs.map(|pair| pair[1] == "exp_alerts:").collect()
}
