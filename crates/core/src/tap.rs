use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::UsageCell;
use crate::answer_reader::AnswerReader;

pin_project! {
    /// A response body that is read along as it passes; made by [`tap`].
    ///
    /// Bytes, frames and errors pass untouched.
    #[derive(Debug)]
    pub struct TapBody<B> {
        #[pin]
        inner: B,
        // After the body, so that it learns of the body's end first.
        reader: Option<AnswerReader>,
    }
}

/// Reads an answer along as its body is polled, into the [`UsageCell`] in its extensions.
///
/// A response that has a cell already is left as it is: whoever put it there reads along, and
/// nothing is scanned twice. An answer that is neither JSON nor an event stream, or that is
/// compressed, is not read; its cell says only how it ended.
pub fn tap<B>(response: Response<B>) -> Response<TapBody<B>>
where
    B: Body,
{
    let (mut head, inner) = response.into_parts();
    let reader = if head.extensions.get::<UsageCell>().is_some() {
        None
    } else {
        let cell = UsageCell::default();
        head.extensions.insert(cell.clone());
        let mut reader = AnswerReader::new(&head, cell);
        // Nobody polls a body that has nothing to give.
        if inner.is_end_stream() {
            reader.finish();
        }
        Some(reader)
    };
    Response::from_parts(head, TapBody { inner, reader })
}

// === impl TapBody ===

impl<B> Body for TapBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(reader) = this.reader {
            match &frame {
                None => reader.finish(),
                Some(Err(_)) => reader.fail(),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        reader.read(data);
                    }
                    // A host that knows the length does not poll again for the end.
                    if frame.is_trailers() || this.inner.is_end_stream() {
                        reader.finish();
                    }
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
