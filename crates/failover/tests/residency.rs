//! No configuration and no outage takes a call to a target its tenant may not use.

mod support;

use std::collections::HashMap;

use proptest::prelude::*;
use support::{Fleet, ask, good, good_stream, tenant};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{Call, Target, Tenant};
use tower_claude_failover::{ByPriority, Candidate, FailoverLayer, Order, Route};
use tower_claude_testkit::{Answer, FakeClaude};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
const LABELS: [&str; 3] = ["us", "eu", "ap"];

/// A target: its label, priority, weight, and what it answers.
type Place = (Option<&'static str>, u32, u32, Vec<Answer>);

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(good()),
        Just(good_stream()),
        Just(Answer::overloaded()),
        Just(Answer::refused_connection()),
        Just(Answer::reset()),
        Just(Answer::rate_limited(30)),
        Just(Answer::spend_cap()),
        Just(Answer::error(401, "authentication_error", "no")),
        Just(Answer::error(500, "api_error", "oh")),
        Just(Answer::error_before_content()),
        Just(Answer::truncated()),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    (
        prop::option::of(prop::sample::select(&LABELS)),
        0..3_u32,
        1..5_u32,
        prop::collection::vec(answer(), 1..4),
    )
}

/// A route that does all it can to go everywhere.
fn everywhere(_: &Call, _: Option<&Tenant>, _: &[Candidate<'_>]) -> Order {
    (0..NAMES.len()).chain(0..NAMES.len()).collect()
}

async fn run<R>(layer: FailoverLayer<R>, places: &[Place], allowed: Option<&[&'static str]>)
where
    R: Route,
{
    let fleet = Fleet::new(
        NAMES
            .into_iter()
            .zip(places)
            .map(|(name, place)| (name, FakeClaude::sequence(place.3.clone()))),
    );
    let service = layer.layer(fleet.clone());
    for _ in 0..12 {
        let mut request = ask();
        if let Some(labels) = allowed {
            request
                .extensions_mut()
                .insert(tenant(labels.iter().copied()));
        }
        if let Ok(response) = service.clone().oneshot(request).await {
            let _ = http_body_util::BodyExt::collect(response.into_body()).await;
        }
    }
    let labels: HashMap<_, _> = NAMES.into_iter().zip(places).collect();
    for name in &NAMES[..places.len()] {
        let is_allowed = match (allowed, labels[name].0) {
            (None, _) => true,
            (Some(allowed), Some(label)) => allowed.contains(&label),
            (Some(_), None) => false,
        };
        assert!(is_allowed || fleet.calls(name) == 0, "{name} was asked");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_call_leaves_its_residency(
        places in prop::collection::vec(place(), 1..=NAMES.len()),
        allowed in prop::option::of(prop::sample::subsequence(&LABELS[..], 0..=2)),
        possibly_billed: bool,
        seed: u64,
    ) {
        let targets = NAMES.into_iter().zip(&places).map(|(name, place)| {
            let target = Target::new(name).priority(place.1).weight(place.2);
            match place.0 {
                Some(label) => target.residency(label),
                None => target,
            }
        });
        let layer = FailoverLayer::new(targets).unwrap().possibly_billed(possibly_billed);
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(async {
                run(layer.clone().route(ByPriority::seeded(seed)), &places, allowed.as_deref()).await;
                run(layer.route(everywhere), &places, allowed.as_deref()).await;
            });
    }
}
