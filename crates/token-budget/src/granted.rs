//! What becomes of a call when the store has answered, and when the inner service has.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use tower_claude_core::{
    Call, CallBody, Dialect, Failure, Refusal, RefusalKind, RequestId, ResponseBody, UsageCell, tap,
};

use crate::charge::Outcome;
use crate::outage::Without;
use crate::permit::Permit;
use crate::rate_headers::{self, Headline};
use crate::service::Shared;
use crate::top_up::TopUp;
use crate::{BudgetBody, Reservation, Reserved, Standings, StoreError, WhenStoreIsDown, refuse};

/// Says that the store was away, and by which policy the call passed.
const STORE: HeaderName = HeaderName::from_static("x-claude-budget-store");

/// A call that may be spent.
pub(crate) struct Granted {
    pub(crate) permit: Permit,
    /// `None` where the store did not say.
    headline: Option<Headline>,
    /// How it passed, where the store was away.
    without: Option<WhenStoreIsDown>,
}

pub(crate) type Answer<B> = Response<ResponseBody<BudgetBody<B>>>;

/// What a call is to do next.
pub(crate) enum Next<B> {
    /// Ask the account as well.
    Account(Reservation, Permit, Option<Box<Headline>>),
    /// Go to the inner service.
    Go(Granted),
    /// Go back.
    Refused(Answer<B>),
}

/// What the store's answer means for the call.
///
/// `headline` is that of the tenant, where it is the account that was asked.
pub(crate) fn decide<B, St, E>(
    answer: Result<Reserved, StoreError>,
    mut permit: Permit,
    headline: Option<Box<Headline>>,
    request: &Request<CallBody>,
    shared: &Shared<St, E>,
) -> Next<B> {
    shared.stats.store_answered(answer.is_ok());
    let of_account = permit.has_asked_account();
    let mut without = None;
    let answer = answer.or_else(|error| {
        let (reserved, how) = alone(error, &mut permit, shared)?;
        without = Some(how);
        Ok(reserved)
    });
    let is_known = without.is_none() && !of_account;
    let (refusal, headline) = match answer {
        Ok(Reserved::Granted { standings }) => {
            let headline = match is_known {
                true => Some(Headline::new(&permit.pledge.plan, &standings)),
                false => headline.map(|headline| *headline),
            };
            if let Some(reservation) = permit.account_reservation() {
                return Next::Account(reservation, permit, headline.map(Box::new));
            }
            permit.ask();
            return Next::Go(Granted {
                permit,
                headline,
                without,
            });
        }
        Ok(Reserved::Denied {
            limit,
            retry_after,
            resets_in,
            standings,
        }) => {
            let owner = &permit.pledge.subject.owner;
            let refusal = refuse::exhausted(owner, &limit, retry_after, resets_in);
            let headline = match is_known {
                true => Some(Headline::new(&permit.pledge.plan, &standings)),
                false => headline.map(|headline| *headline),
            };
            permit.forget();
            (refusal, headline)
        }
        Ok(Reserved::Never { limit, requested }) => {
            permit.forget();
            (refuse::never(&limit, requested), None)
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
        let plan = &permit.pledge.plan;
        headline.write(plan, &shared.resets, response.headers_mut());
    }
    Next::Refused(response)
}

/// What becomes of a call while the store cannot be asked.
fn alone<St, E>(
    error: StoreError,
    permit: &mut Permit,
    shared: &Shared<St, E>,
) -> Result<(Reserved, WhenStoreIsDown), StoreError> {
    let outage = &shared.books.outage;
    let stats = &shared.stats;
    let standings = Standings::new();
    match outage.decide(&permit.asked()) {
        Without::Refused => {
            stats.count_refused();
            Err(error)
        }
        Without::Allowed => {
            stats.count_allowed();
            Ok((Reserved::Granted { standings }, WhenStoreIsDown::Allow))
        }
        Without::Granted => {
            stats.count_leased();
            permit.lease();
            Ok((Reserved::Granted { standings }, WhenStoreIsDown::Lease))
        }
        Without::Denied(denied) => Ok((*denied, WhenStoreIsDown::Lease)),
    }
}

pub(crate) fn refused<B>(refusal: Refusal, call: &Call) -> Answer<B> {
    refusal.respond(call.dialect(), call.id())
}

pub(crate) fn answered<B, St, E>(
    mut response: Response<B>,
    granted: Granted,
    shared: &Shared<St, E>,
) -> Answer<B>
where
    B: Body<Data = Bytes>,
{
    let Granted {
        mut permit,
        headline,
        without,
    } = granted;
    let status = response.status();
    let tells = status.is_success() || status == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    match headline {
        Some(headline) if tells => {
            let plan = &permit.pledge.plan;
            headline.write(plan, &shared.resets, headers);
            if headline.warn(plan, headers) {
                shared.stats.count_warned();
            }
        }
        _ => rate_headers::strip(headers),
    }
    if let Some(policy) = without {
        headers.insert(STORE, HeaderValue::from_static(policy.as_str()));
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
        let top_up = TopUp::of(&permit, shared);
        if top_up.is_some() {
            cell.watch();
        }
        permit.read(cell);
        return response.map(|body| ResponseBody::inner(BudgetBody::metered(body, permit, top_up)));
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
