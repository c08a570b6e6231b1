use std::fmt;

use tower_claude_core::{Degraded, ModelPattern};

use crate::ConfigError;

/// Which models stand in for another one when no target takes calls for it. None by default.
///
/// A step down is the last thing that is tried, and the caller is told of it; see
/// [`FailoverLayer::model_fallbacks`](crate::FailoverLayer::model_fallbacks). Lists do not
/// chain: what stands in is what the list of the asked model says, in its order.
///
/// ```
/// use tower_claude_failover::ModelFallbacks;
///
/// # fn main() -> Result<(), tower_claude_failover::ConfigError> {
/// let fallbacks = ModelFallbacks::new()
///     .of("claude-opus-5-5", ["claude-sonnet-5-5", "claude-haiku-5-5"])?
///     .of("claude-sonnet-*", ["claude-haiku-5-5"])?;
/// assert!(fallbacks.of("claude-haiku-5-5", ["claude-opus-5-5"]).is_err(), "a cycle");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct ModelFallbacks {
    lists: Vec<Fallbacks>,
}

/// What stands in for the models of one pattern.
#[derive(Clone)]
pub(crate) struct Fallbacks {
    pattern: Box<str>,
    pub(crate) asked: ModelPattern,
    pub(crate) models: Vec<Box<str>>,
}

// === impl ModelFallbacks ===

impl ModelFallbacks {
    /// No model stands in for another.
    pub const fn new() -> Self {
        Self { lists: Vec::new() }
    }

    /// Lets these models stand in, in this order, for those that `asked` fits: a name, in which
    /// `*` is any run of characters. Of several patterns that fit, the first counts.
    ///
    /// # Errors
    ///
    /// An empty list, a model twice in it, one whose name cannot be in a header, a pattern that
    /// is there already, or models that stand in for each other, directly or over others.
    pub fn of<M>(
        mut self,
        asked: &str,
        models: impl IntoIterator<Item = M>,
    ) -> Result<Self, ConfigError>
    where
        M: Into<Box<str>>,
    {
        let models: Vec<Box<str>> = models.into_iter().map(Into::into).collect();
        if models.is_empty() || models.iter().any(|model| model.is_empty()) {
            return Err(ConfigError::no_fallback(asked));
        }
        if let Some(model) = models.iter().find(|model| Degraded::to(model).is_none()) {
            return Err(ConfigError::fallback_untold(model));
        }
        let is_there = self.lists.iter().any(|list| *list.pattern == *asked);
        if is_there || has_twice(&models) {
            return Err(ConfigError::fallback_twice(asked));
        }
        self.lists.push(Fallbacks {
            pattern: asked.into(),
            asked: ModelPattern::new(asked),
            models,
        });
        let models = self.lists.iter().flat_map(|list| &list.models);
        match models.into_iter().find(|model| self.comes_back_to(model)) {
            Some(model) => Err(ConfigError::fallback_cycle(model)),
            None => Ok(self),
        }
    }

    /// The lists, in the order in which they were given.
    pub(crate) fn into_lists(self) -> Vec<Fallbacks> {
        self.lists
    }

    /// Whether a model stands in, over any number of steps, for itself.
    fn comes_back_to(&self, model: &str) -> bool {
        let mut reached: Vec<&str> = vec![model];
        let mut next = 0;
        while let Some(from) = reached.get(next).copied() {
            next += 1;
            let list = self.lists.iter().find(|list| list.asked.fits(from));
            for to in list.into_iter().flat_map(|list| &list.models) {
                if **to == *model {
                    return true;
                }
                if !reached.contains(&&**to) {
                    reached.push(to);
                }
            }
        }
        false
    }
}

fn has_twice(models: &[Box<str>]) -> bool {
    let mut rest = models;
    while let Some((model, others)) = rest.split_first() {
        if others.contains(model) {
            return true;
        }
        rest = others;
    }
    false
}

impl fmt::Debug for ModelFallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.lists.iter();
        f.debug_map()
            .entries(lists.map(|list| (&list.pattern, &list.models)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fallbacks: Result<ModelFallbacks, ConfigError>) -> String {
        fallbacks.unwrap_err().to_string()
    }

    #[test]
    fn lists_that_lead_back_are_refused() {
        let none = ModelFallbacks::new;
        assert!(error(none().of("a", ["a"])).contains("itself"));
        assert!(error(none().of("a-*", ["a-1"])).contains("itself"));
        let two = none().of("a", ["b"]).unwrap();
        assert!(error(two.clone().of("b", ["a"])).contains("itself"));
        let three = two.of("b", ["c"]).unwrap();
        assert!(error(three.clone().of("c", ["x", "a"])).contains("itself"));
        assert!(three.of("c", ["d"]).is_ok());
    }

    #[test]
    fn lists_that_say_nothing_or_twice_are_refused() {
        let none = ModelFallbacks::new;
        assert!(error(none().of("a", Vec::<String>::new())).contains("no model"));
        assert!(error(none().of("a", [""])).contains("no model"));
        assert!(error(none().of("a", ["b", "b"])).contains("twice"));
        let one = none().of("a", ["b"]).unwrap();
        assert!(error(one.of("a", ["c"])).contains("twice"));
    }

    #[test]
    fn a_model_that_callers_could_not_be_told_of_is_refused() {
        for model in ["mod\u{e9}le", "a\nb"] {
            let refused = error(ModelFallbacks::new().of("a", [model]));
            assert!(refused.contains("told"), "{refused}");
        }
    }
}
