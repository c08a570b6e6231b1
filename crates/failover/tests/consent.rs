//! Targets that whoever pays for the call has something against.

mod support;

use std::sync::{Arc, Mutex};

use support::{Fleet, a_then_b, ask, good, hear};
use tower_claude_core::{Consent, Consider, Considering, Refusal, RefusalKind, Target};
use tower_claude_testkit::Answer;

/// Lets calls go to some targets, after a while.
#[derive(Clone, Default)]
struct Payer {
    pays_for: Vec<&'static str>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Consider for Payer {
    fn consider(&self, target: &Target) -> Option<Considering> {
        let name = target.name().to_owned();
        let pays = self.pays_for.contains(&target.name());
        self.asked.lock().expect("a lock").push(name.clone());
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            if pays {
                return Ok(());
            }
            Err(Refusal::new(
                RefusalKind::RateLimited,
                format!("no money for {name}"),
            ))
        }))
    }
}

async fn hear_with(fleet: &Fleet, pays_for: &[&'static str]) -> (support::Heard, Vec<String>) {
    let payer = Payer {
        pays_for: pays_for.to_vec(),
        ..Payer::default()
    };
    let mut request = ask();
    request.extensions_mut().insert(Consent::new(payer.clone()));
    let heard = hear(&a_then_b(fleet), request).await;
    let asked = payer.asked.lock().expect("a lock").clone();
    (heard, asked)
}

#[tokio::test(start_paused = true)]
async fn a_target_that_nobody_pays_for_is_passed_over() {
    let fleet = Fleet::answering([("a", good()), ("b", good())]);
    let (heard, asked) = hear_with(&fleet, &["b"]).await;
    assert_eq!(
        (heard.status, fleet.calls("a"), fleet.calls("b")),
        (200, 0, 1)
    );
    assert_eq!(asked, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn each_move_asks_again_and_a_refusal_is_the_callers_if_nothing_is_left() {
    let fleet = Fleet::answering([("a", Answer::overloaded()), ("b", good())]);
    let (heard, asked) = hear_with(&fleet, &["a"]).await;
    assert_eq!(asked, ["a", "b"]);
    assert_eq!(
        (heard.status, fleet.calls("a"), fleet.calls("b")),
        (429, 1, 0)
    );
    assert!(heard.text().contains("no money for b"), "{}", heard.text());
    let fleet = Fleet::answering([("a", Answer::overloaded()), ("b", good())]);
    let (heard, _) = hear_with(&fleet, &["a", "b"]).await;
    assert_eq!((heard.status, fleet.calls("b")), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_pays_for_at_all_goes_nowhere() {
    let fleet = Fleet::answering([("a", good()), ("b", good())]);
    let (heard, _) = hear_with(&fleet, &[]).await;
    assert_eq!(
        (heard.status, fleet.calls("a"), fleet.calls("b")),
        (429, 0, 0)
    );
}
