use std::error::Error;
use std::fmt;

/// Why a set of targets, or of models that stand in for others, cannot be used.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Problem);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    NoTargets,
    TooManyTargets,
    DuplicateName(Box<str>),
    ZeroWeight(Box<str>),
    NoFallback(Box<str>),
    FallbackTwice(Box<str>),
    FallbackCycle(Box<str>),
    FallbackUntold(Box<str>),
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) const NO_TARGETS: Self = Self(Problem::NoTargets);
    pub(crate) const TOO_MANY_TARGETS: Self = Self(Problem::TooManyTargets);

    pub(crate) fn duplicate_name(name: &str) -> Self {
        Self(Problem::DuplicateName(name.into()))
    }

    pub(crate) fn zero_weight(name: &str) -> Self {
        Self(Problem::ZeroWeight(name.into()))
    }

    pub(crate) fn no_fallback(asked: &str) -> Self {
        Self(Problem::NoFallback(asked.into()))
    }

    pub(crate) fn fallback_twice(asked: &str) -> Self {
        Self(Problem::FallbackTwice(asked.into()))
    }

    pub(crate) fn fallback_untold(model: &str) -> Self {
        Self(Problem::FallbackUntold(model.into()))
    }

    pub(crate) fn fallback_cycle(model: &str) -> Self {
        Self(Problem::FallbackCycle(model.into()))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::NoTargets => f.write_str("failover needs at least one target"),
            Problem::TooManyTargets => f.write_str("failover takes at most 255 targets"),
            Problem::DuplicateName(name) => write!(f, "two targets are named {name:?}"),
            Problem::ZeroWeight(name) => write!(
                f,
                "target {name:?} has weight 0; leave it out, or give it a higher priority number"
            ),
            Problem::NoFallback(asked) => write!(f, "no model to stand in for {asked:?}"),
            Problem::FallbackTwice(asked) => {
                write!(f, "what stands in for {asked:?} is given twice")
            }
            Problem::FallbackUntold(model) => write!(
                f,
                "callers cannot be told of model {model:?}: a header takes visible ascii only"
            ),
            Problem::FallbackCycle(model) => write!(
                f,
                "model {model:?} would stand in for itself; leave it out of one of the lists"
            ),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfigError").field(&self.0).finish()
    }
}

impl Error for ConfigError {}
