//! What is settled when nobody waits any more.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::future::{Pending, Ready, pending, ready};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use support::{ESTIMATE, Stack, messages, wide};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::CallBody;
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, ServiceProbe, Step};
use tower_claude_token_budget::{
    Amounts, BudgetStore, LimitUsage, MemoryStore, Owner, Plan, Plans, Reservation, Reserved,
    Settlement, Standings, StoreError, Subject, TokenBudgetLayer,
};

/// Grants everything, and counts what it is told.
#[derive(Default)]
struct Counting {
    reserved: AtomicU64,
    settled: Mutex<Vec<Settlement>>,
}

impl BudgetStore for Counting {
    type Reserve = Ready<Result<Reserved, StoreError>>;
    type Usage = Ready<Result<Vec<LimitUsage>, StoreError>>;

    fn reserve(&self, _: Reservation) -> Self::Reserve {
        self.reserved.fetch_add(1, SeqCst);
        let standings = Standings::new();
        ready(Ok(Reserved::Granted { standings }))
    }

    fn extend(&self, more: Reservation) -> Self::Reserve {
        self.reserve(more)
    }

    fn settle(&self, settlement: Settlement) {
        self.settled.lock().unwrap().push(settlement);
    }

    fn usage(&self, _: &Subject, _: &Arc<Plan>) -> Self::Usage {
        ready(Ok(Vec::new()))
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_settled_exactly_once_whatever_ends_it() {
    let stream = || Answer::message("m").text("a b c d e f").into_stream();
    let answers = [
        Answer::message("m").text("hi").into_json(),
        stream(),
        stream().truncate_after(3),
        stream().reset_after(3),
        stream().stall_after(3),
        stream().error_event_after(1, "overloaded_error", "Overloaded"),
        Answer::overloaded(),
        Answer::refused_connection(),
        Answer::reset(),
        stream().head_delay(Duration::from_secs(1)),
        Answer::raw(204, "text/plain", ""),
    ];
    for answer in answers {
        // As many frames as that, then the body is dropped; 0 drops the response.
        for frames in [0, 1, 2, 3, 100] {
            let store = Arc::new(Counting::default());
            let plans = Plans::for_all(wide()).unwrap();
            let layer = TokenBudgetLayer::new(Arc::clone(&store), plans);
            let service = layer.layer(FakeClaude::sequence([answer.clone()]));
            if let Ok(response) = service.oneshot(messages(100, true)).await {
                let mut body = response.into_body();
                for _ in 0..frames {
                    let frame = tokio::time::timeout(Duration::from_secs(1), body.frame());
                    if !matches!(frame.await, Ok(Some(Ok(_)))) {
                        break;
                    }
                }
            }
            let settled = store.settled.lock().unwrap().len();
            assert_eq!((settled, store.reserved.load(SeqCst)), (1, 1), "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_its_head_is_charged_its_input() {
    let probe = ServiceProbe::new(FakeClaude::sequence([Answer::message("m")
        .into_json()
        .head_delay(Duration::from_secs(9))]));
    let handle = probe.handle();
    let stack = Stack::new(wide(), FakeClaude::default());
    let plans = Plans::for_all(wide()).unwrap();
    let service = TokenBudgetLayer::new(stack.store.clone(), plans).layer(probe);
    let mut call = task::spawn(service.oneshot(messages(100, true)));
    assert_pending!(call.poll());
    assert_eq!(stack.books().await[1], (0, ESTIMATE));
    drop(call);
    assert_eq!(
        handle.dropped_unfinished(),
        1,
        "the inner call is dropped too"
    );
    assert_eq!(stack.spent().await, (1, ESTIMATE, 0));
}

#[tokio::test]
async fn a_call_dropped_while_it_is_read_reserves_nothing() {
    let stack = Stack::new(wide(), FakeClaude::default());
    let silent = CallBody::new(ScriptedBody::new([Step::Stall]));
    let request = Request::post("/v1/messages").body(silent).unwrap();
    let mut call = task::spawn(stack.service.clone().oneshot(request));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((stack.spent().await, stack.fake.calls()), ((0, 0, 0), 0));
}

#[tokio::test]
async fn a_call_dropped_while_the_store_is_asked_releases_what_it_may_have_set_aside() {
    #[derive(Default)]
    struct Slow(Mutex<Vec<Settlement>>);
    impl BudgetStore for Slow {
        type Reserve = Pending<Result<Reserved, StoreError>>;
        type Usage = Pending<Result<Vec<LimitUsage>, StoreError>>;
        fn reserve(&self, _: Reservation) -> Self::Reserve {
            pending()
        }
        fn extend(&self, _: Reservation) -> Self::Reserve {
            pending()
        }
        fn settle(&self, settlement: Settlement) {
            self.0.lock().unwrap().push(settlement);
        }
        fn usage(&self, _: &Subject, _: &Arc<Plan>) -> Self::Usage {
            pending()
        }
    }
    let store = Arc::new(Slow::default());
    let layer = TokenBudgetLayer::new(Arc::clone(&store), Plans::for_all(wide()).unwrap());
    let fake = FakeClaude::default();
    let mut call = task::spawn(layer.layer(fake.clone()).oneshot(messages(100, true)));
    assert_pending!(call.poll());
    assert!(store.0.lock().unwrap().is_empty());
    drop(call);
    let settled = store.0.lock().unwrap();
    assert_eq!((settled.len(), settled[0].amounts), (1, Amounts::default()));
    assert_eq!(fake.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_settles_as_well() {
    let store = MemoryStore::new();
    let plans = Plans::for_all(wide()).unwrap();
    let layer = TokenBudgetLayer::new(store.clone(), plans.clone());
    let inner = tower::service_fn(
        async |_: Request<CallBody>| -> Result<
            http::Response<http_body_util::Empty<bytes::Bytes>>,
            std::convert::Infallible,
        > { panic!("inner") },
    );
    let call = tokio::spawn(layer.layer(inner).oneshot(messages(100, true)));
    assert!(call.await.unwrap_err().is_panic());
    let plan = plans.get(None).unwrap();
    let books = support::books(&store, &Subject::new(Owner::Anonymous), &plan).await;
    assert_eq!(books[..3], [(1, 0), (ESTIMATE, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_ready_has_let_go_of_its_parts() {
    let stack = Stack::answering(Answer::message("m").into_json());
    let mut call = task::spawn(stack.service.clone().oneshot(messages(100, false)));
    let response = assert_ready!(call.poll()).unwrap();
    drop(call);
    assert_eq!(stack.books().await[1], (0, ESTIMATE), "held by the body");
    drop(response);
    assert_eq!(stack.books().await[1].1, 0);
}
