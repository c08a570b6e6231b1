use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use tower_claude_core::{CallBody, Degraded, Failure, TapBody, UsageCell, is_event_stream, tap};
use tower_service::Service;

use crate::added::mark;
use crate::follower::Follower;
use crate::lost::Lost;
use crate::opening::Opening;
use crate::passage::{Passage, Passed, Turn};
use crate::plan::Plan;

/// The way of one answer that may have to be gone on with.
pub(crate) struct Course<S, E>
where
    S: Service<Request<CallBody>>,
{
    // Before the plan: whoever is inside is to write of the attempt first.
    stage: Stage<S::Future>,
    service: S,
    plan: Box<Plan>,
    passage: Passage,
    /// How the first answer broke off.
    lost: Option<Lost<E>>,
}

enum Stage<F> {
    /// The first answer passes, event by event.
    First,
    /// The service is to be ready once more.
    Ready(Box<Request<CallBody>>),
    /// It is asked; rare enough for a box.
    Call(Pin<Box<F>>),
    /// The further answer has begun, and is looked into.
    Begin {
        opening: Box<Opening>,
        cell: UsageCell,
        /// Who stood in for the model that was asked.
        degraded: Option<Degraded>,
    },
    /// What is there passes untouched.
    Passing,
    /// All is said.
    Ended,
}

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

// === impl Course ===

