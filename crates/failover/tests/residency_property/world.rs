use std::time::Duration;

use proptest::prelude::*;
use tower_claude_testkit::Answer;

use crate::ask::Ask;
use crate::support::{good, good_stream};

/// Targets and what becomes of them, tenants, and the calls they make.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) places: Vec<Place>,
    pub(crate) tenants: Vec<Labels>,
    pub(crate) waves: Vec<Wave>,
    pub(crate) possibly_billed: bool,
    /// Whether calls wait, are asked at two targets, and step down to other models.
    pub(crate) waits: bool,
    pub(crate) hedges: bool,
    pub(crate) steps_down: bool,
    pub(crate) seed: u64,
}

/// A target.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) label: Option<&'static str>,
    pub(crate) priority: u32,
    pub(crate) weight: u32,
    /// One after the other, over and over.
    pub(crate) phases: Vec<Answer>,
}

/// Calls that are made at one time, and how long it is until the next.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    pub(crate) calls: Vec<Ask>,
    pub(crate) pause: u64,
}

/// The labels a tenant may use; `None` is any target.
pub(crate) type Labels = Option<Vec<&'static str>>;

/// More than the eight that a plan has room for without an allocation.
pub(crate) const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
pub(crate) const LABELS: [&str; 4] = ["us", "eu", "ap", "uk"];

fn phase() -> impl Strategy<Value = Answer> {
    prop_oneof![
        2 => Just(good()),
        2 => Just(good_stream()),
        2 => Just(Answer::overloaded()),
        2 => Just(Answer::refused_connection()),
        1 => Just(Answer::reset()),
        1 => Just(Answer::rate_limited(30)),
        1 => Just(Answer::rate_limited(30).header("retry-after", u64::MAX.to_string())),
        1 => Just(Answer::spend_cap()),
        1 => Just(Answer::spend_limit()),
        1 => Just(Answer::error(401, "authentication_error", "no")),
        1 => Just(Answer::error(403, "permission_error", "no")),
        1 => Just(Answer::error(408, "timeout_error", "slow")),
        1 => Just(Answer::error(500, "api_error", "oh").header("x-should-retry", "true")),
        1 => Just(Answer::error(504, "timeout_error", "late")),
        1 => Just(Answer::raw(307, "text/plain", "").header("location", "http://elsewhere/")),
        1 => Just(Answer::error_before_content()),
        1 => Just(Answer::truncated()),
        1 => Just(good_stream().reset_after(1)),
        1 => Just(good().head_delay(Duration::from_secs(3))),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    let label = prop::option::weighted(0.8, prop::sample::select(&LABELS[..]));
    let phases = prop::collection::vec(phase(), 1..4);
    (label, 0..3_u32, 1..5_u32, phases).prop_map(|(label, priority, weight, phases)| Place {
        label,
        priority,
        weight,
        phases,
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    (
        0..12_usize,
        0..9_usize,
        0..9_usize,
        prop::bool::weighted(0.8),
        0..20_usize,
    )
        .prop_map(|(tenant, model, endpoint, stays, unpaid)| Ask {
            tenant,
            model,
            endpoint,
            stays,
            unpaid,
        })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let wave = (prop::collection::vec(ask(), 1..4), 0..40_u64)
        .prop_map(|(calls, pause)| Wave { calls, pause });
    let labels = prop::sample::subsequence(&LABELS[..], 0..=2);
    (
        prop::collection::vec(place(), 1..=NAMES.len()),
        prop::collection::vec(prop::option::weighted(0.8, labels), 1..4),
        prop::collection::vec(wave, 1..8),
        any::<[bool; 4]>(),
        any::<u64>(),
    )
        .prop_map(|(places, tenants, waves, options, seed)| World {
            places,
            tenants,
            waves,
            possibly_billed: options[0],
            waits: options[1],
            hedges: options[2],
            steps_down: options[3],
            seed,
        })
}

/// Whether a target may be asked, by the contract's words alone.
pub(crate) fn is_allowed(labels: &Labels, label: Option<&str>) -> bool {
    labels
        .as_ref()
        .is_none_or(|labels| label.is_some_and(|label| labels.contains(&label)))
}
