use std::any::Any;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;

/// The one request body of tower-claude: nothing, a buffer, or a stream.
///
/// [`CallBody::new`] takes any body and unwraps itself, so layers on top of each other do not
/// box twice. A buffered body can be had again with [`CallBody::try_clone`].
#[derive(Default)]
pub struct CallBody(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full {
        bytes: Bytes,
        trailers: Option<Box<HeaderMap>>,
    },
    Stream(Stream),
}

type Stream = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

pin_project_lite::pin_project! {
    /// A body whose error is boxed.
    struct Boxing<B> {
        #[pin]
        inner: B,
    }
}

// === impl CallBody ===

impl CallBody {
    /// Takes any body: itself unwrapped, an ended one as empty, others boxed.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut slot = Some(body);
        if let Some(own) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_default();
        }
        match slot {
            Some(body) if !body.is_end_stream() => {
                Self(Kind::Stream(Box::pin(Boxing { inner: body })))
            }
            _ => Self::empty(),
        }
    }

    /// A body without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// A body of one buffer.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::buffered(bytes.into(), None)
    }

    pub(crate) fn buffered(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        if bytes.is_empty() && trailers.is_none() {
            return Self::empty();
        }
        Self(Kind::Full {
            bytes,
            trailers: trailers.map(Box::new),
        })
    }

    /// The whole body, if it is buffered and none of it has been read.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        static EMPTY: Bytes = Bytes::new();
        match &self.0 {
            Kind::Empty => Some(&EMPTY),
            Kind::Full { bytes, .. } => Some(bytes),
            Kind::Stream(_) => None,
        }
    }

    /// The same body once more, by reference count; `None` for a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Kind::Empty => Some(Self::empty()),
            Kind::Full { bytes, trailers } => Some(Self(Kind::Full {
                bytes: bytes.clone(),
                trailers: trailers.clone(),
            })),
            Kind::Stream(_) => None,
        }
    }
}

impl fmt::Debug for CallBody {
    /// Prints sizes, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Empty => f.write_str("Empty"),
            Kind::Full { bytes, .. } => write!(f, "Full({} bytes)", bytes.len()),
            Kind::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

impl From<Bytes> for CallBody {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for CallBody {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for CallBody {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl Body for CallBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Stream(stream) => stream.as_mut().poll_frame(cx),
            Kind::Full { bytes, trailers } => {
                if !bytes.is_empty() {
                    let data = Frame::data(mem::take(bytes));
                    if trailers.is_none() {
                        self.0 = Kind::Empty;
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                let trailers = trailers.take();
                self.0 = Kind::Empty;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full { .. } => false,
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

// === impl Boxing ===

impl<B> Body for Boxing<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let frame = ready!(self.project().inner.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
