use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;

use crate::byte_semaphore::BytePermit;
use crate::count_tokens;
use crate::facts::{Facts, Places};
use crate::{AttemptLog, Attribution, CallBody, ContentSizes, Dialect, Endpoint, RequestId, Text};

/// The facts of one call, read once. An extension of requests, put there by
/// [`Prepare`](crate::Prepare).
///
/// A clone is a reference count. The facts belong to the very buffer they were read from:
/// a layer that meets another buffer has them read again, and only the id, the attribution
/// and the log of attempts carry over.
#[derive(Clone)]
pub struct Call(Arc<Inner>);

struct Inner {
    id: RequestId,
    endpoint: Endpoint,
    dialect: Dialect,
    attribution: Attribution,
    model: Option<Text>,
    max_tokens: Option<u64>,
    stream: bool,
    body: Option<Bytes>,
    places: Places,
    sizes: OnceLock<ContentSizes>,
    /// Shared with those who outlive the body, and with whoever rewrites it.
    attempts: Arc<AttemptLog>,
    _permit: Option<BytePermit>,
}

/// What is known of a call before its body is.
pub(crate) struct Head {
    pub(crate) id: RequestId,
    pub(crate) endpoint: Endpoint,
    pub(crate) dialect: Dialect,
    pub(crate) attribution: Attribution,
    pub(crate) origin: Option<Call>,
}

// === impl Call ===

impl Call {
    pub(crate) fn new(
        head: Head,
        facts: Facts,
        body: Option<Bytes>,
        permit: Option<BytePermit>,
    ) -> Self {
        let origin = head.origin.as_ref();
        let mut attribution = head.attribution;
        attribution.user = attribution.user.or(facts.user);
        Self(Arc::new(Inner {
            id: head.id,
            endpoint: head.endpoint,
            dialect: head.dialect,
            attribution,
            model: facts.model,
            max_tokens: facts.max_tokens,
            stream: facts.stream,
            body,
            places: facts.places,
            sizes: OnceLock::new(),
            attempts: origin.map_or_else(Arc::default, |call| Arc::clone(&call.0.attempts)),
            _permit: permit,
        }))
    }

    /// The facts that travel with a request; `None` if nobody has read it yet.
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// The facts that travel with a request, if they were read from the body it has now.
    ///
    /// Then there is nothing for [`Prepare`](crate::Prepare) to do.
    #[must_use]
    pub fn current(request: &Request<CallBody>) -> Option<&Self> {
        Self::of(request).filter(|call| call.is_of(request.body()))
    }

    /// Our id of the call.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.0.id
    }

    /// What the call is for.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.0.endpoint
    }

    /// The form in which the caller reads refusals.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Feature, user and session.
    #[must_use]
    pub fn attribution(&self) -> &Attribution {
        &self.0.attribution
    }

    /// The model that is asked, in the caller's words; `None` where none is.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// The most output tokens the caller wants; `Some(0)` is legal.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.0.max_tokens
    }

    /// Whether the caller wants a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.0.stream
    }

    /// The body the facts were read from; `None` if it is not buffered.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.0.body.as_ref()
    }

    /// Sizes by kind of content; measured when first asked for.
    pub fn sizes(&self) -> ContentSizes {
        *self.0.sizes.get_or_init(|| {
            let places = &self.0.places;
            let part = |place: &Range<usize>| self.part(place).unwrap_or_default();
            ContentSizes::measure(
                part(&places.system),
                part(&places.tools),
                part(&places.messages),
            )
        })
    }

    /// The raw JSON of the system prompt, if there is one.
    #[must_use]
    pub fn system_json(&self) -> Option<&[u8]> {
        self.part(&self.0.places.system)
    }

    /// The tries of this call so far.
    ///
    /// The log may be kept when the call is let go: a call holds its body, and that memory is
    /// needed by others long before a long answer ends.
    #[must_use]
    pub fn attempts(&self) -> &Arc<AttemptLog> {
        &self.0.attempts
    }

    /// The body with another model name in place, all other bytes as they were.
    ///
    /// `None` if there is no model to replace. The only way in which a body is ever changed:
    /// signatures of thinking blocks are bound to the bytes around them.
    #[must_use]
    pub fn body_with_model(&self, model: &str) -> Option<Bytes> {
        let body = self.0.body.as_ref()?;
        let place = &self.0.places.model;
        let (before, after) = (body.get(..place.start)?, body.get(place.end..)?);
        self.0.model.as_ref()?;
        let mut spliced = BytesMut::with_capacity(before.len() + model.len() + after.len() + 2);
        spliced.put_slice(before);
        serde_json::to_writer((&mut spliced).writer(), model).ok()?;
        spliced.put_slice(after);
        Some(spliced.freeze())
    }

    /// The body of a call to `count_tokens` that asks how much input this call is.
    ///
    /// The parts that both know stand in it byte for byte, and nothing else does: upstream
    /// refuses what it does not know. It is a copy, whose size only the body's limit bounds.
    ///
    /// `None` if it is no call for a message, or one of which upstream does not count all: one
    /// with a `thread` or MCP servers, with tools that the server runs, or with content that is
    /// only referred to.
    #[must_use]
    pub fn count_tokens_body(&self) -> Option<Bytes> {
        let is_message = self.0.endpoint == Endpoint::Messages;
        let body = self.0.body.as_ref().filter(|_| is_message)?;
        if self.sizes().references > 0 {
            return None;
        }
        count_tokens::body(body)
    }

    /// Whether these facts were read from this very body, or both are streams.
    #[must_use]
    pub fn is_of(&self, body: &CallBody) -> bool {
        match (&self.0.body, body.as_bytes()) {
            (Some(read), Some(now)) => is_same_buffer(read, now),
            (None, None) => true,
            _ => false,
        }
    }

    fn part(&self, place: &Range<usize>) -> Option<&[u8]> {
        let body = self.0.body.as_ref()?;
        body.get(place.clone()).filter(|part| !part.is_empty())
    }
}

/// Sound, not only likely: the facts keep the buffer alive, so its address is not reused.
pub(crate) fn is_same_buffer(a: &Bytes, b: &Bytes) -> bool {
    a.len() == b.len() && (a.is_empty() || a.as_ptr() == b.as_ptr())
}

impl fmt::Debug for Call {
    /// Prints facts, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.0.id)
            .field("endpoint", &self.0.endpoint)
            .field("model", &self.0.model)
            .field("stream", &self.0.stream)
            .field("attempts", self.attempts())
            .finish_non_exhaustive()
    }
}
