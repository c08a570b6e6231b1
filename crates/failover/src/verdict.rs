//! What follows from what came of asking one target.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use tower_claude_core::{
    Call, CallBody, Degraded, Failure, FailureKind, Peeked, PeekedBody, Refusal, RefusalKind,
    ResponseBody, Target, UsageCell,
};

use crate::journey::Journey;
use crate::permit::Permit;
use crate::trial::{Outcome, Trial};
use crate::{FailoverBody, Route};

pub(crate) type Answer<B> = Response<ResponseBody<FailoverBody<B>>>;

/// What follows from an answer.
pub(crate) enum Verdict<B>
where
    B: Body,
{
    Return(Answer<B>),
    MoveOn(Onward),
}

/// What it takes to ask a further target.
pub(crate) struct Onward {
    pub(crate) call: Call,
    pub(crate) permit: Permit,
    pub(crate) request: Request<CallBody>,
    /// What went wrong at the last target; `None` if this is the first.
    pub(crate) reason: Option<FailureKind>,
}

/// Deals with a target that gave no answer; `None` if the error is the caller's.
pub(crate) fn unanswered<R, E>(
    journey: &mut Journey<R>,
    mut trial: Trial,
    error: &E,
) -> Option<Onward>
where
    R: Route,
    E: 'static,
{
    let failure = Failure::from_error(error);
    let next = journey.move_on(&failure);
    let permit = trial.end(Outcome {
        failure: Some(failure.kind),
        is_final: next.is_none(),
        ..Outcome::default()
    });
    if let Some(permit) = permit {
        permit.fail(&failure);
    }
    let (permit, request) = next?;
    Some(Onward {
        call: trial.call().clone(),
        permit,
        request,
        reason: Some(failure.kind),
    })
}

/// Deals with an answer that has been through the commit gate.
pub(crate) fn answered<R, B>(
    journey: &mut Journey<R>,
    mut trial: Trial,
    peeked: Peeked<B>,
) -> Verdict<B>
where
    R: Route,
    B: Body<Data = Bytes>,
{
    let Peeked {
        mut response,
        failure,
        ..
    } = peeked;
    let fallback = trial.target().and_then(Target::fallback_model);
    if let Some(degraded) = fallback.and_then(Degraded::to) {
        degraded.mark(&mut response);
    }
    trial.learn(response.headers());
    let usage = UsageCell::of(&response);
    let Some(failure) = failure else {
        journey.is_good(&trial);
        let permit = trial.end(Outcome {
            failure: None,
            usage,
            is_final: true,
        });
        let usage = usage.cloned();
        return Verdict::Return(wrap(response, permit, usage));
    };
    let next = journey.move_on(&failure);
    let replacement = replacement(&failure, &trial);
    let permit = trial.end(Outcome {
        failure: Some(failure.kind),
        usage,
        is_final: next.is_none() && replacement.is_none(),
    });
    if let Some(permit) = permit {
        permit.fail(&failure);
    }
    let call = trial.call();
    if let Some((permit, request)) = next {
        return Verdict::MoveOn(Onward {
            call: call.clone(),
            permit,
            request,
            reason: Some(failure.kind),
        });
    }
    if let Some(refusal) = replacement {
        return Verdict::Return(refusal.respond(call.dialect(), call.id()));
    }
    let mut answer = wrap(response, None, None);
    if !answer.status().is_success() && call.attempts().len() > 1 {
        // We have asked again already; the caller's library is not to do so once more.
        const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
        answer
            .headers_mut()
            .insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    Verdict::Return(answer)
}

/// What the caller gets instead of an answer that is about us.
fn replacement(failure: &Failure, trial: &Trial) -> Option<Refusal> {
    let problem = match failure.kind {
        FailureKind::Authentication | FailureKind::Permission => "does not accept our credential",
        FailureKind::Billing => "cannot bill our account",
        FailureKind::Redirect => "answered with a redirect",
        _ => return None,
    };
    let message = format!("target {} {problem}", trial.target()?.name());
    Some(Refusal::new(RefusalKind::BadGateway, message).should_retry(false))
}

fn wrap<B>(
    response: Response<PeekedBody<B>>,
    permit: Option<Permit>,
    cell: Option<UsageCell>,
) -> Answer<B>
where
    B: Body,
{
    response.map(|body| ResponseBody::inner(FailoverBody::new(body, permit, cell)))
}
