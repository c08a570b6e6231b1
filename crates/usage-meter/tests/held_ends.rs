//! The end of an answer that waits for its record, and what must not let it pass.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use support::message;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::CallBody;
use tower_claude_testkit::{ScriptedBody, Step, wire};
use tower_claude_usage_meter::{
    Delivery, Fanout, MeterBody, Undelivered, UsageMeterLayer, UsageRecord, UsageSink,
};

/// A sink that has a record when it is told so.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<oneshot::Sender<()>>>>);

impl Slow {
    fn has_it(&self) {
        for sender in self.0.lock().unwrap().drain(..) {
            let _ = sender.send(());
        }
    }
}

impl UsageSink for Slow {
    fn record(&self, _: Arc<UsageRecord>) {}

    fn deliver(&self, _: Arc<UsageRecord>) -> Delivery {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap().push(sender);
        Delivery::new(async move { receiver.await.map_err(|_| Undelivered) })
    }

    fn holds(&self) -> bool {
        true
    }
}

/// One that always panics, and may be one that is waited for.
struct Panics {
    holds: bool,
}

impl UsageSink for Panics {
    fn record(&self, _: Arc<UsageRecord>) {
        panic!("a sink of the host's");
    }

    fn holds(&self) -> bool {
        self.holds
    }
}

fn data(text: &str) -> Step {
    Step::Data(Bytes::copy_from_slice(text.as_bytes()))
}

fn json(steps: Vec<Step>) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::new(steps));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}

/// What comes through the layer of a call that is answered so.
async fn answered<K>(
    layer: &UsageMeterLayer<K>,
    answer: Response<ScriptedBody>,
) -> Response<MeterBody<ScriptedBody>>
where
    K: UsageSink + Send + Sync + 'static,
{
    let answer = Arc::new(Mutex::new(Some(answer)));
    let inner = tower::service_fn(move |_: Request<CallBody>| {
        let answer = answer.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    let request = message("claude-opus-5-5", false);
    layer.layer(inner).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn what_follows_a_whole_answer_does_not_release_it() {
    let slow = Slow::default();
    let layer = UsageMeterLayer::new(slow.clone());
    let answer = json(vec![data(wire::MESSAGE), data("\n"), data(" ")]);
    let response = answered(&layer, answer).await;
    let mut body = task::spawn(response.into_body());
    let mut frame = || body.enter(|cx, body| body.poll_frame(cx));
    assert_pending!(frame(), "no byte of it before its record");
    slow.has_it();
    let told =
        |frame: Option<Result<Frame<Bytes>, _>>| frame.unwrap().unwrap().into_data().unwrap();
    assert_eq!(told(assert_ready!(frame())), wire::MESSAGE);
    assert_eq!(told(assert_ready!(frame())), "\n");
    assert_eq!(told(assert_ready!(frame())), " ");
}

#[tokio::test]
async fn a_sink_that_panics_lets_nothing_pass_that_waits_for_another() {
    let slow = Slow::default();
    let panics = || Panics { holds: false };
    let fanout = Fanout::new().sink(slow.clone()).sink(panics());
    let pair = UsageMeterLayer::new((slow.clone(), panics()));
    let three = UsageMeterLayer::new((panics(), slow.clone(), panics()));
    let many = UsageMeterLayer::new(fanout);
    let answer = || json(vec![data(wire::MESSAGE)]);
    let bodies = [
        answered(&pair, answer()).await.map(BodyExt::boxed_unsync),
        answered(&three, answer()).await.map(BodyExt::boxed_unsync),
        answered(&many, answer()).await.map(BodyExt::boxed_unsync),
    ];
    for response in bodies {
        let mut whole = task::spawn(response.into_body().collect());
        assert_pending!(whole.poll());
        slow.has_it();
        assert_eq!(
            assert_ready!(whole.poll()).unwrap().to_bytes(),
            wire::MESSAGE
        );
    }
}

#[tokio::test]
async fn a_sink_that_is_waited_for_and_panics_has_failed() {
    let layer = UsageMeterLayer::new(Panics { holds: true });
    let answer = json(vec![data(wire::MESSAGE)]);
    let response = answered(&layer, answer).await;
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(whole, "", "nobody has recorded it");
}
