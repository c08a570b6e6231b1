use tower_claude::pricing::PriceTable;

use super::nearest::nearest;
use super::reader::Value;
use super::text::quoted;

/// The models that a file can mean: those with a price, built in or of its own.
#[derive(Debug)]
pub(super) struct KnownModels<'a> {
    builtin: PriceTable,
    own: Vec<&'a str>,
}

// === impl KnownModels ===

impl<'a> KnownModels<'a> {
    pub(super) fn new(own: Vec<&'a str>) -> Self {
        Self {
            builtin: PriceTable::builtin(),
            own,
        }
    }

    pub(super) fn is_priced(&self, model: &str) -> bool {
        self.builtin.is_priced(model) || self.own.contains(&model)
    }

    /// The names that have a price, without those that are taken for another's.
    pub(super) fn priced(&self) -> impl Iterator<Item = &str> {
        self.builtin.models().chain(self.own.iter().copied())
    }

    /// Reports a model without a price, and the one that was perhaps meant.
    pub(super) fn refuse<T>(&self, value: &Value<'_>, model: &str) -> Option<T> {
        let suggestion = match nearest(model, self.priced()) {
            Some(known) => format!("did you mean {}?", quoted(known)),
            None => "add it to [prices]".to_owned(),
        };
        let message = format!("unknown model {} in `{}`", quoted(model), value.name());
        value.error(message, &suggestion)
    }
}
