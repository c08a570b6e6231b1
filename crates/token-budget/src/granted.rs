//! What becomes of a call when the store has answered, and when the inner service has.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_claude_core::{
    Call, CallBody, Dialect, Failure, Refusal, RefusalKind, RequestId, ResponseBody, UsageCell, tap,
};

use crate::charge::Outcome;
use crate::permit::Permit;
use crate::rate_headers::{self, Headline, Resets};
use crate::service::Shared;
use crate::{BudgetBody, Reserved, StoreError, WhenStoreIsDown, refuse};

/// A call that may be spent.
pub(crate) struct Granted {
    pub(crate) permit: Permit,
    /// `None` where the store did not say.
    headline: Option<Headline>,
}

pub(crate) type Answer<B> = Response<ResponseBody<BudgetBody<B>>>;

/// What the store's answer means for the call.
pub(crate) fn decide<B, St, E>(
    answer: Result<Reserved, StoreError>,
    mut permit: Permit,
    request: &Request<CallBody>,
    shared: &Shared<St, E>,
) -> Result<Granted, Box<Answer<B>>> {
    let (refusal, headline) = match answer {
        Ok(Reserved::Granted { standings }) => {
            permit.ask();
            let headline = Some(Headline::new(&permit.plan, &standings));
            return Ok(Granted { permit, headline });
        }
        Ok(Reserved::Denied {
            limit,
            retry_after,
            resets_in,
            standings,
        }) => {
            permit.forget();
            let refusal = refuse::exhausted(&permit.owner, &limit, retry_after, resets_in);
            (refusal, Some(Headline::new(&permit.plan, &standings)))
        }
        Ok(Reserved::Never { limit, requested }) => {
            permit.forget();
            (refuse::never(&limit, requested), None)
        }
        Err(_) if shared.when_store_is_down == WhenStoreIsDown::Allow => {
            permit.ask();
            return Ok(Granted {
                permit,
                headline: None,
            });
        }
        // It may have been set aside all the same: the permit releases it.
        Err(error) => (refuse::unavailable(error), None),
    };
    let (dialect, id) = match Call::of(request) {
        Some(call) => (call.dialect(), call.id()),
        // Not so: it was put there before the store was asked.
        None => (Dialect::of(request.headers()), RequestId::generate()),
    };
    let mut response = refusal.respond(dialect, id);
    if let Some(headline) = headline {
        headline.write(&permit.plan, &shared.resets, response.headers_mut());
    }
    Err(Box::new(response))
}

pub(crate) fn refused<B>(refusal: Refusal, call: &Call) -> Answer<B> {
    refusal.respond(call.dialect(), call.id())
}

pub(crate) fn answered<B>(mut response: Response<B>, granted: Granted, resets: &Resets) -> Answer<B>
where
    B: Body<Data = Bytes>,
{
    let Granted {
        mut permit,
        headline,
    } = granted;
    let status = response.status();
    let tells = status.is_success() || status == StatusCode::TOO_MANY_REQUESTS;
    match headline {
        Some(headline) if tells => {
            headline.write(&permit.plan, resets, response.headers_mut());
        }
        _ => rate_headers::strip(response.headers_mut()),
    }
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        let failure = response.extensions().get::<Failure>();
        let failure = failure.filter(|_| is_of_upstream(refusal) && permit.call.is_unlogged());
        permit.end(failure.map_or(Outcome::Refused, |failure| Outcome::Failed(failure.kind)));
    } else if !status.is_success() || !permit.call.is_messages() {
        permit.end(Outcome::Unbilled);
    } else {
        let response = tap(response);
        let cell = UsageCell::of(&response).cloned().unwrap_or_default();
        permit.read(cell);
        return response.map(|body| ResponseBody::inner(BudgetBody::metered(body, permit)));
    }
    untouched(response)
}

/// Whether it stands for the answer that upstream did not give.
fn is_of_upstream(refusal: &Refusal) -> bool {
    matches!(
        refusal.kind(),
        RefusalKind::BadGateway | RefusalKind::GatewayTimeout
    )
}

pub(crate) fn untouched<B>(response: Response<B>) -> Answer<B> {
    response.map(|body| ResponseBody::inner(BudgetBody::untouched(body)))
}
