use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Sleep;
use tower_claude_core::{CallBody, Failure};
use tower_service::Service;

use crate::Route;
use crate::journey::Journey;
use crate::state::State;
use crate::verdict::Answer;

/// The second target of a call that is asked at two at a time, if it comes to that.
pub(crate) enum Rival<S, F, B>
where
    S: Service<Request<CallBody>>,
    B: Body,
{
    /// Not thought of: the first has not been asked.
    Idle,
    /// Asked when this is over.
    Armed(Pin<Box<Sleep>>),
    /// Asked, with a service of its own: readiness belongs to one attempt.
    Running(Box<Race<S, F, B>>),
    /// Not asked, or not any longer.
    Over,
}

/// A rival on its way, and what it runs against.
pub(crate) struct Race<S, F, B>
where
    S: Service<Request<CallBody>>,
    B: Body,
{
    inner: S,
    state: Pin<Box<State<F, B>>>,
    /// What the first had to say meanwhile: nothing good.
    outdone: Option<Result<Answer<B>, S::Error>>,
    /// Which attempt that was of.
    outdone_attempt: Option<usize>,
}

// === impl Rival ===

impl<S, F, B> Rival<S, F, B>
where
    S: Service<Request<CallBody>>,
    B: Body,
{
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Whether only the rival is asked any longer.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self, Self::Running(race) if race.outdone.is_some())
    }

    /// Keeps the first one's answer if the rival may have a better one; else gives it back.
    pub(crate) fn outdo<R>(
        &mut self,
        journey: &mut Journey<R>,
        answer: Result<Answer<B>, S::Error>,
    ) -> Option<Result<Answer<B>, S::Error>> {
        match self {
            Self::Running(race) if !is_good(&answer) => {
                race.outdone = Some(answer);
                race.outdone_attempt = journey.final_attempt();
                journey.is_contested = false;
                None
            }
            _ => Some(answer),
        }
    }

    /// What the rival answers, or the first if that was no worse; `is_asking` says whether the
    /// first one is still asked.
    pub(crate) fn poll<R>(
        &mut self,
        inner: &S,
        journey: &mut Journey<R>,
        is_asking: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer<B>, S::Error>>
    where
        S: Service<Request<CallBody>, Response = Response<B>, Future = F> + Clone,
        S::Error: 'static,
        F: Future<Output = Result<Response<B>, S::Error>>,
        B: Body<Data = Bytes> + Unpin,
        B::Error: 'static,
        R: Route,
    {
        loop {
            let next = match self {
                Self::Over => return Poll::Pending,
                Self::Idle if !is_asking => return Poll::Pending,
                Self::Idle => match journey.hedge_after() {
                    Some(wait) => Self::Armed(Box::pin(tokio::time::sleep(wait))),
                    None => Self::Over,
                },
                Self::Armed(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    match is_asking.then(|| journey.rival()).flatten() {
                        Some(onward) => {
                            journey.is_contested = true;
                            let inner = inner.clone();
                            let state = Box::pin(State::Ready { onward });
                            Self::Running(Box::new(Race {
                                inner,
                                state,
                                outdone: None,
                                outdone_attempt: None,
                            }))
                        }
                        None => Self::Over,
                    }
                }
                Self::Running(race) => {
                    let Race { inner, state, .. } = &mut **race;
                    let answer = ready!(state.as_mut().drive(inner, journey, cx));
                    let (outdone, attempt) = (race.outdone.take(), race.outdone_attempt);
                    *self = Self::Over;
                    journey.is_contested = false;
                    if is_good(&answer) {
                        return Poll::Ready(answer);
                    }
                    journey.make_final(attempt);
                    // Nothing at all, while the first one is still asked.
                    return outdone.map_or(Poll::Pending, Poll::Ready);
                }
            };
            *self = next;
        }
    }
}

/// Whether nothing better can come from elsewhere.
fn is_good<B, E>(answer: &Result<Answer<B>, E>) -> bool
where
    B: Body,
{
    answer.as_ref().is_ok_and(|answer| {
        answer.status().is_success() && answer.extensions().get::<Failure>().is_none()
    })
}
