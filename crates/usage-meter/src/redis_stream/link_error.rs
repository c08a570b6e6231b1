use std::fmt;
use std::io;

use redis::{ErrorKind, RedisError, ServerError};

/// Why records are not in the stream yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// Nobody answers in time. What was sent may be done all the same.
    Late,
    /// There is no connection, or there is none any more.
    Away,
    /// It answers that it will not: by the first word of the answer.
    Refused(Box<str>),
    /// It does not know the user, or the password is another.
    Credentials,
    /// It answers what no Redis would.
    Strange,
}

/// Longer words are no codes of Redis.
const LONGEST_CODE: usize = 32;

// === impl LinkError ===

impl LinkError {
    pub(super) fn refused(error: &ServerError) -> Self {
        Self::of_code(error.code())
    }

    /// The rest of the answer is not kept: who knows what is in there.
    fn of_code(code: &str) -> Self {
        let is_plain = code.bytes().all(|byte| byte.is_ascii_uppercase());
        match is_plain && (1..=LONGEST_CODE).contains(&code.len()) {
            true => Self::Refused(code.into()),
            false => Self::Strange,
        }
    }
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code),
            None if error.is_timeout() => Self::Late,
            None if error.is_io_error() => Self::Away,
            None if error.kind() == ErrorKind::AuthenticationFailed => Self::Credentials,
            None => Self::Strange,
        }
    }
}

impl From<LinkError> for io::Error {
    fn from(error: LinkError) -> Self {
        let kind = match error {
            LinkError::Late => io::ErrorKind::TimedOut,
            LinkError::Away => io::ErrorKind::NotConnected,
            LinkError::Credentials => io::ErrorKind::PermissionDenied,
            LinkError::Refused(_) | LinkError::Strange => io::ErrorKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("redis does not answer in time"),
            Self::Away => f.write_str("redis cannot be reached"),
            Self::Refused(code) => write!(f, "redis answers {code}"),
            Self::Credentials => f.write_str("redis refuses the user or the password"),
            Self::Strange => f.write_str("what answers is no redis"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_are_repeated() {
        assert_eq!(LinkError::of_code("OOM").to_string(), "redis answers OOM");
        for code in ["", "hunter2", "A B", &"A".repeat(33)] {
            assert_eq!(LinkError::of_code(code), LinkError::Strange, "{code}");
        }
    }
}
