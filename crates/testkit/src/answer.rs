use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_claude_core::TransportError;

use crate::content::Content;
use crate::receipt::Receipt;
use crate::script::{Script, Stop};
use crate::{Message, ScriptedBody, Split};

/// What the fake sends for one request, and how it misbehaves while sending it.
///
/// Its frames are worked out when it is built. Cloning it and playing it again copies
/// reference counts and the header map only. It may be played any number of times.
///
/// ```
/// use std::time::Duration;
/// use tower_claude_testkit::{Answer, Split};
///
/// let answer = Answer::message("claude-sonnet-5-5")
///     .text("The gate opens at seven.")
///     .output_tokens(6)
///     .into_stream()
///     .split(Split::Every(7))
///     .pace(Duration::from_millis(20))
///     .reset_after(10);
/// # let _ = answer;
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    script: Arc<Script>,
}

// === impl Answer ===

impl Answer {
    /// Starts a message, to be sent as JSON or as a stream.
    pub fn message(model: impl Into<String>) -> Message {
        Message::new(model)
    }

    /// Any JSON document with any status; usage and error type are read from it.
    ///
    /// # Panics
    ///
    /// When the status is not one.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::from_content(status, "application/json", Content::json(body.into()))
    }

    /// The exact bytes of an event stream with status 200; usage and error type are read from it.
    #[must_use]
    pub fn sse(body: impl Into<Bytes>) -> Self {
        Self::from_content(200, EVENT_STREAM, Content::stream(body.into()))
    }

    /// Any bytes with any status and content type; nothing is read from them.
    ///
    /// # Panics
    ///
    /// When the status or the content type is not one.
    #[must_use]
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::from_content(status, content_type, Content::opaque(body.into()))
    }

    /// The answer to a token count.
    #[must_use]
    pub fn count_tokens(input_tokens: u64) -> Self {
        Self::json(200, format!(r#"{{"input_tokens":{input_tokens}}}"#))
    }

    /// Sets a response header, in place of any of that name.
    ///
    /// # Panics
    ///
    /// When the name or the value is not a legal one.
    #[must_use]
    pub fn header(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name = HeaderName::try_from(name.as_ref()).expect("a legal header name");
        let value = HeaderValue::try_from(value.as_ref()).expect("a legal header value");
        self.edit(|script| {
            script.headers.insert(name, value);
        })
    }

    /// Waits so long before the head, or before the error of an answer that has none.
    #[must_use]
    pub fn head_delay(self, delay: Duration) -> Self {
        self.edit(|script| script.head_delay = delay)
    }

    /// Cuts the body into frames elsewhere; the default is [`Split::Events`].
    #[must_use]
    pub fn split(self, split: Split) -> Self {
        self.edit(|script| {
            script.split = split;
            script.render();
        })
    }

    /// Waits so long between one data frame and the next.
    #[must_use]
    pub fn pace(self, pace: Duration) -> Self {
        self.edit(|script| {
            script.pace = pace;
            script.render();
        })
    }

    /// Sends so many data frames, then nothing for ever.
    ///
    /// The last of this, [`reset_after`](Self::reset_after),
    /// [`truncate_after`](Self::truncate_after) and [`time_out_after`](Self::time_out_after)
    /// holds.
    #[must_use]
    pub fn stall_after(self, frames: usize) -> Self {
        self.stop(Stop::Stall(frames))
    }

    /// Sends so many data frames, then breaks off with a body error.
    #[must_use]
    pub fn reset_after(self, frames: usize) -> Self {
        self.stop(Stop::Reset(frames))
    }

    /// Sends so many data frames, then ends as if that were all.
    #[must_use]
    pub fn truncate_after(self, frames: usize) -> Self {
        self.stop(Stop::Truncate(frames))
    }

    /// Sends so many data frames, then nothing for `silence`, then the error of a client that
    /// ran out of patience: what is behind an HTTP client with an idle timeout.
    #[must_use]
    pub fn time_out_after(self, frames: usize, silence: Duration) -> Self {
        self.stop(Stop::TimeOut(frames, silence))
    }

    /// Sends so many events of the stream, then an `error` event, then ends.
    #[must_use]
    pub fn error_event_after(self, events: usize, error_type: &str, message: &str) -> Self {
        let event = crate::failure::event(error_type, message);
        self.edit(|script| {
            script.content.error_event_after(events, error_type, &event);
            script.render();
        })
    }

    /// Sends trailers after the body, unless the body stops before its end.
    #[must_use]
    pub fn trailers(self, trailers: HeaderMap) -> Self {
        self.edit(|script| {
            script.trailers = Some(trailers);
            script.render();
        })
    }

    /// Plays this answer without a fake: its response, or the error it stands for.
    ///
    /// The head delay is not waited for.
    ///
    /// # Errors
    ///
    /// For [`refused_connection`](Self::refused_connection), [`reset`](Self::reset) and
    /// [`timed_out`](Self::timed_out).
    pub fn response(&self) -> Result<http::Response<ScriptedBody>, TransportError> {
        self.play(None)
    }

    pub(crate) fn play(
        &self,
        receipt: Option<Receipt>,
    ) -> Result<http::Response<ScriptedBody>, TransportError> {
        let script = &*self.script;
        if let Some(error) = script.error() {
            if let Some(receipt) = receipt {
                receipt.settle(Some(crate::Ended::NoAnswer), 0, 0);
            }
            return Err(error);
        }
        let receipt = receipt.map(|mut receipt| {
            receipt.answered(self);
            receipt
        });
        let body = ScriptedBody::play(Arc::clone(&script.steps), script.length, receipt);
        let mut response = http::Response::new(body);
        *response.status_mut() = script.status;
        response.headers_mut().clone_from(&script.headers);
        Ok(response)
    }

    pub(crate) fn from_content(status: u16, content_type: &str, content: Content) -> Self {
        let status = StatusCode::from_u16(status).expect("a legal status");
        let content_type = HeaderValue::try_from(content_type).expect("a legal content type");
        let script = Arc::new(Script::new(status, content_type, content));
        Self { script }.header("request-id", REQUEST_ID)
    }

    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    pub(crate) fn edit(mut self, edit: impl FnOnce(&mut Script)) -> Self {
        edit(Arc::make_mut(&mut self.script));
        self
    }

    fn stop(self, stop: Stop) -> Self {
        self.edit(|script| {
            script.stop = Some(stop);
            script.render();
        })
    }
}

pub(crate) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// The id of answers that were not made for one particular call.
pub(crate) const REQUEST_ID: &str = "req_011TestKit0000000000000";
