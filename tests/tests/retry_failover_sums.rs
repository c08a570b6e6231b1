//! However often a call is made, what it is charged is what all its attempts were billed; and
//! an upstream that refuses everything is not asked more for it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "retry_failover_sums/books.rs"]
mod books;
#[path = "retry_failover_sums/dice.rs"]
mod dice;
#[path = "retry_failover_sums/sum.rs"]
mod sum;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use books::Books;
use bytes::Bytes;
use dice::{Bill, Dice, MODEL};
use http::Request;
use http_body_util::BodyExt as _;
use sum::{Sum, prices};
use tower::ServiceExt as _;
use tower_claude::core::{BoxError, CallBody, Target};
use tower_claude::failover::Breaker;
use tower_claude::pricing::Cost;
use tower_claude::retry::RetryQuota;
use tower_claude::usage_meter::UsageRecord;
use tower_claude::{FailoverLayer, RetryLayer, TokenBudgetLayer, UsageMeterLayer};
use tower_claude_testkit::{Answer, FakeClaude, TruthEntry};
use tower_layer::Layer as _;
use tower_service::Service;

const CALLS: u64 = 2_000;

/// What the fake has answered: its bills, in the order of its truth log.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<(&'static str, Bill)>>>);

type Records = Arc<Mutex<Vec<Arc<UsageRecord>>>>;

/// A fake that rolls its answers, and writes down what it bills for them.
fn fake(answers: &Answers) -> FakeClaude {
    let (dice, answers) = (Mutex::new(Dice(42)), answers.clone());
    FakeClaude::new(move |asked| {
        let (name, bill, answer) = dice.lock().unwrap().answer(asked.is_stream());
        answers.0.lock().unwrap().push((name, bill));
        answer
    })
}

fn request(is_stream: bool) -> Request<CallBody> {
    let body = format!(
        r#"{{"model":"{MODEL}","max_tokens":1024,"stream":{is_stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    Request::post("/v1/messages")
        .body(CallBody::from(body))
        .unwrap()
}

fn targets() -> FailoverLayer {
    FailoverLayer::new([Target::new("first"), Target::new("second").priority(1)]).unwrap()
}

/// Never opens.
fn no_breaker() -> Breaker {
    Breaker::new().failures(NonZeroU32::MAX)
}

/// Makes a call and reads its answer to the end, whatever that is; the status, if there is one.
async fn call<S, B>(service: S, is_stream: bool) -> Option<u16>
where
    S: Service<Request<CallBody>, Response = http::Response<B>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let response = service.oneshot(request(is_stream)).await.ok()?;
    let status = response.status().as_u16();
    let _ = response.into_body().collect().await;
    Some(status)
}

