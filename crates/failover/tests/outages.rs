//! One of two targets is down for a while: who notices, how often it is tried, when it is back.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use support::{Fleet, good, good_stream, in_order};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, Target};
use tower_claude_failover::{ByPriority, Failover, FailoverLayer};
use tower_claude_testkit::{Answer, FakeClaude, Split};

/// How long nothing fails, how long one target does, and how long it is watched after.
const CALM: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(100);
const AFTER: Duration = Duration::from_secs(45);

/// How long a breaker stays open.
const COOLDOWN: Duration = Duration::from_secs(15);
const PER_SECOND: u32 = 10;

/// When something happened, from the start of the run.
type When = Duration;

/// What came of a call.
#[derive(Clone, Copy, Debug)]
struct Told {
    began: When,
    ended: When,
    is_good: bool,
}

/// A target that is down for a while, and when it was asked.
struct Patient {
    asked: Arc<Mutex<Vec<When>>>,
    began: Instant,
    fake: FakeClaude,
}

/// A whole run.
struct Run {
    told: Vec<Told>,
    asked: Vec<When>,
    /// How long an answer of the target that is down takes.
    takes: Duration,
}

// === impl Patient ===

impl Patient {
    fn new(down: Answer, up: Answer) -> Self {
        let (asked, began) = (Arc::<Mutex<Vec<When>>>::default(), Instant::now());
        let log = Arc::clone(&asked);
        let fake = FakeClaude::new(move |_| {
            let now = began.elapsed();
            log.lock().expect("no panic").push(now);
            if (CALM..CALM + OUTAGE).contains(&now) {
                down.clone()
            } else {
                up.clone()
            }
        });
        Self {
            asked,
            began,
            fake: fake.unlogged(),
        }
    }
}

// === impl Run ===

impl Run {
    /// Calls at a steady rate, of targets `a`, which is down for a while, and `b`.
    async fn new(down: Answer, takes: Duration, targets: Vec<Target>) -> Self {
        let up = good_stream();
        let patient = Patient::new(down.head_delay(takes), up.clone());
        let b = FakeClaude::sequence([up]).unlogged();
        let fleet = Fleet::new([("a", patient.fake), ("b", b)]);
        let layer = FailoverLayer::new(targets).expect("targets");
        let service = layer.route(ByPriority::seeded(7)).layer(fleet);
        let began = patient.began;
        let mut tasks = Vec::new();
        let mut next = began;
        while began.elapsed() < CALM + OUTAGE + AFTER {
            tasks.push(tokio::spawn(call(service.clone(), began)));
            next += Duration::from_secs(1) / PER_SECOND;
            tokio::time::sleep_until(next).await;
        }
        let mut told = Vec::new();
        for task in tasks {
            told.push(task.await.expect("no panic"));
        }
        let asked = patient.asked.lock().expect("no panic").clone();
        Self { told, asked, takes }
    }

    /// When the fifth failure that a caller was told of was known; the end if there was none.
    fn fifth(&self) -> When {
        let mut failed: Vec<When> = self.failed().map(|told| told.ended).collect();
        failed.sort_unstable();
        failed.get(4).copied().unwrap_or_default()
    }

    fn failed(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| !told.is_good)
    }

    /// The questions to `a` from when its breaker must have opened until it was well again.
    fn probes(&self) -> Vec<When> {
        let opened = CALM + Duration::from_secs(5) + self.takes;
        let down = opened..CALM + OUTAGE;
        self.asked
            .iter()
            .copied()
            .filter(|at| down.contains(at))
            .collect()
    }

    fn check(&self, name: &str) {
        let fifth = self.fifth();
        let late = self.told.iter().copied().filter(|told| told.began > fifth);
        let (good, bad): (Vec<Told>, Vec<Told>) = late.partition(|told| told.is_good);
        let probes = self.probes();
        let well = CALM + OUTAGE;
        let back = self
            .asked
            .iter()
            .find(|at| **at >= well)
            .expect("it is asked again");
        println!(
            "{name}: {} calls, {} failed, of those begun after the fifth {} of {}; {} probes; \
             back after {:?}",
            self.told.len(),
            self.failed().count(),
            bad.len(),
            good.len() + bad.len(),
            probes.len(),
            *back - well,
        );
        assert!(bad.len() * 100 <= good.len() + bad.len(), "{name}: {bad:?}");
        assert!(bad.len() <= probes.len(), "{name}: only a probe may fail");
        if self.takes.is_zero() {
            let early = |told: &&Told| told.ended < CALM + COOLDOWN;
            assert!(self.failed().filter(early).count() <= 5, "{name}");
        }
        // One at a time: the next waits for the end of the last, and for the cooldown.
        for pair in probes.windows(2) {
            assert!(
                pair[1] - pair[0] >= COOLDOWN + self.takes,
                "{name}: {pair:?}"
            );
        }
        let most = OUTAGE.as_secs() / COOLDOWN.as_secs() + 1;
        assert!(
            (2..=most).contains(&(probes.len() as u64)),
            "{name}: {probes:?}"
        );
        assert!(*back - well <= COOLDOWN * 2, "{name}: back at {back:?}");
    }

    /// The share of calls after two cooldowns that went to `a`, in percent.
    fn share_after(&self) -> usize {
        let back = CALM + OUTAGE + COOLDOWN * 2;
        let calls = self.told.iter().filter(|told| told.began > back).count();
        let asked = self.asked.iter().filter(|at| **at > back).count();
        assert!(
            self.told
                .iter()
                .all(|told| told.began < back || told.is_good)
        );
        asked * 100 / calls
    }
}

