use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{BoxError, BytePermit, ByteSemaphore};

use crate::BatchesBody;

pin_project! {
    /// Reads an answer that has to be known whole.
    pub(crate) struct Gather<B> {
        #[pin]
        body: B,
        head: Option<response::Parts>,
        bytes: BytesMut,
        trailers: Option<HeaderMap>,
        memory: ByteSemaphore,
        permit: Option<BytePermit>,
    }
}

/// An answer that is known whole.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) head: response::Parts,
    pub(crate) bytes: Bytes,
    trailers: Option<HeaderMap>,
    // As long as the bytes are worked on.
    _permit: Option<BytePermit>,
}

/// Why an answer cannot be read.
#[derive(Debug)]
pub(crate) enum NotGathered {
    /// It was not asked for in this form.
    Compressed,
    TooLarge,
    /// There is no memory left for it.
    NoMemory,
    Broken(BoxError),
}

// === impl Gather ===

impl<B> Gather<B> {
    /// The largest answer that is read, in bytes. A page of a list has at most 1,000 batches.
    pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

    /// Up to so many bytes it asks nobody for memory: a batch that was made is not lost to its
    /// tenant for want of it.
    const SMALL: usize = 64 * 1024;
}

impl<B> Gather<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(answer: Response<B>, memory: ByteSemaphore) -> Result<Self, NotGathered> {
        let (head, body) = answer.into_parts();
        let codings = head.headers.get_all(CONTENT_ENCODING);
        let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !codings.iter().all(is_plain) {
            return Err(NotGathered::Compressed);
        }
        Ok(Self {
            body,
            head: Some(head),
            bytes: BytesMut::new(),
            trailers: None,
            memory,
            permit: None,
        })
    }

    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Gathered, NotGathered>> {
        let mut this = self.project();
        while let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Poll::Ready(Err(NotGathered::Broken(error.into()))),
            };
            match frame.into_data() {
                Ok(data) => {
                    let length = this.bytes.len().saturating_add(data.len());
                    if length > Self::LARGEST {
                        return Poll::Ready(Err(NotGathered::TooLarge));
                    }
                    // Twice: what is rewritten is made beside it.
                    if length > Self::SMALL && !hold(this.permit, this.memory, length * 2) {
                        return Poll::Ready(Err(NotGathered::NoMemory));
                    }
                    this.bytes.extend_from_slice(&data);
                }
                Err(frame) => *this.trailers = frame.into_trailers().ok(),
            }
        }
        let Some(head) = this.head.take() else {
            panic!("Gather polled after it was ready");
        };
        Poll::Ready(Ok(Gathered {
            head,
            bytes: std::mem::take(this.bytes).freeze(),
            trailers: this.trailers.take(),
            _permit: this.permit.take(),
        }))
    }
}

// === impl Gathered ===

impl Gathered {
    /// The answer with other bytes in it.
    pub(crate) fn respond<B>(self, bytes: Bytes) -> Response<BatchesBody<B>> {
        let mut head = self.head;
        head.headers.remove(TRANSFER_ENCODING);
        head.headers.insert(CONTENT_LENGTH, bytes.len().into());
        Response::from_parts(head, BatchesBody::rewritten(bytes, self.trailers))
    }
}

fn hold(permit: &mut Option<BytePermit>, memory: &ByteSemaphore, bytes: usize) -> bool {
    match permit {
        Some(permit) => permit.grow_to(bytes),
        None => {
            *permit = memory.try_acquire(bytes);
            permit.is_some()
        }
    }
}

// === impl NotGathered ===

impl fmt::Display for NotGathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => f.write_str("it is compressed"),
            Self::TooLarge => f.write_str("it is too large"),
            Self::NoMemory => f.write_str("there is no memory left for it"),
            Self::Broken(error) => write!(f, "it broke off: {error}"),
        }
    }
}

impl std::error::Error for NotGathered {}
