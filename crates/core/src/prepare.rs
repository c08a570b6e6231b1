use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request, request};
use http_body::Body;

use crate::body_buffer::{BodyBuffer, too_large};
use crate::call::{Head, is_same_buffer};
use crate::facts::Facts;
use crate::{
    Attribution, BoxError, Call, CallBody, Dialect, Endpoint, Intake, Refusal, RefusalKind,
    RequestId,
};

/// The one way to get the facts of a call: a future that reads the body and what it says.
///
/// If a [`Call`] travels with the request and was read from this very body, it is ready at
/// once and nothing is read again. Otherwise the body is collected within the limits of the
/// [`Intake`], parsed, and travels on as the same bytes with a new `Call` beside it.
///
/// Dropping it while it collects leaves nothing behind.
#[must_use = "futures do nothing unless polled"]
pub struct Prepare(State);

/// A request that has been read.
#[non_exhaustive]
pub struct Prepared {
    /// The request, its body buffered (unless its endpoint streams), its [`Call`] beside it.
    pub request: Request<CallBody>,
    /// The facts.
    pub call: Call,
}

/// A request that cannot be served, and why.
#[non_exhaustive]
pub struct Unprepared {
    /// The answer.
    pub refusal: Refusal,
    /// The head of the request.
    pub head: request::Parts,
    /// The facts, as far as they could be read.
    pub call: Call,
}

#[expect(
    clippy::large_enum_variant,
    reason = "boxing either would cost an allocation per call"
)]
enum State {
    Collect(Collect),
    Ready(Result<Prepared, Box<Unprepared>>),
    Done,
}

struct Collect {
    head: request::Parts,
    facts: Head,
    body: CallBody,
    buffer: BodyBuffer,
    trailers: Option<HeaderMap>,
}

// === impl Prepare ===

impl Prepare {
    /// Begins to read a request.
    pub fn new(request: Request<CallBody>, intake: &Intake) -> Self {
        if let Some(call) = Call::current(&request).cloned() {
            return Self(State::Ready(Ok(Prepared { request, call })));
        }
        let endpoint = intake.endpoint(&request);
        let (head, body) = request.into_parts();
        let facts = Head::read(&head, *endpoint.as_ref().unwrap_or(&Endpoint::Unknown));
        let limit = intake.limit(facts.endpoint);
        if let Err(refusal) = endpoint.and_then(|_| check(&head.headers, limit)) {
            return Self(State::Ready(Err(Unprepared::early(refusal, head, facts))));
        }
        if !facts.endpoint.is_buffered() {
            let call = Call::new(facts, Facts::default(), None, None);
            return Self(State::Ready(Ok(Prepared::new(head, body, call))));
        }
        Self(State::Collect(Collect {
            head,
            facts,
            body,
            buffer: BodyBuffer::new(limit, intake.memory().clone()),
            trailers: None,
        }))
    }
}

impl Future for Prepare {
    type Output = Result<Prepared, Box<Unprepared>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let read = match &mut self.0 {
            State::Collect(collect) => ready!(collect.poll(cx)),
            State::Ready(_) => Ok(()),
            State::Done => panic!("Prepare polled after it was ready"),
        };
        Poll::Ready(match (mem::replace(&mut self.0, State::Done), read) {
            (State::Collect(collect), Ok(())) => collect.finish(),
            (State::Collect(collect), Err(refusal)) => {
                Err(Unprepared::early(refusal, collect.head, collect.facts))
            }
            (State::Ready(result), _) => result,
            (State::Done, _) => panic!("Prepare polled after it was ready"),
        })
    }
}

impl fmt::Debug for Prepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Collect(_) => "Prepare::Collect",
            State::Ready(_) => "Prepare::Ready",
            State::Done => "Prepare::Done",
        })
    }
}

// === impl Prepared ===

impl Prepared {
    fn new(head: request::Parts, body: CallBody, call: Call) -> Self {
        let mut request = Request::from_parts(head, body);
        request.extensions_mut().insert(call.clone());
        Self { request, call }
    }
}

impl fmt::Debug for Prepared {
    /// Prints the facts, and no header: credentials are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

// === impl Unprepared ===

impl fmt::Debug for Unprepared {
    /// Prints the facts, and no header: credentials are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unprepared")
            .field("refusal", &self.refusal)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl Unprepared {
    fn early(refusal: Refusal, head: request::Parts, facts: Head) -> Box<Self> {
        let call = Call::new(facts, Facts::default(), None, None);
        Box::new(Self {
            refusal,
            head,
            call,
        })
    }
}

// === impl Collect ===

impl Collect {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(chunk)) => {
                    let left = self.body.size_hint().exact();
                    self.buffer.push(chunk, left)?;
                }
                Ok(Err(frame)) => {
                    self.trailers = frame.into_trailers().ok().or(self.trailers.take());
                }
                Err(error) => return Poll::Ready(Err(unreadable(error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(self) -> Result<Prepared, Box<Unprepared>> {
        let (bytes, permit) = self.buffer.into_bytes();
        let body = CallBody::buffered(bytes.clone(), self.trailers);
        // A host may have boxed our own buffer on its way here: it is still the same.
        if let Some(call) = &self.facts.origin
            && call.body().is_some_and(|read| is_same_buffer(read, &bytes))
        {
            let call = call.clone();
            let request = Request::from_parts(self.head, body);
            return Ok(Prepared { request, call });
        }
        let (facts, result) = if self.facts.endpoint.has_facts() {
            Facts::read(self.facts.endpoint, &bytes)
        } else {
            (Facts::default(), Ok(()))
        };
        let call = Call::new(self.facts, facts, Some(bytes), permit);
        match result {
            Ok(()) => Ok(Prepared::new(self.head, body, call)),
            Err(refusal) => Err(Box::new(Unprepared {
                refusal,
                head: self.head,
                call,
            })),
        }
    }
}

// === impl Head ===

impl Head {
    fn read(head: &request::Parts, endpoint: Endpoint) -> Self {
        let origin = head.extensions.get::<Call>().cloned();
        Self {
            id: RequestId::of(&head.extensions).unwrap_or_else(RequestId::generate),
            endpoint,
            dialect: Dialect::of(&head.headers),
            attribution: match &origin {
                Some(call) => call.attribution().clone(),
                None => Attribution::from_headers(&head.headers),
            },
            origin,
        }
    }
}

/// Refuses what the headers already show to be refused.
fn check(headers: &HeaderMap, limit: usize) -> Result<(), Refusal> {
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Refusal::new(
            RefusalKind::Invalid,
            "The request body encoding is not supported",
        )
        .details(r#"{"error_code":"request_body_encoding_unsupported"}"#));
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match announced {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// A body fails with a refusal where whoever reads the connection has one to give.
fn unreadable(error: BoxError) -> Refusal {
    match Refusal::find(&*error) {
        Some(refusal) => refusal.clone(),
        None => {
            Refusal::new(RefusalKind::Invalid, "the request body could not be read").cause(error)
        }
    }
}
