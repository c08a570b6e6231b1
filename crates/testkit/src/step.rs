use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

/// One thing a [`ScriptedBody`](crate::ScriptedBody) does, in its turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Yields a data frame.
    Data(Bytes),
    /// Yields nothing for so long; needs a tokio timer.
    Wait(Duration),
    /// Yields nothing for ever; the waker is never called.
    Stall,
    /// Yields an error with this text, then nothing more.
    Fail(String),
    /// Yields the error of a client that ran out of patience, then nothing more.
    TimeOut,
    /// Yields a trailers frame.
    Trailers(HeaderMap),
}
