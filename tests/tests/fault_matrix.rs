//! What happens to a call when upstream fails, fault by fault: the whole stack against the
//! table in `fault-matrix.md`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "fault_matrix/books.rs"]
mod books;
#[path = "fault_matrix/table.rs"]
mod table;

use std::num::NonZeroU32;
use std::time::Duration;

use books::{Books, dollars};
use table::Table;
use tower_claude::core::{Call, Target, Tenant, TenantId};
use tower_claude::failover::Breaker;
use tower_claude::platforms::BoundaryLayer;
use tower_claude::tenant_auth::{KeyDigest, StaticKey, StaticKeys};
use tower_claude::token_budget::Estimated;
use tower_claude::{
    AuthorizeLayer, FailoverLayer, RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_claude_testkit::fault_matrix::{FaultCase, FaultMatrix, FaultSpread, FaultTargets};
use tower_layer::Layer as _;

/// Three at each of two targets.
const MOST: usize = 6;

/// What a call is taken for before it is made, in tokens of input.
const ESTIMATE: u64 = 500;

/// The whole stack with its defaults, but for a breaker that shows each failure it counts and
/// backoffs that are always the longest.
async fn run(spread: FaultSpread, possibly_billed: bool) -> FaultMatrix {
    FaultMatrix::run(FaultCase::all(spread), |targets| {
        let tenant = Tenant::new(TenantId::new(Books::TENANT).unwrap());
        let key = StaticKey::new(KeyDigest::of(FaultCase::KEY), tenant);
        let failover = FailoverLayer::new([
            Target::new(FaultTargets::FIRST),
            Target::new(FaultTargets::SECOND).priority(1),
        ])
        .unwrap()
        .breaker(Breaker::new().failures(NonZeroU32::MIN))
        .possibly_billed(possibly_billed);
        let retry = RetryLayer::default()
            .jitter(|most: Duration| most)
            .possibly_billed(possibly_billed);
        let books = Books::new(failover.health());
        let budget = TokenBudgetLayer::new(books.store(), books.plans())
            .estimate(|_: &Call| Estimated::new(ESTIMATE))
            .prices(books::prices());
        let meter = UsageMeterLayer::new(books.sink()).prices(books::prices());

        let service = BoundaryLayer::new().layer(failover.layer(retry.layer(targets)));
        let service = AuthorizeLayer::new().layer(budget.layer(service));
        let auth = TenantAuthLayer::new(StaticKeys::new([key]).unwrap());
        let service = auth.layer(meter.layer(service));
        (service, async move || books.booking().await)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn every_fault_leads_to_what_the_table_says() {
    let first = run(FaultSpread::First, false).await;
    let all = run(FaultSpread::All, false).await;
    let once = run(FaultSpread::Once, false).await.unlike(&first);
    let billed = run(FaultSpread::First, true).await.unlike(&first);
    Table::new()
        .section("One target fails", &first)
        .section("Both targets fail", &all)
        .section("It happens once", &once)
        .section("What may have been billed is repeated", &billed)
        .compare();
}

#[tokio::test(start_paused = true)]
async fn in_every_case_the_books_agree_and_nothing_is_asked_after_content() {
    let mut problems = Vec::new();
    for spread in [FaultSpread::Once, FaultSpread::First, FaultSpread::All] {
        let matrix = run(spread, false).await;
        problems.extend(matrix.problems(MOST));
        for (case, seen) in matrix.iter() {
            let (charged, told) = (seen.booking.charged_cost, dollars(seen.told));
            if charged < told || (seen.is_told && charged != told) {
                problems.push(format!("{case:?}: charged {charged}, told {told}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn with_what_may_have_been_billed_repeated_nothing_is_asked_after_content_either() {
    let mut attempts = 0;
    for spread in [FaultSpread::Once, FaultSpread::First, FaultSpread::All] {
        for (case, seen) in run(spread, true).await.iter() {
            let is_bounded = seen.asked.len() <= MOST;
            let is_over = !case.phase().has_content() || seen.asked.len() == 1;
            assert!(is_bounded && is_over, "{case:?}: {seen:?}");
            assert!(seen.booking.charged_cost >= dollars(seen.told), "{seen:?}");
            attempts += seen.asked.len();
        }
    }
    assert!(attempts > 300, "only {attempts}");
}
