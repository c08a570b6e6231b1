use std::error::Error;
use std::fmt;

use redis::RedisError;

/// Why a call of Redis failed.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// There is no connection, or Redis has not answered others.
    Down,
    /// It has not answered in time. It may have done what it was told all the same.
    Late,
    /// It has no memory left.
    OutOfMemory,
    Redis(RedisError),
}

// === impl LinkError ===

impl LinkError {
    pub(crate) fn of(error: RedisError) -> Self {
        if error.code() == Some("OOM") {
            Self::OutOfMemory
        } else {
            Self::Redis(error)
        }
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_fatal(&self) -> bool {
        let Self::Redis(error) = self else {
            return false;
        };
        error.is_connection_dropped()
            || error.is_io_error()
            || error.is_unrecoverable_error()
            || matches!(
                error.code(),
                Some("READONLY" | "MASTERDOWN" | "NOAUTH" | "NOPERM" | "LOADING" | "WRONGPASS")
            )
    }

    /// Whether Redis is well, and the script is not.
    pub(crate) fn is_of_script(&self) -> bool {
        let Self::Redis(error) = self else {
            return false;
        };
        matches!(error.code(), Some("ERR" | "WRONGTYPE"))
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("Redis is away"),
            Self::Late => f.write_str("Redis has not answered in time"),
            Self::OutOfMemory => f.write_str("Redis has no memory left"),
            Self::Redis(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for LinkError {}
