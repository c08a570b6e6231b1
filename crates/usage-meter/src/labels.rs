use hashbrown::HashMap;

/// The label values that metrics may have; all else is `other`.
///
/// Callers choose models and features, so nothing of theirs becomes a label unless it is
/// listed here.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Labels {
    pub(crate) tenants: Values,
    pub(crate) features: Values,
    pub(crate) models: Values,
    pub(crate) targets: Values,
}

/// The values of one label, by number; 0 is `other`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    numbers: HashMap<Box<str>, u16>,
    values: Vec<Box<str>>,
}

// === impl Labels ===

impl Labels {
    /// The label of whatever is not listed.
    pub const OTHER: &str = "other";

    /// Nothing listed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists tenants.
    pub fn tenants<T: Into<Box<str>>>(mut self, ids: impl IntoIterator<Item = T>) -> Self {
        self.tenants.extend(ids);
        self
    }

    /// Lists features.
    pub fn features<T: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.features.extend(names);
        self
    }

    /// Lists models, as prices name them or as callers do.
    pub fn models<T: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.models.extend(names);
        self
    }

    /// Lists targets.
    pub fn targets<T: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.targets.extend(names);
        self
    }
}

// === impl Values ===

impl Values {
    fn extend<T: Into<Box<str>>>(&mut self, values: impl IntoIterator<Item = T>) {
        for value in values {
            let value = value.into();
            let Ok(number) = u16::try_from(self.values.len() + 1) else {
                return;
            };
            if !self.numbers.contains_key(&value) {
                self.numbers.insert(value.clone(), number);
                self.values.push(value);
            }
        }
    }

    /// The number of a value; 0 if it is not listed.
    pub(crate) fn number(&self, value: Option<&str>) -> u16 {
        value
            .and_then(|value| self.numbers.get(value))
            .copied()
            .unwrap_or(0)
    }

    /// The value of a number.
    pub(crate) fn value(&self, number: u16) -> &str {
        usize::from(number)
            .checked_sub(1)
            .and_then(|index| self.values.get(index))
            .map_or(Labels::OTHER, |value| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_other() {
        let labels = Labels::new().tenants(["web", "app", "web"]);
        assert_eq!(labels.tenants.number(Some("app")), 2);
        assert_eq!(labels.tenants.value(2), "app");
        assert_eq!(labels.tenants.number(Some("junk")), 0);
        assert_eq!(labels.tenants.number(None), 0);
        assert_eq!(labels.tenants.value(0), "other");
        assert_eq!(labels.tenants.value(3), "other");
    }
}
