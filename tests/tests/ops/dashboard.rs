use std::collections::BTreeSet;

use serde_json::Value;

/// The dashboard, as it is imported.
pub(crate) struct Dashboard(Value);

/// One query of one panel, with its variables filled in.
pub(crate) struct PanelQuery {
    pub(crate) title: String,
    pub(crate) expr: String,
    legend: String,
}

/// Longest first: one name begins another.
const FILLED_IN: [(&str, &str); 6] = [
    ("$__rate_interval", "5m"),
    ("$__range", "1h"),
    ("$feature", ".*"),
    ("$tenant", ".*"),
    ("$model", ".*"),
    ("$job", ".*"),
];

// === impl Dashboard ===

impl Dashboard {
    pub(crate) fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    fn panels(&self) -> impl Iterator<Item = &Value> {
        self.0["panels"].as_array().unwrap().iter()
    }

    /// The queries of all panels, and those of the variables.
    pub(crate) fn queries(&self) -> impl Iterator<Item = PanelQuery> {
        let of_panels = self.panels().flat_map(|panel| {
            let targets = panel["targets"].as_array().into_iter().flatten();
            targets.map(|target| PanelQuery::new(&panel["title"], target))
        });
        let variables = self.0["templating"]["list"].as_array().unwrap().iter();
        let of_variables = variables.filter_map(|variable| {
            let query = variable["query"]["query"].as_str()?;
            let (metric, label) = query
                .strip_prefix("label_values(")?
                .strip_suffix(')')?
                .rsplit_once(", ")?;
            let expr = format!("count by ({label}) ({metric})");
            let target = serde_json::json!({ "expr": expr });
            Some(PanelQuery::new(&variable["name"], &target))
        });
        of_panels.chain(of_variables)
    }

    /// What would keep it from being imported, or a panel from being seen.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let list = self.0["templating"]["list"].as_array().unwrap();
        let variables: Vec<_> = list.iter().map(|v| v["name"].as_str().unwrap()).collect();
        let expected = ["datasource", "job", "tenant", "feature", "model"];
        if variables != expected {
            problems.push(format!("the variables are {variables:?}"));
        }
        if !self.0["id"].is_null() || self.0["schemaVersion"].as_u64().is_none() {
            problems.push("an import has a schema and no id".to_owned());
        }
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in self.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            if title.is_empty() || !ids.insert(panel["id"].as_u64()) {
                problems.push(format!("`{title}` has no title or no id of its own"));
            }
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|k| panel["gridPos"][k].as_u64().unwrap());
            let cells = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
            if x + w > 24 || cells.map(|cell| taken.insert(cell)).any(|free| !free) {
                problems.push(format!("`{title}` overlaps another, or the edge"));
            }
            let targets = panel["targets"].as_array().into_iter().flatten();
            let asking = targets.chain((panel["type"] != "row").then_some(panel));
            for part in asking {
                if part["datasource"]["uid"] != "${datasource}" {
                    problems.push(format!("`{title}` names a data source"));
                }
            }
        }
        let left = self.queries().filter(|query| query.expr.contains('$'));
        problems.extend(left.map(|query| format!("`{}`: unknown variable", query.title)));
        problems
    }
}

// === impl PanelQuery ===

impl PanelQuery {
    fn new(title: &Value, target: &Value) -> Self {
        let mut expr = target["expr"].as_str().unwrap().to_owned();
        for (variable, value) in FILLED_IN {
            expr = expr.replace(variable, value);
        }
        Self {
            title: title.as_str().unwrap().to_owned(),
            expr,
            legend: target["legendFormat"].as_str().unwrap_or("").to_owned(),
        }
    }

    /// The labels its legend shows.
    pub(crate) fn legend_labels(&self) -> impl Iterator<Item = &str> {
        let parts = self.legend.split("{{").skip(1);
        parts.filter_map(|part| Some(part.split_once("}}")?.0))
    }
}
