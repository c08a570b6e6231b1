//! Targets come and go, tenants share them, calls run side by side: none leaves its residency.

#[path = "residency_property/ask.rs"]
mod ask;
mod support;
#[path = "residency_property/world.rs"]
mod world;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ask::{Ask, TENANT};
use http::Request;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;
use support::{Fleet, good};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{Call, CallBody, Target, Tenant};
use tower_claude_failover::{
    ByPriority, Candidate, Failover, FailoverLayer, Hedge, ModelFallbacks, Order, Route, Waiting,
};
use tower_claude_testkit::FakeClaude;
use world::{NAMES, Place, World, is_allowed, world};

const CONFIGURATIONS: u32 = 10_000;

/// How long a target goes on as it does; then comes the next of its phases.
const PHASE: Duration = Duration::from_secs(20);

/// What came of all the calls of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    calls: u64,
    asked: u64,
    /// Asked at a target that was not allowed.
    strayed: u64,
    /// Without any target that was allowed.
    forbidden: u64,
    /// Refused with 403 although there was one, or not so although there was none.
    wrong: u64,
}

static ALL: Mutex<Tally> = Mutex::new(Tally {
    calls: 0,
    asked: 0,
    strayed: 0,
    forbidden: 0,
    wrong: 0,
});

/// A route that does all it can to go everywhere.
fn everywhere(_: &Call, _: Option<&Tenant>, _: &[Candidate<'_>]) -> Order {
    (0..NAMES.len()).chain(0..NAMES.len()).collect()
}

// === impl World ===

impl World {
    fn layer(&self) -> FailoverLayer {
        let targets = NAMES.into_iter().zip(&self.places).map(|(name, place)| {
            let target = Target::new(name)
                .priority(place.priority)
                .weight(place.weight);
            match place.label {
                Some(label) => target.residency(label),
                None => target,
            }
        });
        let mut layer = FailoverLayer::new(targets)
            .expect("targets")
            .possibly_billed(self.possibly_billed);
        if self.waits {
            layer = layer.waiting(Waiting::new());
        }
        if self.hedges {
            let always = Hedge::new().quantile(0).at_least(Duration::ZERO);
            layer = layer.hedge(always.budget(100));
        }
        if self.steps_down {
            let fallbacks = ModelFallbacks::new()
                .of("claude-opus-*", ["claude-sonnet-5-5", "claude-haiku-5-5"])
                .expect("no cycle");
            layer = layer.model_fallbacks(fallbacks);
        }
        layer
    }

    /// Fakes that go through their phases, and count who strays to them.
    fn fleet(&self, strayed: &Arc<AtomicU64>) -> Fleet {
        let began = Instant::now();
        Fleet::new(NAMES.into_iter().zip(&self.places).map(|(name, place)| {
            let (place, tenants) = (place.clone(), self.tenants.clone());
            let strayed = Arc::clone(strayed);
            let fake = FakeClaude::new(move |asked| {
                let number: usize = asked
                    .header(TENANT)
                    .and_then(|it| it.parse().ok())
                    .unwrap_or(0);
                if !is_allowed(&tenants[number], place.label) {
                    strayed.fetch_add(1, Relaxed);
                }
                let phase = began.elapsed().as_secs() / PHASE.as_secs();
                let phase = usize::try_from(phase).unwrap_or(0) % place.phases.len();
                place.phases[phase].clone()
            });
            (name, fake.unlogged())
        }))
    }

    async fn run<R>(&self, layer: FailoverLayer<R>) -> Tally
    where
        R: Route + Send + Sync + 'static,
    {
        let strayed = Arc::default();
        let fleet = self.fleet(&strayed);
        let service = layer.layer(fleet.clone());
        let mut tally = Tally::default();
        for wave in &self.waves {
            let mut calls = JoinSet::new();
            for ask in &wave.calls {
                let number = ask.tenant % self.tenants.len();
                let labels = &self.tenants[number];
                let has_target = self
                    .places
                    .iter()
                    .any(|place| is_allowed(labels, place.label));
                tally.calls += 1;
                tally.forbidden += u64::from(!has_target);
                let call = call(service.clone(), ask.request(number, labels), ask.stays);
                calls.spawn(async move { (call.await == Some(403)) == has_target });
            }
            while let Some(is_wrong) = calls.join_next().await {
                tally.wrong += u64::from(is_wrong.expect("no panic"));
            }
            tokio::time::advance(Duration::from_secs(wave.pause)).await;
        }
        tally.strayed = strayed.load(Relaxed);
        let names = &NAMES[..self.places.len()];
        tally.asked = names.iter().map(|name| fleet.calls(name)).sum();
        tally
    }
}

/// Makes a call; the status, if there is an answer.
async fn call<R>(
    service: Failover<Fleet, R>,
    request: Request<CallBody>,
    stays: bool,
) -> Option<u16>
where
    R: Route,
{
    let response = service.oneshot(request).await.ok()?;
    let status = response.status().as_u16();
    if stays {
        let _ = response.into_body().collect().await;
    }
    Some(status)
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.asked += other.asked;
        self.strayed += other.strayed;
        self.forbidden += other.forbidden;
        self.wrong += other.wrong;
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // The default one takes most of the time, unoptimised.
        rng_algorithm: RngAlgorithm::XorShift,
        failure_persistence: None,
        ..ProptestConfig::with_cases(CONFIGURATIONS)
    })]

    fn no_call_strays(world in world(), is_bold: bool) {
        let layer = world.layer();
        let tally = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(async {
                if is_bold {
                    world.run(layer.route(everywhere)).await
                } else {
                    world.run(layer.route(ByPriority::seeded(world.seed))).await
                }
            });
        prop_assert_eq!(tally.strayed, 0, "{:?}", tally);
        prop_assert_eq!(tally.wrong, 0, "{:?}", tally);
        ALL.lock().expect("no panic").add(tally);
    }
}

#[test]
fn no_configuration_and_no_outage_takes_a_call_out_of_its_residency() {
    no_call_strays();
    let all = *ALL.lock().expect("no panic");
    println!("{CONFIGURATIONS} configurations: {all:?}");
    // A test in which nothing happens shows nothing.
    assert!(
        all.asked > all.calls / 2 && all.forbidden > all.calls / 10,
        "{all:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_count_of_those_who_stray_can_tell() {
    // Says of its calls that nothing is allowed to them, while the layer is told otherwise.
    let place = Place {
        label: Some("us"),
        priority: 0,
        weight: 1,
        phases: vec![good()],
    };
    let world = World {
        places: vec![place],
        tenants: vec![Some(vec!["eu"])],
        waves: Vec::new(),
        possibly_billed: false,
        waits: false,
        hedges: false,
        steps_down: false,
        seed: 0,
    };
    let strayed = Arc::default();
    let service = world.layer().layer(world.fleet(&strayed));
    for (label, expected) in [("eu", 0), ("us", 1)] {
        let request = Ask::PLAIN.request(0, &Some(vec![label]));
        call(service.clone(), request, true).await;
        assert_eq!(strayed.load(Relaxed), expected, "{label}");
    }
}
