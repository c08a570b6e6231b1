use std::cmp::Reverse;

use tower_claude::core::ModelPattern;
use tower_claude::failover::ModelFallbacks;

use super::known_models::KnownModels;
use super::reader::Value;
use super::text::{self, quoted};

/// An entry of `failover.fallbacks`: the models that stand in for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fallback {
    /// The name that is asked, in which `*` is any run of characters.
    pub asked: String,
    /// What is asked instead, in this order.
    pub models: Vec<String>,
}

// === impl Fallback ===

impl Fallback {
    /// Reads the whole table, the most exact names first: of several that fit, the first counts.
    pub(super) fn read_all(value: &Value<'_>, known: &KnownModels<'_>) -> Option<Vec<Self>> {
        let mut table = value.table("failover.fallbacks")?;
        let mut read: Vec<(Self, Value<'_>)> = table
            .take_all()
            .filter_map(|(asked, value)| Some((Self::read(asked, &value, known)?, value)))
            .collect();
        read.sort_by_key(|(fallback, _)| {
            let asked = &fallback.asked;
            (asked.contains('*'), Reverse(asked.len()))
        });
        let mut all = ModelFallbacks::new();
        for (fallback, value) in &read {
            let models = fallback.models.iter().map(String::as_str);
            match all.clone().of(&fallback.asked, models) {
                Ok(more) => all = more,
                Err(error) => {
                    value.error::<()>(error.to_string(), "");
                }
            }
        }
        Some(read.into_iter().map(|(fallback, _)| fallback).collect())
    }

    fn read(asked: &str, value: &Value<'_>, known: &KnownModels<'_>) -> Option<Self> {
        let asked = text::key(asked, value)?;
        let pattern = ModelPattern::new(&asked);
        if !known.is_priced(&asked) && !known.priced().any(|model| pattern.fits(model)) {
            known.refuse(value, &asked)?;
        }
        let items = value.list()?;
        if items.is_empty() {
            let message = format!("no model stands in for {}", quoted(&asked));
            return value.error(message, "remove it, or name models");
        }
        let mut models: Vec<String> = Vec::new();
        for item in &items {
            let model = text::name(item)?;
            if !known.is_priced(&model) {
                known.refuse(item, &model)?;
            }
            if models.contains(&model) {
                let message = format!("{} stands in for {} twice", quoted(&model), quoted(&asked));
                return item.error(message, "leave one out");
            }
            models.push(model);
        }
        Some(Self { asked, models })
    }
}
