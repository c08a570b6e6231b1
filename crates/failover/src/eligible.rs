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

/// The names out of `anthropic-beta`, each once.
///
/// No more than so many are compared with what targets list. With more names than that, or too
/// many named twice, a call goes only to targets that take every beta.
struct Betas<'a> {
    names: [&'a str; Betas::MOST],
    count: usize,
    /// Whether there is more than is looked at.
    is_beyond: bool,
}

// === impl Betas ===

impl<'a> Betas<'a> {
    /// The most names that are compared.
    const MOST: usize = 64;

    /// The most names that are looked at, with those that were there before.
    const MOST_READ: usize = 4 * Self::MOST;

    fn of(header: &GetAll<'a, HeaderValue>) -> Self {
        let mut betas = Self {
            names: [""; Self::MOST],
            count: 0,
            is_beyond: false,
        };
        let names = header
            .iter()
            .filter_map(|names| names.to_str().ok())
            .flat_map(|names| names.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty());
        for (read, name) in names.enumerate() {
            if read < Self::MOST_READ && betas.names().any(|other| other == name) {
                continue;
            }
            let free = betas.names.get_mut(betas.count);
            let Some(free) = free.filter(|_| read < Self::MOST_READ) else {
                betas.is_beyond = true;
                break;
            };
            *free = name;
            betas.count += 1;
        }
        betas
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().take(self.count).copied()
    }
}

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
    let betas = Betas::of(&request.headers().get_all(BETAS));
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
fn lacks(target: &Target, needs: Capabilities, betas: &Betas<'_>) -> Option<String> {
    let missing = needs.iter().find(|need| !target.offers(*need));
    if let Some(missing) = missing {
        return Some(missing.as_str().to_owned());
    }
    if betas.is_beyond {
        // It takes them all: none is listed, and none goes with what it does not offer.
        let takes_all =
            target.listed_betas().is_none() && target.capabilities() == Capabilities::all();
        return (!takes_all).then(|| format!("more than {} betas", Betas::MOST));
    }
    let missing = betas.names().find(|beta| !target.takes_beta(beta))?;
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tower_claude_core::{Intake, Platform, Prepare};

    use super::*;

    async fn call(betas: &str) -> (Request<CallBody>, Call) {
        let body = r#"{"model":"m","max_tokens":9,"messages":[]}"#;
        let request = Request::post("/v1/messages")
            .header(BETAS, betas)
            .body(CallBody::from(body.to_owned()));
        let prepared = Prepare::new(request.unwrap(), &Intake::new()).await;
        let prepared = prepared.map_err(|_| "no good request").unwrap();
        (prepared.request, prepared.call)
    }

    fn names(count: usize) -> Vec<String> {
        (0..count)
            .map(|number| format!("beta-{number:04}"))
            .collect()
    }

    async fn places(pool: &Pool, betas: &str) -> Result<Vec<usize>, String> {
        let (request, call) = call(betas).await;
        let order = eligible(pool, &request, &call);
        let order = order.map_err(|refusal| refusal.message().to_owned())?;
        Ok(order.iter().collect())
    }

    #[tokio::test]
    async fn betas_are_found_among_empty_names_and_named_twice() {
        let taken = names(64);
        let pool = Pool::new([Target::new("listed").betas(taken.clone())]).unwrap();
        let twice = format!(" ,, {} ,{},", taken.join(" ,"), taken.join(","));
        assert_eq!(places(&pool, &twice).await, Ok(vec![0]));
        let other = format!("{twice}other");
        let refusal = places(&pool, &other).await.unwrap_err();
        assert!(refusal.contains("more than 64 betas"), "{refusal}");
    }

    #[tokio::test]
    async fn more_betas_than_are_looked_at_go_where_all_are_taken() {
        let all = names(65);
        let listed = Target::new("listed").betas(all.clone());
        let bedrock = Target::new("bedrock").platform(Platform::Bedrock);
        let partial = [listed, bedrock];
        let pool = Pool::new(partial.clone()).unwrap();
        assert_eq!(places(&pool, &all[..64].join(",")).await, Ok(vec![0, 1]));
        let refusal = places(&pool, &all.join(",")).await.unwrap_err();
        assert!(refusal.contains("more than 64 betas"), "{refusal}");
        let mut repeated = all[..8].to_vec();
        repeated.extend(std::iter::repeat_n(all[0].clone(), 1_000));
        assert!(places(&pool, &repeated.join(",")).await.is_err());
        let pool = Pool::new(partial.into_iter().chain([Target::new("whole")])).unwrap();
        assert_eq!(places(&pool, &all.join(",")).await, Ok(vec![2]));
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "what is measured is real work")]
    async fn a_long_list_of_betas_takes_no_longer_than_a_bounded_one() {
        let taken = names(30);
        let target = |number| Target::new(format!("target {number}")).betas(taken.clone());
        let pool = Pool::new((0..60).map(target)).unwrap();
        let mut times = Vec::new();
        for count in [2, 120] {
            let betas = vec![taken.join(","); count].join(",");
            let (request, call) = call(&betas).await;
            let run = |_| {
                let began = Instant::now();
                let _ = eligible(&pool, &request, &call);
                began.elapsed()
            };
            let least: Duration = (0..5).map(run).min().unwrap();
            times.push(least);
        }
        assert!(times[1] < 8 * times[0], "{times:?}");
    }
}
