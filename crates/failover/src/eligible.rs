//! Which targets may serve a call at all: what no route, outage or fallback may break.

use http::Request;
use tower_claude_core::{Call, CallBody, Refusal, RefusalKind, Tenant};

use crate::Order;
use crate::pool::Pool;

/// The places of the targets that may serve a call, or why there are none.
pub(crate) fn eligible(
    pool: &Pool,
    request: &Request<CallBody>,
    call: &Call,
) -> Result<Order, Refusal> {
    let tenant = request.extensions().get::<Tenant>();
    let may_be_there = |slot: &usize| {
        let label = pool.target(*slot, None).residency_label();
        tenant.is_none_or(|tenant| tenant.allows_residency(label))
    };
    let slots: Order = (0..pool.slots.len()).filter(may_be_there).collect();
    let _ = call;
    if slots.is_empty() {
        return Err(out_of_bounds(tenant));
    }
    Ok(slots)
}

fn out_of_bounds(tenant: Option<&Tenant>) -> Refusal {
    let labels = tenant.and_then(Tenant::residency_labels).unwrap_or(&[]);
    Refusal::new(
        RefusalKind::Forbidden,
        format!("no target has an allowed residency ({})", labels.join(", ")),
    )
}
