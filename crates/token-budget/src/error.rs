use std::error::Error;
use std::fmt;

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    DuplicatePlan(Box<str>),
    NoSuchPlan(Box<str>),
    TooManyLimits(Box<str>),
    Duplicate(Box<str>, Box<str>),
    Impossible(Box<str>, Box<str>, &'static str),
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::DuplicatePlan(plan) => write!(f, "there are two plans named {plan}"),
            Kind::NoSuchPlan(plan) => write!(f, "there is no plan named {plan}"),
            Kind::TooManyLimits(plan) => write!(
                f,
                "plan {plan} has more than {} limits",
                crate::Plan::MOST_LIMITS
            ),
            Kind::Duplicate(plan, limit) => write!(
                f,
                "plan {plan} has two limits of the same meter, period, algorithm and scope ({limit})"
            ),
            Kind::Impossible(plan, limit, why) => {
                write!(f, "plan {plan}: the limit of {limit} {why}")
            }
        }
    }
}

impl Error for ConfigError {}
