use std::pin::pin;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio_test::{assert_pending, task};
use tower_claude_testkit::Step;
use tower_claude_usage_meter::{Outcome, SeenResults};

use crate::fetching::{Gate, SAMPLE, cut, data, fetch, line, metered};
use crate::support::take;

#[tokio::test]
async fn a_caller_who_leaves_anywhere_and_comes_again_has_each_metered_once() {
    let lines: Vec<_> = (0..20).map(|n| line(&format!("{n:02}"))).collect();
    let ids: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
    let text = lines.join("\n");
    let frames = cut(&text, 61).len();
    for (taken, is_slow) in (0..=frames).flat_map(|taken| [(taken, false), (taken, true)]) {
        let gate = Gate::default();
        let (records, counts, layer) = metered(gate.clone());
        if !is_slow {
            gate.open();
        }
        let mut body = fetch(&layer, cut(&text, 61)).await;
        let mut passed = Vec::new();
        for _ in 0..taken {
            let mut frame = task::spawn(body.frame());
            if let std::task::Poll::Ready(Some(frame)) = frame.poll() {
                passed.extend(frame.unwrap().into_data().unwrap());
            }
        }
        drop(body);
        gate.open();
        counts.settled().await;
        let whole = |line: &&String| {
            let end = text.find(line.as_str()).unwrap() + line.len();
            end <= passed.len()
        };
        let whole = lines.iter().filter(whole).count();
        assert!(records.ids().len() >= whole, "what the caller has: {taken}");
        assert!(records.ids().len() <= whole + 2, "and no more: {taken}");

        take(fetch(&layer, cut(&text, 61)).await).await;
        assert_eq!(records.ids(), ids, "left after {taken}");
        assert_eq!((counts.metered(), counts.failed()), (20, 0));
    }
}

#[tokio::test]
async fn a_caller_who_has_all_but_the_end_has_all_metered() {
    let (records, counts, layer) = metered(SeenResults::default());
    let end = Step::Wait(Duration::from_secs(60));
    let mut body = fetch(&layer, vec![data(SAMPLE.trim_end()), end]).await;
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert_eq!(counts.metered(), 2, "the last line may go on");
    drop(body);
    counts.settled().await;
    assert_eq!(counts.metered(), 3);
    assert_eq!(records.of_fetch().outcome, Outcome::Dropped);
}

#[tokio::test]
async fn what_was_held_back_for_want_of_room_is_left_to_the_next() {
    let gate = Gate::default();
    let (records, counts, layer) = metered(gate.clone());
    let lines: Vec<_> = (0..65).map(|n| line(&format!("{n:02}"))).collect();
    let (asked, last) = lines.split_at(64);
    let first = format!("{}\n", asked[..63].join("\n"));
    let second = format!("{}\n{}", asked[63], last[0]);
    let end = Step::Wait(Duration::from_secs(60));
    let mut body = fetch(&layer, vec![data(first), data(second), end]).await;
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert_pending!(task::spawn(body.frame()).poll());
    assert_eq!(gate.asked(), 64);
    drop(body);
    gate.open();
    counts.settled().await;
    assert_eq!((counts.metered(), records.ids().len()), (64, 64));
    assert_eq!(counts.failed(), 0, "the caller did not get it");
    take(fetch(&layer, vec![data(lines.join("\n"))]).await).await;
    assert_eq!((counts.metered(), counts.repeated()), (65, 64));
}

#[tokio::test]
async fn what_breaks_off_has_what_came_metered_and_the_rest_later() {
    let (records, counts, layer) = metered(SeenResults::default());
    let text = ["a", "b", "c"].map(line).join("\n");
    let steps = vec![
        data(text[..text.len() - 5].to_owned()),
        Step::Fail("reset".into()),
    ];
    let mut body = pin!(fetch(&layer, steps).await);
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "reset");
    assert_eq!(records.ids(), ["a", "b"]);
    assert_eq!(
        counts.unreadable(),
        0,
        "a part of a line is nobody's mistake"
    );
    assert_eq!(records.of_fetch().outcome, Outcome::Truncated);
    take(fetch(&layer, vec![data(text)]).await).await;
    assert_eq!(records.ids(), ["a", "b", "c"]);
}

#[test]
fn where_nobody_can_wait_for_the_answer_it_is_counted() {
    let (records, counts, layer) = metered(Gate::default());
    let mut ask = task::spawn(async {
        let mut body = fetch(&layer, vec![data(SAMPLE), Step::Stall]).await;
        let _ = body.frame().await;
        drop(body);
    });
    assert!(
        ask.poll().is_ready(),
        "there is no runtime, and none is needed"
    );
    assert_eq!((counts.metered(), counts.failed()), (0, 3));
    assert!(records.ids().is_empty());
    assert_eq!(records.of_fetch().cost, None, "some of it has no record");
}

#[test]
fn a_runtime_that_ends_counts_what_was_not_answered() {
    let (records, counts, layer) = metered(Gate::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        let mut body = fetch(&layer, vec![data(SAMPLE), Step::Stall]).await;
        assert!(body.frame().await.is_some());
        drop(body);
        tokio::task::yield_now().await;
    });
    assert_eq!(counts.failed(), 0, "they are waited for");
    drop(runtime);
    assert_eq!((counts.metered(), counts.failed()), (0, 3));
    assert!(records.ids().is_empty());
}
