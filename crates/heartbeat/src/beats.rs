use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{
    Degraded, End, Failure, Refusal, RefusalKind, RequestId, UsageCell, is_event_stream,
};

use crate::aside::Aside;
use crate::degraded_event::degraded_event;
use crate::error_event::error_event;
use crate::error_read::ErrorRead;
use crate::parting::{Parting, late};
use crate::waiting::Waiting;

pin_project! {
    /// Pings until the inner service has answered, then what it says.
    ///
    /// It is what whoever reads along sees; the rest goes aside.
    pub(crate) struct Beats<F, B> {
        #[pin]
        state: State<B>,
        // `None` once an answer flows: the clocks are not needed any more.
        waiting: Option<Pin<Box<Waiting<F>>>>,
        aside: Arc<Aside>,
        id: RequestId,
        every: Duration,
        deadline: Option<Duration>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<B> {
        // The head is out, and nothing else yet.
        Greet,
        Wait,
        Failed {
            #[pin]
            body: B,
            head: Box<response::Parts>,
            read: ErrorRead,
        },
        Stream {
            #[pin]
            body: B,
            // Whoever inside has read along.
            cell: Option<UsageCell>,
        },
        Over,
    }
}

/// Byte for byte as upstream sends it.
const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// How long the body of an error is waited for: nothing but the error may come of it.
const ERROR_TIME: Duration = Duration::from_secs(10);

// === impl Beats ===

impl<F, B> Beats<F, B> {
    pub(crate) fn new(
        waiting: Pin<Box<Waiting<F>>>,
        aside: Arc<Aside>,
        id: RequestId,
        every: Duration,
        deadline: Option<Duration>,
    ) -> Self {
        Self {
            state: State::Greet,
            waiting: Some(waiting),
            aside,
            id,
            every,
            deadline,
        }
    }
}

impl<F, B, E> Body for Beats<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: 'static,
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        loop {
            let parting = match (this.state.as_mut().project(), this.waiting.as_mut()) {
                (Projected::Greet, _) => {
                    this.state.set(State::Wait);
                    return ping();
                }
                (Projected::Wait, Some(waiting)) => match waiting.as_mut().poll_answer(cx) {
                    Poll::Ready(Ok(response)) => match begin(response, *this.id) {
                        Ok((state, mark)) => {
                            match &state {
                                State::Stream { .. } => *this.waiting = None,
                                _ => waiting.as_mut().forget_limit(),
                            }
                            this.state.set(state);
                            match mark {
                                Some(mark) => return Poll::Ready(Some(Ok(Frame::data(mark)))),
                                None => continue,
                            }
                        }
                        Err(parting) => parting,
                    },
                    Poll::Ready(Err(error)) => Parting::unanswered(&error, *this.id),
                    Poll::Pending => {
                        let is_late = this.deadline.is_some_and(|deadline| {
                            waiting.as_mut().poll_limit(deadline, cx).is_ready()
                        });
                        if !is_late {
                            ready!(waiting.as_mut().poll_beat(*this.every, cx));
                            return ping();
                        }
                        Parting {
                            event: late().to_event(*this.id),
                            is_possibly_billed: true,
                        }
                    }
                },
                (Projected::Failed { body, head, read }, Some(waiting)) => {
                    if read.poll(body, cx).is_pending()
                        && waiting.as_mut().poll_limit(ERROR_TIME, cx).is_pending()
                    {
                        ready!(waiting.as_mut().poll_beat(*this.every, cx));
                        return ping();
                    }
                    Parting {
                        event: error_event(head.status, &head.headers, &read.data, *this.id),
                        is_possibly_billed: stands_for_no_answer(head),
                    }
                }
                (Projected::Stream { body, cell }, _) => {
                    let frame = ready!(body.poll_frame(cx));
                    let data = frame
                        .as_ref()
                        .and_then(|frame| frame.as_ref().ok()?.data_ref());
                    let added = data.and_then(|data| split_added(data, cell.as_ref()));
                    let Some((cut, added)) = added else {
                        return Poll::Ready(frame);
                    };
                    this.aside.put(added);
                    let cut = Some(cut).filter(|cut| !cut.is_empty());
                    return Poll::Ready(cut.map(Frame::data).map(Ok));
                }
                (Projected::Over, _) | (_, None) => return Poll::Ready(None),
            };
            // Whoever is dropped here is a body nobody reads on, or a call nobody waits for.
            this.state.set(State::Over);
            *this.waiting = None;
            return Poll::Ready(if parting.is_possibly_billed {
                this.aside.put(parting.event);
                None
            } else {
                Some(Ok(Frame::data(parting.event)))
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Greet | State::Wait | State::Failed { .. } => false,
            State::Stream { body, .. } => body.is_end_stream(),
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Greet | State::Wait | State::Failed { .. } => SizeHint::default(),
            State::Stream { body, .. } => body.size_hint(),
            State::Over => SizeHint::with_exact(0),
        }
    }
}

/// What comes of an answer whose head has to be dropped, and what its caller is told of it first.
fn begin<B>(response: Response<B>, id: RequestId) -> Result<(State<B>, Option<Bytes>), Parting> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        let state = State::Failed {
            body,
            head: Box::new(head),
            read: ErrorRead::default(),
        };
        return Ok((state, None));
    }
    if is_event_stream(&head.headers) {
        let mark = head.extensions.get::<Degraded>().and_then(degraded_event);
        let cell = head.extensions.get().cloned();
        return Ok((State::Stream { body, cell }, mark));
    }
    let refusal = Refusal::new(
        RefusalKind::BadGateway,
        "upstream answered with something else than a stream of events",
    );
    Err(Parting {
        event: refusal.to_event(id),
        is_possibly_billed: true,
    })
}

/// Whether a layer inside has answered where upstream did not, and upstream may bill it.
fn stands_for_no_answer(head: &response::Parts) -> bool {
    head.extensions.get::<Refusal>().is_some()
        && head.extensions.get().is_some_and(Failure::possibly_billed)
}

/// Splits off the `error` event that a layer inside has added to a stream that was cut off: the
/// stream itself had none, or it would not count as cut off.
///
/// NOTE: core's gate ends the line first that was cut, and whoever holds back what was cut sends
/// both in one piece; so it may come after something else, but never within it: data has no line
/// ends of its own.
fn split_added(data: &Bytes, cell: Option<&UsageCell>) -> Option<(Bytes, Bytes)> {
    const EVENT: &[u8] = b"event: error\n";
    let was_cut = |cell: &UsageCell| cell.read(|metered| metered.end == Some(End::Truncated));
    cell.filter(|cell| cell.has_ended() && was_cut(cell))?;
    let at = data.windows(EVENT.len()).rposition(|part| part == EVENT)?;
    // The line end before it is part of what was added.
    let at = match data[..at].split_last() {
        None => at,
        Some((b'\n', _)) => at.saturating_sub(1),
        Some(_) => return None,
    };
    Some((data.slice(..at), data.slice(at..)))
}

fn ping<E>() -> Poll<Option<Result<Frame<Bytes>, E>>> {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PING)))))
}
