//! Targets come and go, tenants share them, calls run side by side: none leaves its residency.

mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;
use support::{Fleet, good, good_stream, tenant};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{
    Call, CallBody, Consent, Consider, Considering, Refusal, RefusalKind, Target, Tenant,
};
use tower_claude_failover::{ByPriority, Candidate, Failover, FailoverLayer, Order, Route};
use tower_claude_testkit::{Answer, FakeClaude};

/// More than the eight that a plan has room for without an allocation.
const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
const LABELS: [&str; 4] = ["us", "eu", "ap", "uk"];
const MODELS: [&str; 3] = ["claude-opus-5-5", "claude-haiku-5", "claude-sonnet-5-5"];
const CONFIGURATIONS: u32 = 10_000;

/// How long a target goes on as it does; then comes the next of its phases.
const PHASE: Duration = Duration::from_secs(20);

/// Says for whom a call is, down to the fake that is asked.
const TENANT: &str = "x-number";

/// The labels a tenant may use; `None` is any target.
type Labels = Option<Vec<&'static str>>;

#[derive(Clone, Debug)]
struct Place {
    label: Option<&'static str>,
    priority: u32,
    weight: u32,
    /// One after the other, over and over.
    phases: Vec<Answer>,
}

/// Calls that are made at one time, and how long it is until the next.
#[derive(Clone, Debug)]
struct Wave {
    calls: Vec<Ask>,
    pause: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    tenant: usize,
    model: usize,
    endpoint: usize,
    /// Whether the answer is read to its end.
    stays: bool,
    /// A target that nobody pays for, if it is one.
    unpaid: usize,
}

#[derive(Clone, Debug)]
struct World {
    places: Vec<Place>,
    tenants: Vec<Labels>,
    waves: Vec<Wave>,
    possibly_billed: bool,
    seed: u64,
}

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

/// Pays for all targets but one.
struct Payer(&'static str);

static ALL: Mutex<Tally> = Mutex::new(Tally {
    calls: 0,
    asked: 0,
    strayed: 0,
    forbidden: 0,
    wrong: 0,
});

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

fn world() -> impl Strategy<Value = World> {
    let wave = (prop::collection::vec(ask(), 1..4), 0..40_u64)
        .prop_map(|(calls, pause)| Wave { calls, pause });
    let labels = prop::sample::subsequence(&LABELS[..], 0..=2);
    (
        prop::collection::vec(place(), 1..=NAMES.len()),
        prop::collection::vec(prop::option::weighted(0.8, labels), 1..4),
        prop::collection::vec(wave, 1..8),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(|(places, tenants, waves, possibly_billed, seed)| World {
            places,
            tenants,
            waves,
            possibly_billed,
            seed,
        })
}

/// A route that does all it can to go everywhere.
fn everywhere(_: &Call, _: Option<&Tenant>, _: &[Candidate<'_>]) -> Order {
    (0..NAMES.len()).chain(0..NAMES.len()).collect()
}

/// Whether a target may be asked, by the contract's words alone.
fn is_allowed(labels: &Labels, label: Option<&str>) -> bool {
    labels
        .as_ref()
        .is_none_or(|labels| label.is_some_and(|label| labels.contains(&label)))
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
        FailoverLayer::new(targets)
            .expect("targets")
            .possibly_billed(self.possibly_billed)
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

// === impl Ask ===

impl Ask {
    /// A message of the first tenant, paid for anywhere.
    const PLAIN: Self = Self {
        tenant: 0,
        model: 0,
        endpoint: 3,
        stays: true,
        unpaid: NAMES.len(),
    };

    fn request(self, number: usize, labels: &Labels) -> Request<CallBody> {
        let (path, body) = match self.endpoint {
            0 => ("/v1/messages/batches", r#"{"requests":[]}"#.to_owned()),
            1 => ("/v1/messages/count_tokens", self.message("")),
            2 => ("/v1/messages", self.message(r#","stream":true"#)),
            _ => ("/v1/messages", self.message("")),
        };
        let mut request = Request::post(path)
            .header("content-type", "application/json")
            .header(TENANT, number)
            .body(CallBody::from(body))
            .expect("a request");
        let extensions = request.extensions_mut();
        // Without a list there is no tenant at all, as where nobody has authenticated.
        if let Some(labels) = labels {
            extensions.insert(tenant(labels.iter().copied()));
        }
        if let Some(name) = NAMES.get(self.unpaid) {
            extensions.insert(Consent::new(Payer(name)));
        }
        request
    }

    fn message(self, more: &str) -> String {
        let model = MODELS[self.model % MODELS.len()];
        format!(r#"{{"model":"{model}","max_tokens":64{more},"messages":[]}}"#)
    }
}

// === impl Payer ===

impl Consider for Payer {
    fn consider(&self, target: &Target) -> Option<Considering> {
        let pays = target.name() != self.0;
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            if pays {
                return Ok(());
            }
            Err(Refusal::new(RefusalKind::RateLimited, "no money for it"))
        }))
    }
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