async fn call(service: Failover<Fleet>, began: Instant) -> Told {
    let body = r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[]}"#;
    let request = Request::post("/v1/messages")
        .body(CallBody::from(body))
        .expect("a request");
    let at = began.elapsed();
    let is_good = match service.oneshot(request).await {
        Ok(response) => {
            let is_ok = response.status() == 200;
            let whole = response.into_body().collect().await;
            // What is whole and no error is what a client takes for an answer.
            let is_whole = |body: http_body_util::Collected<_>| {
                let body: bytes::Bytes = body.to_bytes();
                body.ends_with(b"{\"type\":\"message_stop\"}\n\n")
            };
            is_ok && whole.is_ok_and(is_whole)
        }
        Err(_) => false,
    };
    Told {
        began: at,
        ended: began.elapsed(),
        is_good,
    }
}

/// Ways to be down for which another target is asked, so that the caller sees nothing of it.
fn unseen() -> [(&'static str, Answer); 5] {
    [
        ("refused", Answer::refused_connection()),
        ("529", Answer::overloaded()),
        ("503", Answer::error(503, "api_error", "no")),
        ("529 in band", Answer::error_before_content()),
        ("529 in band after the start", Answer::error_after_start()),
    ]
}

/// Ways to be down that may have been billed, or come after content: the caller sees them.
fn seen() -> [(&'static str, Answer); 8] {
    let stream = good_stream;
    [
        ("500", Answer::error(500, "api_error", "oh")),
        ("no reply", Answer::reset()),
        ("529 in band after content", Answer::error_midway()),
        ("cut before content", stream().truncate_after(1)),
        ("cut after content", stream().truncate_after(5)),
        ("reset after content", stream().reset_after(5)),
        ("plain and reset", halves().reset_after(1)),
        ("plain and reset at once", halves().reset_after(0)),
    ]
}

/// A plain answer in several frames, its length untold.
fn halves() -> Answer {
    good().split(Split::Every(100))
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_is_noticed_probed_and_taken_back() {
    for takes in [Duration::ZERO, Duration::from_secs(2)] {
        for (name, down) in unseen() {
            let run = Run::new(down, takes, in_order(["a", "b"])).await;
            run.check(&format!("{name} {takes:?}"));
            assert_eq!(run.failed().count(), 0, "{name}");
            assert_eq!(run.share_after(), 100, "{name}");
        }
        for (name, down) in seen() {
            let run = Run::new(down, takes, in_order(["a", "b"])).await;
            run.check(&format!("{name} {takes:?}"));
            assert_eq!(run.share_after(), 100, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_equals_is_noticed_probed_and_taken_back() {
    for (name, down) in unseen().into_iter().chain(seen()) {
        let equals = vec![Target::new("a"), Target::new("b")];
        let run = Run::new(down, Duration::ZERO, equals).await;
        run.check(&format!("{name}, equals"));
        let share = run.share_after();
        assert!((35..=65).contains(&share), "{name}: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_plain_answers_end_early_is_noticed() {
    for (name, down) in [
        ("plain and cut", halves().truncate_after(1)),
        ("plain and empty", halves().truncate_after(0)),
    ] {
        let run = Run::new(down, Duration::ZERO, in_order(["a", "b"])).await;
        run.check(name);
    }
}
