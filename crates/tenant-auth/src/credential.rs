use std::fmt;

use http::HeaderValue;
use subtle::ConstantTimeEq;

use crate::AuthFailure;

/// What a caller shows to prove who it is. A secret: it does not print.
///
/// It shares the bytes of the header it came in, which is why they are not wiped when it is
/// dropped: the connection's buffer holds them too. Equality takes the same time wherever the
/// two differ.
#[derive(Clone)]
pub struct Credential {
    value: HeaderValue,
    /// Where the secret begins, after `Bearer `.
    start: usize,
}

const BEARER: &[u8] = b"bearer";

// === impl Credential ===

impl Credential {
    /// A credential of one or more visible ASCII characters, as for comparing with one.
    pub fn new(secret: &str) -> Result<Self, AuthFailure> {
        let value = HeaderValue::from_str(secret).map_err(|_| AuthFailure::Malformed)?;
        Self::whole(value).checked()
    }

    /// The secret itself: whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.value.as_bytes().get(self.start..).unwrap_or_default()
    }

    /// All of a header value.
    pub(crate) fn whole(value: HeaderValue) -> Self {
        Self::from_place(value, 0)
    }

    /// The token of `Bearer token`; `None` where there is no token.
    pub(crate) fn bearer(value: HeaderValue) -> Result<Option<Self>, AuthFailure> {
        let bytes = value.as_bytes();
        let (scheme, rest) = bytes
            .split_at_checked(BEARER.len())
            .ok_or(AuthFailure::Malformed)?;
        let token = rest.trim_ascii_start();
        let is_apart = rest.is_empty() || token.len() < rest.len();
        if !scheme.eq_ignore_ascii_case(BEARER) || !is_apart {
            return Err(AuthFailure::Malformed);
        }
        let start = bytes.len() - token.len();
        Ok((!token.is_empty()).then(|| Self::from_place(value, start)))
    }

    /// Itself, if it is made of visible ASCII characters.
    pub(crate) fn checked(self) -> Result<Self, AuthFailure> {
        let secret = self.expose();
        // All of it is looked at in any case, which takes several bytes at a time.
        let is_visible = secret
            .iter()
            .fold(true, |so_far, byte| so_far & byte.is_ascii_graphic());
        if !secret.is_empty() && is_visible {
            Ok(self)
        } else {
            Err(AuthFailure::Malformed)
        }
    }

    fn from_place(mut value: HeaderValue, start: usize) -> Self {
        value.set_sensitive(true);
        Self { value, start }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Credential {}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(text: &'static str) -> Result<Option<String>, AuthFailure> {
        let token = Credential::bearer(HeaderValue::from_static(text))?;
        Ok(token.map(|token| String::from_utf8(token.expose().to_vec()).unwrap()))
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for text in ["Bearer abc", "bearer abc", "BEARER   abc", "bEaReR \tabc"] {
            assert_eq!(bearer(text), Ok(Some("abc".to_owned())), "{text}");
        }
    }

    #[test]
    fn a_scheme_without_a_token_is_no_credential() {
        assert_eq!(bearer("Bearer"), Ok(None));
        assert_eq!(bearer("Bearer "), Ok(None));
    }

    #[test]
    fn another_scheme_is_malformed() {
        for text in [
            "",
            "Basic abc",
            "Bearerabc",
            "abc",
            "Bear",
            "sk-ant-api03-abc",
        ] {
            assert_eq!(bearer(text), Err(AuthFailure::Malformed), "{text}");
        }
    }

    #[test]
    fn only_visible_ascii_is_a_credential() {
        assert!(Credential::new("sk-ant!~").is_ok());
        for text in ["", "a b", "a\tb", "schlüssel"] {
            assert_eq!(Credential::new(text), Err(AuthFailure::Malformed), "{text}");
        }
    }

    #[test]
    fn it_prints_nothing_of_itself() {
        let credential = Credential::new("secret-secret-secret").unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(..)");
    }

    #[test]
    fn equality_is_of_the_secret_not_of_the_header() {
        let token = Credential::bearer(HeaderValue::from_static("Bearer abc")).unwrap();
        assert_eq!(token, Some(Credential::new("abc").unwrap()));
        assert_ne!(token, Some(Credential::new("abcd").unwrap()));
    }
}
