use std::error::Error;
use std::fmt;

use crate::Redactor;

/// A configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Name(Box<str>),
    Pattern(Box<str>, Box<str>),
    Large(Box<str>),
    FitsNothing(Box<str>),
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) fn name(name: &str) -> Self {
        Self(Kind::Name(name.chars().take(64).collect()))
    }

    pub(crate) fn pattern(name: &str, error: &regex::Error) -> Self {
        Self(match error {
            regex::Error::CompiledTooBig(_) => Kind::Large(name.into()),
            // It shows the pattern with a mark below it: its last line says what is wrong.
            error => {
                let shown = error.to_string();
                let why = shown.lines().last().unwrap_or_default();
                Kind::Pattern(name.into(), why.trim_start_matches("error: ").into())
            }
        })
    }

    pub(crate) fn fits_nothing(name: &str) -> Self {
        Self(Kind::FitsNothing(name.into()))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Name(name) => write!(
                f,
                "the name of a pattern is 1 to 32 of a-z 0-9 _ -, not {name:?}"
            ),
            Kind::Pattern(name, why) => write!(f, "pattern {name} cannot be read: {why}"),
            Kind::Large(name) => write!(
                f,
                "pattern {name} is larger than {} KiB when compiled",
                Redactor::LARGEST_PATTERN / 1024
            ),
            Kind::FitsNothing(name) => {
                write!(f, "pattern {name} fits the empty text, and so everywhere")
            }
        }
    }
}

impl Error for ConfigError {}