impl<S, E> Course<S, E>
where
    S: Service<Request<CallBody>>,
    E: 'static,
{
    pub(crate) fn new(service: S, plan: Box<Plan>) -> Self {
        Self {
            service,
            passage: Passage::new(plan.limit()),
            plan,
            stage: Stage::First,
            lost: None,
        }
    }

    /// Whether all that is still to come passes untouched.
    pub(crate) fn has_let_go(&self) -> bool {
        matches!(self.stage, Stage::Passing) && self.passage.is_empty()
    }

    pub(crate) fn poll<B>(
        &mut self,
        mut inner: Pin<&mut Option<TapBody<B>>>,
        follower: &mut Follower,
        cx: &mut Context<'_>,
    ) -> Polled<E>
    where
        S: Service<Request<CallBody>, Response = Response<B>>,
        S::Error: 'static,
        B: Body<Data = Bytes, Error = E>,
    {
        loop {
            if let Some(frame) = self.passage.next() {
                return Poll::Ready(Some(Ok(frame)));
            }
            match &mut self.stage {
                Stage::First => {
                    let frame = ready!(poll_body(inner.as_mut(), cx));
                    follower.along();
                    self.take(frame, inner.as_mut(), follower);
                }
                Stage::Ready(_) => {
                    let ready = ready!(self.service.poll_ready(cx));
                    match (std::mem::replace(&mut self.stage, Stage::Ended), ready) {
                        (Stage::Ready(request), Ok(())) => {
                            self.plan.begin();
                            self.stage = Stage::Call(Box::pin(self.service.call(*request)));
                        }
                        // Nothing was asked, so there is nothing to write down.
                        _ => self.give_up(inner.as_mut(), follower),
                    }
                }
                Stage::Call(future) => {
                    let result = future.as_mut().poll(cx);
                    // Whoever is inside takes the attempt for the answer.
                    self.plan.keep_first();
                    match ready!(result) {
                        Ok(response) => self.answered(response, inner.as_mut(), follower),
                        Err(error) => {
                            let kind = Failure::from_error(&error).kind;
                            self.plan.end(|attempt| attempt.failure = Some(kind));
                            self.give_up(inner.as_mut(), follower);
                        }
                    }
                }
                Stage::Begin { .. } => {
                    let frame = ready!(poll_body(inner.as_mut(), cx));
                    self.open(frame, inner.as_mut(), follower);
                }
                Stage::Passing => {
                    let frame = ready!(poll_body(inner.as_mut(), cx));
                    follower.to_the_end();
                    return Poll::Ready(frame);
                }
                Stage::Ended => {
                    let error = self.lost.take().and_then(|lost| lost.error);
                    return Poll::Ready(error.map(Err));
                }
            }
        }
    }

    /// Takes what has come of the first answer.
    fn take<B>(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        inner: Pin<&mut Option<TapBody<B>>>,
        follower: &mut Follower,
    ) {
        let data = match frame {
            Some(Ok(frame)) => frame.into_data(),
            end => {
                let ending = self.passage.held(&[]);
                let lost = Lost::cut(ending, end.and_then(Result::err));
                return self.lose(lost, inner, follower);
            }
        };
        let passed = match data {
            Ok(data) => self.passage.read(&data),
            // Nothing comes after trailers.
            Err(trailers) => {
                self.passage.let_go(Bytes::new());
                self.passage.hand_on(trailers);
                Passed::LetGo
            }
        };
        match passed {
            Passed::On => {}
            Passed::LetGo => {
                self.stage = Stage::Passing;
                follower.to_the_end();
            }
            Passed::Lost(kind, ending) => {
                let lost = Lost::in_band(kind, ending, follower.source());
                self.lose(lost, inner, follower);
            }
        }
    }

    /// The first answer has broken off: asks for the rest, if it is one to go on with.
    fn lose<B>(
        &mut self,
        lost: Lost<E>,
        mut inner: Pin<&mut Option<TapBody<B>>>,
        follower: &mut Follower,
    ) {
        let text = self.passage.text().filter(|_| lost.passes());
        if let Some(request) = text.and_then(|text| self.plan.request(text)) {
            // Its connection is free for others, and its target judged.
            inner.set(None);
            follower.wait();
            self.plan.lose(follower.source(), lost.reason);
            self.stage = Stage::Ready(Box::new(request));
        } else {
            self.passage.say(lost.ending.clone());
            self.stage = match lost.is_event {
                true => Stage::Passing,
                false => Stage::Ended,
            };
            follower.to_the_end();
        }
        self.lost = Some(lost);
    }

    /// There is an answer to what was asked once more.
    fn answered<B>(
        &mut self,
        response: Response<B>,
        mut inner: Pin<&mut Option<TapBody<B>>>,
        follower: &mut Follower,
    ) where
        B: Body<Data = Bytes, Error = E>,
    {
        let (head, body) = tap(response).into_parts();
        let cell = head.extensions.get::<UsageCell>();
        self.plan.end(|attempt| {
            attempt.status = Some(head.status.as_u16());
            attempt.usage = cell.cloned();
        });
        match cell {
            Some(cell) if head.status == StatusCode::OK && is_event_stream(&head.headers) => {
                self.passage.turn();
                self.stage = Stage::Begin {
                    opening: Box::new(Opening::new()),
                    cell: cell.clone(),
                    degraded: head.extensions.get().cloned(),
                };
                inner.set(Some(body));
            }
            _ => self.give_up(inner, follower),
        }
    }

    /// Takes what has come of the further answer, until it is known how it begins.
    fn open<B>(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        inner: Pin<&mut Option<TapBody<B>>>,
        follower: &mut Follower,
    ) {
        let data = frame.and_then(Result::ok).map(Frame::into_data);
        let turn = match (&mut self.stage, data) {
            (Stage::Begin { opening, .. }, Some(Ok(data))) => {
                self.passage.read_opening(opening, &data)
            }
            _ => Turn::Refused,
        };
        match (turn, &self.stage, &self.lost) {
            (Turn::Awaited, ..) => {}
            (Turn::Taken { first, rest }, Stage::Begin { cell, degraded, .. }, Some(lost)) => {
                follower.turn(cell.clone());
                self.plan.take_further();
                let text_bytes = self.passage.text().unwrap_or_default().len();
                let mark = mark(lost.reason, text_bytes, degraded.as_ref());
                self.passage.say(mark);
                self.passage.say(first);
                self.passage.let_go(rest);
                self.stage = Stage::Passing;
            }
            _ => self.give_up(inner, follower),
        }
    }

    /// The answer ends as the first would have ended.
    fn give_up<B>(&mut self, mut inner: Pin<&mut Option<TapBody<B>>>, follower: &mut Follower) {
        inner.set(None);
        self.plan.keep_first();
        follower.stay();
        if let Some(lost) = &mut self.lost {
            self.passage.say(std::mem::take(&mut lost.ending));
        }
        self.stage = Stage::Ended;
    }
}

fn poll_body<B>(inner: Pin<&mut Option<TapBody<B>>>, cx: &mut Context<'_>) -> Polled<B::Error>
where
    B: Body<Data = Bytes>,
{
    match inner.as_pin_mut() {
        Some(body) => body.poll_frame(cx),
        None => Poll::Ready(None),
    }
}
