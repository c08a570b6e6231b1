use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use serde::Deserialize;
use tower_claude_core::CallBody;
use tower_service::Service;

use super::CallerEnd;
use crate::events::Events;

/// What the caller sees of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerView {
    /// The status; `None` where there was no answer.
    pub status: Option<u16>,
    /// The `error.type` of the answer, or of each `error` event; one at most is right.
    pub error_types: Vec<String>,
    /// Whether some of what the model says has come.
    pub has_content: bool,
    /// What the answer says of asking again: `x-should-retry`.
    pub should_retry: Option<String>,
    /// `retry-after`.
    pub retry_after: Option<String>,
    /// How it ended.
    pub end: CallerEnd,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "type")]
    kind: String,
}

/// Long enough for all that ends by itself; nobody really waits for it.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

// === impl CallerView ===

impl CallerView {
    /// Makes a call and reads its answer to the end.
    ///
    /// What is silent for a day of the paused clock is [`CallerEnd::Silent`].
    pub async fn of_call<S, B>(mut service: S, request: Request<CallBody>) -> Self
    where
        S: Service<Request<CallBody>, Response = Response<B>>,
        B: Body<Data = Bytes>,
    {
        let answer = async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        };
        let mut view = Self {
            status: None,
            error_types: Vec::new(),
            has_content: false,
            should_retry: None,
            retry_after: None,
            end: CallerEnd::Silent,
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(response)) => view.read(response).await,
            Ok(Err(_)) => view.end = CallerEnd::NoAnswer,
            Err(_) => {}
        }
        view
    }

    async fn read<B>(&mut self, response: Response<B>)
    where
        B: Body<Data = Bytes>,
    {
        let (head, body) = response.into_parts();
        let header = |name| text(&head.headers, name);
        self.status = Some(head.status.as_u16());
        self.should_retry = header("x-should-retry");
        self.retry_after = header("retry-after");
        let is_stream =
            header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));

        let mut bytes = Vec::new();
        let collected = tokio::time::timeout(PATIENCE, collect(body, &mut bytes)).await;
        let end = if is_stream {
            self.read_events(&bytes)
        } else {
            self.read_document(&bytes)
        };
        self.end = match (collected, end) {
            (Err(_), _) => CallerEnd::Silent,
            (Ok(false), CallerEnd::Cut | CallerEnd::Unreadable) => CallerEnd::Broken,
            // Whatever follows what is whole, the caller has it.
            (Ok(_), end) => end,
        };
    }

    fn read_events(&mut self, bytes: &[u8]) -> CallerEnd {
        let mut end = CallerEnd::Cut;
        for event in Events::new(bytes) {
            let Ok(document) = serde_json::from_slice::<Document>(&event.data) else {
                continue;
            };
            match &*document.kind {
                "content_block_delta" => self.has_content = true,
                "message_stop" => end = CallerEnd::Whole,
                "error" => {
                    self.error_types
                        .extend(document.error.map(|error| error.kind));
                    end = CallerEnd::Error;
                }
                _ => {}
            }
        }
        end
    }

    fn read_document(&mut self, bytes: &[u8]) -> CallerEnd {
        match serde_json::from_slice::<Document>(bytes) {
            Ok(document) if document.kind == "error" => {
                self.error_types
                    .extend(document.error.map(|error| error.kind));
                CallerEnd::Error
            }
            Ok(_) => {
                self.has_content = true;
                CallerEnd::Whole
            }
            Err(error) if error.is_eof() => {
                self.has_content = !bytes.is_empty();
                CallerEnd::Cut
            }
            Err(_) => CallerEnd::Unreadable,
        }
    }
}

/// Reads a body; whether it came to its end without an error.
async fn collect<B>(body: B, bytes: &mut Vec<u8>) -> bool
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else {
            return false;
        };
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    true
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

impl fmt::Display for CallerView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(status) = self.status else {
            return f.write_str(match self.end {
                CallerEnd::Silent => "nothing, for ever",
                _ => "no answer",
            });
        };
        write!(f, "{status}")?;
        let errors = self.error_types.join("`, `");
        let part = if self.has_content {
            ", a part of the answer"
        } else {
            ""
        };
        match self.end {
            CallerEnd::Whole => f.write_str(", whole")?,
            CallerEnd::Error if status == 200 => write!(f, "{part}, event `{errors}`")?,
            CallerEnd::Error => write!(f, " `{errors}`")?,
            CallerEnd::Cut => write!(f, "{part}, cut off")?,
            CallerEnd::Broken => write!(f, "{part}, broken off")?,
            CallerEnd::Unreadable => f.write_str(", unreadable")?,
            CallerEnd::Silent | CallerEnd::NoAnswer => write!(f, "{part}, silent for ever")?,
        }
        if let Some(wait) = &self.retry_after {
            write!(f, ", after {wait} s")?;
        }
        match self.should_retry.as_deref() {
            Some("false") => f.write_str(", final"),
            Some(other) => write!(f, ", retry: {other}"),
            None => Ok(()),
        }
    }
}
