//! The fault matrix finds out stacks that do wrong.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::collections::BTreeSet;

use tower::{ServiceExt as _, service_fn};
use tower_claude_core::{CallBody, Target};
use tower_claude_testkit::fault_matrix::{
    Booking, CallerEnd, FaultBill, FaultCase, FaultMatrix, FaultPhase, FaultSpread, FaultTargets,
    Observation, UpstreamFault,
};

/// What was found wrong, each only once.
fn problems(matrix: &FaultMatrix, most: usize) -> BTreeSet<String> {
    let problems = matrix.problems(most).into_iter();
    problems
        .filter_map(|problem| Some(problem.split_once(':')?.0.to_owned()))
        .collect()
}

/// What one finds of a fault that is asked for once, without any stack.
async fn bare(fault: UpstreamFault, phase: FaultPhase, is_stream: bool) -> Observation {
    let found = |case: &FaultCase| {
        (case.fault(), case.phase(), case.is_stream()) == (fault, phase, is_stream)
    };
    let cases = FaultCase::all(FaultSpread::First).filter(found);
    let matrix = FaultMatrix::run(cases, |targets| (targets, async || Booking::default())).await;
    let (_, seen) = matrix.iter().next().unwrap();
    seen.clone()
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_asks_again_whatever_has_come_is_found_out() {
    let stack = |targets: FaultTargets| {
        let twice = service_fn(move |request: http::Request<CallBody>| {
            let targets = targets.clone();
            async move {
                let first = http::Request::post("/v1/messages").body(CallBody::empty());
                let _ = targets.clone().oneshot(first.unwrap()).await;
                targets.oneshot(request).await
            }
        });
        (twice, async || Booking::default())
    };
    let matrix = FaultMatrix::run(FaultCase::all(FaultSpread::First), stack).await;
    let found = problems(&matrix, 1);
    for problem in ["an attempt after content", "too many attempts"] {
        assert!(found.contains(problem), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_without_books_is_found_out() {
    let stack = |targets| (targets, async || Booking::default());
    let matrix = FaultMatrix::run(FaultCase::all(FaultSpread::All), stack).await;
    let found = problems(&matrix, 1);
    for problem in [
        "not exactly one record",
        "the record has not all attempts",
        "charged is not what was billed",
        "the unknown is charged nothing",
    ] {
        assert!(found.contains(problem), "{found:?}");
    }
    assert!(!found.contains("too many attempts"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_disagrees_with_the_budget_is_found_out() {
    let stack = |targets| {
        let booking = Booking {
            records: 1,
            attempts: 1,
            target: Some(FaultTargets::FIRST.to_owned()),
            cost: Some(2),
            charged_cost: 1,
            is_held: true,
            ..Booking::default()
        };
        (targets, async move || booking)
    };
    let matrix = FaultMatrix::run(FaultCase::all(FaultSpread::First), stack).await;
    let found = problems(&matrix, 1);
    for problem in [
        "the ledger and the budget disagree on the cost",
        "the budget still holds something",
    ] {
        assert!(found.contains(problem), "{found:?}");
    }
    assert!(!found.contains("not exactly one record"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn the_fault_is_where_its_phase_says() {
    use FaultPhase::{Content, NoReply, Started, Stopped};
    let seen = bare(UpstreamFault::Stalled, NoReply, true).await;
    assert_eq!(seen.caller.end, CallerEnd::NoAnswer);
    assert_eq!(seen.took.as_secs(), 300);

    let seen = bare(UpstreamFault::Reset, Started, true).await;
    assert_eq!(seen.caller.end, CallerEnd::Broken);
    assert!(!seen.caller.has_content && !seen.is_told);

    let seen = bare(UpstreamFault::Truncated, Content, true).await;
    assert_eq!(seen.caller.end, CallerEnd::Cut);
    assert!(seen.caller.has_content);

    let seen = bare(UpstreamFault::Truncated, Content, false).await;
    assert_eq!(seen.caller.end, CallerEnd::Cut);

    let seen = bare(UpstreamFault::Overloaded, Content, true).await;
    assert_eq!(seen.caller.end, CallerEnd::Error);
    assert_eq!(seen.caller.error_types, ["overloaded_error"]);

    let seen = bare(UpstreamFault::Reset, Stopped, true).await;
    assert_eq!(seen.caller.end, CallerEnd::Whole);
    assert_eq!((seen.told.input_tokens, seen.told.output_tokens), (700, 30));
    assert!(seen.is_told);
}

#[tokio::test]
async fn the_second_target_is_asked_by_its_name_alone() {
    let case = FaultCase::all(FaultSpread::First).next().unwrap();
    assert_eq!(case.bill(), FaultBill::Nothing);
    let targets = case.targets();
    let mut request = case.request();
    request
        .extensions_mut()
        .insert(Target::new(FaultTargets::SECOND));
    assert_eq!(
        targets.clone().oneshot(request).await.unwrap().status(),
        200
    );
    assert!(targets.clone().oneshot(case.request()).await.is_err());
    assert_eq!(targets.asked(), [FaultTargets::SECOND, FaultTargets::FIRST]);
    assert_eq!(targets.second().calls(), 1);
}
