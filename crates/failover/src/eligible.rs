//! Which targets may serve a call at all: what no route, outage or fallback may break.

use http::header::GetAll;
use http::{HeaderName, HeaderValue, Request};
use tower_claude_core::{
    Call, CallBody, Capabilities, Capability, Endpoint, Refusal, RefusalKind, Target, Tenant,
};

use crate::Order;
use crate::pool::Pool;

const BETAS: HeaderName = HeaderName::from_static("anthropic-beta");

/// What a later call will have to find again in the account where this one was.
const LASTING: [Capability; 5] = [
    Capability::Batches,
    Capability::Files,
    Capability::Containers,
    Capability::Skills,
    Capability::Threads,
];

/// The places of the targets that may serve a call, or why there are none.
pub(crate) fn eligible(
    pool: &Pool,
    request: &Request<CallBody>,
    call: &Call,
) -> Result<Order, Refusal> {
    let tenant = request.extensions().get::<Tenant>();
    let target = |slot: usize| pool.target(slot, None);
    let may_be_there = |slot: &usize| {
        let label = target(*slot).residency_label();
        tenant.is_none_or(|tenant| tenant.allows_residency(label))
    };
    let all: Order = (0..pool.slots.len()).filter(may_be_there).collect();
    if all.is_empty() {
        return Err(out_of_bounds(tenant));
    }
    if !pool.is_choice && !pool.is_partial {
        return Ok(all);
    }
    let needs = call.needs();
    let betas = request.headers().get_all(BETAS);
    let lacks = |slot: usize| lacks(target(slot), needs, &betas);
    let able: Order = all.iter().filter(|slot| lacks(*slot).is_none()).collect();
    if able.is_empty() {
        return Err(unable(all.iter().find_map(lacks)));
    }
    let able = with_room(able, call, target);
    if is_at_home(call, needs) {
        let home = able.iter().min_by_key(|slot| target(*slot).rank());
        return Ok(home.into_iter().collect());
    }
    Ok(able)
}

/// The first thing a call needs and a target does not offer.
fn lacks(target: &Target, needs: Capabilities, betas: &GetAll<'_, HeaderValue>) -> Option<String> {
    let missing = needs.iter().find(|need| !target.offers(*need));
    if let Some(missing) = missing {
        return Some(missing.as_str().to_owned());
    }
    let mut betas = betas
        .iter()
        .filter_map(|betas| betas.to_str().ok())
        .flat_map(|betas| betas.split(','))
        .map(str::trim)
        .filter(|beta| !beta.is_empty());
    let missing = betas.find(|beta| !target.takes_beta(beta))?;
    Some(format!("the beta {missing}"))
}

/// Those in whose context window the call fits, as far as its size is known.
///
/// The size is an estimate: where it fits nowhere, upstream is to say so.
fn with_room<'a>(slots: Order, call: &Call, target: impl Fn(usize) -> &'a Target) -> Order {
    let Some(input) = call.attempts().estimated_input_tokens() else {
        return slots;
    };
    let has_room = |slot: &usize| target(*slot).window().is_none_or(|window| input <= window);
    let roomy: Order = slots.iter().filter(has_room).collect();
    if roomy.is_empty() { slots } else { roomy }
}

/// Whether a call has to go where its account is, or leaves something there for later calls.
///
/// That is the first target by priority that may serve it: every call about the same thing has
/// to come out at the same one.
fn is_at_home(call: &Call, needs: Capabilities) -> bool {
    matches!(call.endpoint(), Endpoint::Batches | Endpoint::Files)
        || call.is_bound_to_account()
        || LASTING.into_iter().any(|lasting| needs.contains(lasting))
}

fn out_of_bounds(tenant: Option<&Tenant>) -> Refusal {
    let labels = tenant.and_then(Tenant::residency_labels).unwrap_or(&[]);
    Refusal::new(
        RefusalKind::Forbidden,
        format!("no target has an allowed residency ({})", labels.join(", ")),
    )
}

fn unable(missing: Option<String>) -> Refusal {
    let missing = missing.unwrap_or_default();
    Refusal::new(
        RefusalKind::Invalid,
        format!("the request needs {missing}, which no target offers"),
    )
}
