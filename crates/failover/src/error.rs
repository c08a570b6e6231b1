use std::error::Error;
use std::fmt;

/// Why a set of targets cannot be used.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Problem);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    NoTargets,
    TooManyTargets,
    DuplicateName(Box<str>),
    ZeroWeight(Box<str>),
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
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfigError").field(&self.0).finish()
    }
}

impl Error for ConfigError {}