#[tokio::test(start_paused = true)]
async fn the_sum_charged_is_the_sum_of_what_all_attempts_were_billed() {
    let (answers, books, records) = (Answers::default(), Books::new(), Records::default());
    let fake = fake(&answers);
    let sink = Arc::clone(&records);
    let meter = UsageMeterLayer::new(move |record| sink.lock().unwrap().push(record));
    let budget = TokenBudgetLayer::new(books.store.clone(), books.plans.clone());
    let (meter, budget) = (meter.prices(prices()), budget.prices(prices()));
    let stack = |possibly_billed| {
        let retry = RetryLayer::default().possibly_billed(possibly_billed);
        let failover = targets()
            .breaker(no_breaker())
            .possibly_billed(possibly_billed);
        meter.layer(budget.layer(failover.layer(retry.layer(fake.clone()))))
    };
    let stacks = [stack(false), stack(true)];

    let mut dice = Dice(7);
    let (mut before, mut asked) = (Sum::default(), 0);
    let (mut known, mut exact) = (Sum::default(), 0_u64);
    let (mut kinds, mut problems) = (BTreeMap::<_, u64>::new(), Vec::new());
    let mut several = 0;
    for number in 0..CALLS {
        let [careful, bold] = &stacks;
        let service = if number % 2 == 0 { careful } else { bold };
        let status = call(service.clone(), dice.below(3) > 0).await;

        let record = records.lock().unwrap().pop().unwrap();
        assert!(records.lock().unwrap().is_empty(), "one record a call");
        let bills = answers.0.lock().unwrap()[asked..].to_vec();
        let entries: Vec<TruthEntry> = fake.truth().entries().drain(asked..).collect();
        asked += entries.len();
        assert_eq!(record.attempt_log.len(), entries.len(), "{record:?}");
        let after = books.spent().await;
        let charged = Sum {
            input: after.input - before.input,
            output: after.output - before.output,
            pico_dollars: after.pico_dollars - before.pico_dollars,
        };
        before = after;

        let mut told = Sum::default();
        for ((name, bill), entry) in bills.iter().zip(&entries) {
            *kinds.entry((*name, *bill)).or_default() += 1;
            if *bill == Bill::Told {
                assert!(entry.final_usage_delivered, "{entry:?}");
                told = told.plus(Sum::of(entry.usage));
            }
        }
        let ledger = record.cost.map(Cost::pico_dollars);
        let is_known = bills.iter().all(|(_, bill)| *bill != Bill::Untold);
        let is_right = if is_known {
            exact += 1;
            known = known.plus(told);
            charged == told && ledger == Some(told.pico_dollars)
        } else {
            // What is told is charged at least, in the ledger too if it says a sum.
            charged.input >= told.input
                && charged.output >= told.output
                && charged.pico_dollars >= told.pico_dollars
                && ledger.is_none_or(|ledger| ledger >= told.pico_dollars)
        };
        let billed = bills.iter().filter(|(_, bill)| *bill == Bill::Told).count();
        several += u64::from(billed > 1);
        if !is_right {
            problems.push(format!(
                "{bills:?} {status:?}: told {told:?}, charged {charged:?}, ledger {ledger:?}"
            ));
        }
        // Whatever a target was closed for is over.
        tokio::time::advance(Duration::from_secs(2 * 3600)).await;
    }
    println!("{CALLS} calls, {asked} attempts: {kinds:#?}");
    println!("{exact} known to the token, {several} billed more than once: {known:?}");
    println!(
        "{} wrong: {:#?}",
        problems.len(),
        &problems[..problems.len().min(8)]
    );
    assert!(problems.is_empty());
    assert!(
        exact > CALLS / 2 && several > CALLS / 100,
        "too little is known"
    );
}

/// A minute of nothing but 529, so many calls a second; requests and attempts.
async fn storm(failover: FailoverLayer, per_second: u64) -> (u64, u64) {
    let fake = FakeClaude::sequence([Answer::overloaded()]).unlogged();
    let service = failover.layer(RetryLayer::default().layer(fake.clone()));
    let requests = 60 * per_second;
    let began = tokio::time::Instant::now();
    let mut tasks = Vec::new();
    for number in 0..requests {
        let at = Duration::from_millis(number * 1_000 / per_second);
        tokio::time::sleep_until(began + at).await;
        tasks.push(tokio::spawn(call(service.clone(), false)));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), Some(529));
    }
    (requests, fake.calls())
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_overload_costs_no_more_through_failover_around_retry() {
    // A full bucket, and what comes back by itself until the last has given up; five a retry.
    let floor = u64::from(RetryQuota::CAPACITY.get() + 65 * RetryQuota::FLOOR) / 5;
    let one = || FailoverLayer::new([Target::new("only")]).unwrap();
    for per_second in [1, 10, 50] {
        for (name, failover, targets) in [
            ("one target", one(), 1),
            ("two targets", targets(), 1),
            (
                "one target without a breaker",
                one().breaker(no_breaker()),
                1,
            ),
            (
                "two targets without a breaker",
                targets().breaker(no_breaker()),
                2,
            ),
        ] {
            let (requests, attempts) = storm(failover, per_second).await;
            println!("{name}: {requests} requests, {attempts} attempts, floor {floor}");
            // Moving on is no retry: without a breaker, each target is asked once.
            let most = requests * targets * 11 / 10 + floor;
            assert!(attempts <= most, "{name}: {attempts} of {requests}");
        }
    }
}
