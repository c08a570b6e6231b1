use std::error::Error;
use std::fmt;

use tower_claude_core::{Refusal, RefusalKind};

/// Why a credential was not accepted: for metrics and logs, never for the caller.
///
/// It is the cause inside the [`Refusal`] of the response; [`AuthFailure::of`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthFailure {
    /// There was none.
    Missing,
    /// It cannot be a credential: another scheme, other characters, a wrong checksum.
    Malformed,
    /// Nobody has it.
    Unknown,
    /// Its time is over.
    Expired,
    /// Its time is still to come.
    NotYetValid,
    /// It was taken back.
    Revoked,
    /// There were several, and they differ.
    Conflicting,
}

/// What a caller reads, whatever the reason: a text that told them apart would tell a
/// stranger which keys exist.
const UNAUTHENTICATED: &str =
    "a valid credential is required, as x-api-key or as authorization: Bearer";

const CONFLICTING: &str = "x-api-key and authorization must not carry different credentials";

// === impl AuthFailure ===

impl AuthFailure {
    /// All there are, for metrics that begin at zero.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::Conflicting,
    ];

    /// The word for it in metrics and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::Conflicting => "conflicting",
        }
    }

    /// The reason behind a refusal, if it is about a credential.
    ///
    /// ```
    /// # use tower_claude_core::Refusal;
    /// # use tower_claude_tenant_auth::AuthFailure;
    /// # let mut response = http::Response::new(());
    /// # response.extensions_mut().insert(Refusal::from(AuthFailure::Expired));
    /// let refusal = response.extensions().get::<Refusal>();
    /// let reason = refusal.and_then(AuthFailure::of).map(AuthFailure::as_str);
    /// assert_eq!(reason, Some("expired"));
    /// ```
    #[must_use]
    pub fn of(refusal: &Refusal) -> Option<Self> {
        let mut next: Option<&(dyn Error + 'static)> = Some(refusal);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            next = error.source();
        }
        None
    }

    /// The refusal with the one text; the given one becomes its cause.
    pub(crate) fn in_one_text(refusal: Refusal) -> Refusal {
        if refusal.kind() != RefusalKind::Unauthenticated || refusal.message() == UNAUTHENTICATED {
            return refusal;
        }
        Refusal::new(RefusalKind::Unauthenticated, UNAUTHENTICATED).cause(refusal)
    }
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no credential",
            Self::Malformed => "malformed credential",
            Self::Unknown => "unknown credential",
            Self::Expired => "expired credential",
            Self::NotYetValid => "credential not yet valid",
            Self::Revoked => "revoked credential",
            Self::Conflicting => "conflicting credentials",
        })
    }
}

impl Error for AuthFailure {}

impl From<AuthFailure> for Refusal {
    /// 400 where credentials conflict, else 401 with one text for all reasons.
    fn from(failure: AuthFailure) -> Self {
        let (kind, message) = match failure {
            AuthFailure::Conflicting => (RefusalKind::Invalid, CONFLICTING),
            _ => (RefusalKind::Unauthenticated, UNAUTHENTICATED),
        };
        Refusal::new(kind, message).cause(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_for_all_reasons_but_a_conflict() {
        for failure in AuthFailure::ALL {
            let refusal = Refusal::from(failure);
            let expected = match failure {
                AuthFailure::Conflicting => (400, CONFLICTING),
                _ => (401, UNAUTHENTICATED),
            };
            assert_eq!((refusal.kind().status(), refusal.message()), expected);
            assert_eq!(AuthFailure::of(&refusal), Some(failure));
        }
    }

    #[test]
    fn a_refusal_in_other_words_is_put_into_ours_and_keeps_its_reason() {
        let chatty = Refusal::new(RefusalKind::Unauthenticated, "key 7 expired on Monday")
            .cause(AuthFailure::Expired);
        let refusal = AuthFailure::in_one_text(chatty);
        assert_eq!(refusal.message(), UNAUTHENTICATED);
        assert_eq!(AuthFailure::of(&refusal), Some(AuthFailure::Expired));
    }

    #[test]
    fn a_refusal_of_another_kind_stays_as_it_is() {
        let refusal = Refusal::new(RefusalKind::Forbidden, "unknown tenant");
        assert_eq!(
            AuthFailure::in_one_text(refusal).message(),
            "unknown tenant"
        );
    }
}
