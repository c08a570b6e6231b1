use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

pin_project! {
    /// Joins the frames of a body that are ready together, and never delays a lone one.
    ///
    /// A server writes each frame to its socket by itself, so a burst of two hundred small
    /// events costs two hundred system calls. Upstream's connection hands its frames over one
    /// by one, and only when it is given a turn: so within a burst, and only there, this body
    /// gives it turns before it passes on what it has. The first frame after a pause goes out
    /// at once.
    #[derive(Debug)]
    pub struct JoinBody<B: Body> {
        #[pin]
        inner: B,
        joined: Joined,
        // What came after the joined data and is not data. Rare, and large: a box keeps small
        // what is moved for each answer.
        after: Option<Box<Result<Frame<Bytes>, B::Error>>>,
        passed: Option<Instant>,
        turns: u8,
        ended: bool,
    }
}

/// Frames that wait to be passed on: one as it came, or several in one buffer.
#[derive(Debug, Default)]
struct Joined {
    first: Bytes,
    rest: BytesMut,
}

/// As much as is passed on in one frame.
const MOST: usize = 16 * 1024;

/// A frame that comes sooner than this after the last one is part of a burst. Tokens come
/// several milliseconds apart; what has been read from one packet comes as soon as its
/// connection gets a turn, which on a busy thread takes some hundred microseconds.
const BURST: Duration = Duration::from_millis(1);

/// How often in a row upstream's connection is given a turn: the server may look twice in one
/// turn of its own.
const TURNS: u8 = 2;

// === impl JoinBody ===

impl<B: Body> JoinBody<B> {
    /// Joins the frames of `inner`.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            joined: Joined::default(),
            after: None,
            passed: None,
            turns: 0,
            ended: false,
        }
    }
}

impl<B> Body for JoinBody<B>
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
        while !*this.ended && this.after.is_none() && this.joined.len() < MOST {
            match this.inner.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        // Most answers are of one frame, which needs no clock.
                        if this.inner.is_end_stream() {
                            *this.ended = true;
                        }
                        this.joined.push(data);
                        *this.turns = 0;
                    }
                    Err(frame) => *this.after = Some(Box::new(Ok(frame))),
                },
                Poll::Ready(Some(Err(error))) => *this.after = Some(Box::new(Err(error))),
                Poll::Ready(None) => *this.ended = true,
                Poll::Pending if this.joined.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    let now = Instant::now();
                    let is_burst = this
                        .passed
                        .is_some_and(|passed| now.saturating_duration_since(passed) < BURST);
                    if is_burst && *this.turns < TURNS {
                        *this.turns += 1;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    break;
                }
            }
        }
        if let Some(data) = this.joined.take() {
            *this.turns = 0;
            if !*this.ended {
                *this.passed = Some(Instant::now());
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(this.after.take().map(|after| *after))
    }

    fn is_end_stream(&self) -> bool {
        self.joined.is_empty() && self.after.is_none() && (self.ended || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.joined.len() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint.set_lower(inner.lower() + held);
        hint
    }
}

// === impl Joined ===

impl Joined {
    fn push(&mut self, data: Bytes) {
        if self.is_empty() {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            self.rest.reserve(MOST.max(self.first.len() + data.len()));
            self.rest
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
    }

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&mut self) -> Option<Bytes> {
        if self.is_empty() {
            None
        } else if self.rest.is_empty() {
            Some(std::mem::take(&mut self.first))
        } else {
            Some(self.rest.split().freeze())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_claude_testkit::{ScriptedBody, Step};

    fn data(text: &str) -> Step {
        Step::Data(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn poll(body: &mut JoinBody<ScriptedBody>) -> Poll<Option<String>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_frame(&mut cx).map(|frame| {
            frame.map(|frame| match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => String::from_utf8_lossy(&data).into_owned(),
                    Err(_) => "trailers".to_owned(),
                },
                Err(error) => error.to_string(),
            })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_are_ready_together_go_out_together() {
        let steps = [data("a"), data("b"), data("c")];
        let mut body = JoinBody::new(ScriptedBody::new(steps));
        assert_eq!(poll(&mut body), Poll::Ready(Some("abc".to_owned())));
        assert_eq!(poll(&mut body), Poll::Ready(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_frame_goes_out_at_once() {
        let steps = [data("a"), Step::Wait(Duration::from_millis(10)), data("b")];
        let mut body = JoinBody::new(ScriptedBody::new(steps));
        assert_eq!(poll(&mut body), Poll::Ready(Some("a".to_owned())));
        assert_eq!(poll(&mut body), Poll::Pending);
        tokio::time::advance(Duration::from_millis(11)).await;
        assert_eq!(poll(&mut body), Poll::Ready(Some("b".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn within_a_burst_upstream_gets_a_turn_and_no_more() {
        let steps = [
            data("a"),
            Step::Wait(Duration::from_micros(1)),
            data("b"),
            Step::Stall,
        ];
        let mut body = JoinBody::new(ScriptedBody::new(steps));
        assert_eq!(poll(&mut body), Poll::Ready(Some("a".to_owned())));
        assert_eq!(poll(&mut body), Poll::Pending);
        tokio::time::advance(Duration::from_micros(50)).await;
        // Timers count in milliseconds: let this one fire without leaving the burst.
        body.passed = Some(Instant::now() + Duration::from_millis(2));
        tokio::time::advance(Duration::from_millis(2)).await;
        for _ in 0..TURNS {
            assert_eq!(poll(&mut body), Poll::Pending, "a turn for upstream");
        }
        assert_eq!(
            poll(&mut body),
            Poll::Ready(Some("b".to_owned())),
            "no further"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn data_goes_out_before_the_error_that_follows_it() {
        let steps = [data("a"), Step::Fail("cut".into())];
        let mut body = JoinBody::new(ScriptedBody::new(steps));
        assert_eq!(poll(&mut body), Poll::Ready(Some("a".to_owned())));
        assert_eq!(poll(&mut body), Poll::Ready(Some("cut".to_owned())));
    }
}
