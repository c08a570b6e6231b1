use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// What the calls of a ledger are told apart by.
///
/// Its word is the ledger's; `day`, `hour` and `month` are of the call's start, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Column {
    /// Who called.
    Tenant,
    /// For whom, within the tenant.
    User,
    /// For what, within the tenant.
    Feature,
    /// In which session of the caller's.
    Session,
    /// What was called.
    Endpoint,
    /// The model that was asked.
    Model,
    /// The model that answered.
    ServedModel,
    /// Where the answer came from, or where it was asked for last.
    Target,
    /// The platform of the target.
    Platform,
    /// How the call ended.
    Outcome,
    /// The status sent to the caller.
    Status,
    /// The tier that served the call.
    ServiceTier,
    /// The day, as RFC 3339 writes it.
    Day,
    /// The beginning of the hour, in RFC 3339.
    Hour,
    /// The month: a day without its last part.
    Month,
}

/// A word that is no [`Column`]'s; its text names all that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseColumnError {
    word: Box<str>,
}

// === impl Column ===

impl Column {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Tenant,
        Self::User,
        Self::Feature,
        Self::Session,
        Self::Endpoint,
        Self::Model,
        Self::ServedModel,
        Self::Target,
        Self::Platform,
        Self::Outcome,
        Self::Status,
        Self::ServiceTier,
        Self::Day,
        Self::Hour,
        Self::Month,
    ];

    /// The word for it in the ledger and at the head of a table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Feature => "feature",
            Self::Session => "session",
            Self::Endpoint => "endpoint",
            Self::Model => "model",
            Self::ServedModel => "served_model",
            Self::Target => "target",
            Self::Platform => "platform",
            Self::Outcome => "outcome",
            Self::Status => "status",
            Self::ServiceTier => "service_tier",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Month => "month",
        }
    }
}

impl FromStr for Column {
    type Err = ParseColumnError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|column| column.as_str() == word);
        found.ok_or_else(|| ParseColumnError { word: word.into() })
    }
}

// === impl ParseColumnError ===

impl fmt::Display for ParseColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no column {:?}; there are", self.word)?;
        for (place, column) in Column::ALL.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma} {}", column.as_str())?;
        }
        Ok(())
    }
}

impl Error for ParseColumnError {}
