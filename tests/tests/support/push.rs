//! Makes calls and shows all that can be seen of them.

use std::error::Error;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_claude::core::{BoxError, Call, CallBody, Failure, Refusal, TransportError, UsageCell};
use tower_layer::Layer;
use tower_service::Service;

use super::endings::{Ending, Leaves, message};
use super::evidence::{Evidence, TENANT_KEY};
use super::upstream::Upstream;

/// How long a caller waits for the head, and for each frame.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs every ending through a layer, made anew for each.
pub(crate) async fn run<L, B>(
    name: &str,
    layer: impl Fn() -> L,
    endings: fn() -> Vec<Ending>,
    evidence: &Evidence,
) where
    L: Layer<Upstream> + Debug,
    L::Service:
        Service<Request<CallBody>, Response = Response<B>, Error = TransportError> + Clone + Debug,
    <L::Service as Service<Request<CallBody>>>::Future: Debug,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Debug,
{
    for ending in endings() {
        let layer = layer();
        let mut upstream = Upstream::new(ending.answer, ending.panics);
        if matches!(name, "the whole stack" | "TenantAuth" | "Authorize") {
            upstream = upstream.showing(evidence);
        }
        let place = format!("{name}, {}", ending.name);
        evidence.shown(format!("{place}: layer"), &layer);
        let service = layer.layer(upstream);
        push(
            &place,
            service.clone(),
            ending.request,
            ending.leaves,
            evidence,
        )
        .await;
        evidence.shown(format!("{place}: service"), &service);
        // A limit of the tenant is spent by now.
        let again = message(TENANT_KEY);
        push(
            &format!("{place}, again"),
            service,
            again,
            Leaves::Never,
            evidence,
        )
        .await;
    }
}

/// Makes one call and shows all that can be seen of it.
pub(crate) async fn push<S, B>(
    place: &str,
    mut service: S,
    request: Request<CallBody>,
    leaves: Leaves,
    evidence: &Evidence,
) where
    S: Service<Request<CallBody>, Response = Response<B>>,
    S::Error: Error + 'static,
    S::Future: Debug,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Debug,
{
    service.ready().await.unwrap();
    let future = catch_unwind(AssertUnwindSafe(|| service.call(request)));
    let Ok(future) = future else {
        return;
    };
    let mut future = pin!(future);
    evidence.shown(format!("{place}: future"), &future);
    let head = std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        evidence.shown(format!("{place}: future"), &future);
        match polled {
            Ok(Poll::Pending) if leaves == Leaves::BeforeTheHead => Poll::Ready(None),
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    let response = match tokio::time::timeout(PATIENCE, head).await {
        Ok(Some(Ok(response))) => response,
        Ok(Some(Err(error))) => return evidence.failed(format!("{place}: error"), &error),
        Ok(None) | Err(_) => return,
    };
    show_head(place, &response, evidence);
    show_body(place, response.into_body(), leaves, evidence).await;
}

pub(crate) fn show_head<B: Debug>(place: &str, response: &Response<B>, evidence: &Evidence) {
    evidence.shown(format!("{place}: response"), response);
    for (name, value) in response.headers() {
        evidence.sent(format!("{place}: header {name}"), value);
    }
    let extensions = response.extensions();
    evidence.shown(format!("{place}: Failure"), &extensions.get::<Failure>());
    evidence.shown(
        format!("{place}: UsageCell"),
        &extensions.get::<UsageCell>(),
    );
    evidence.shown(format!("{place}: Call"), &extensions.get::<Call>());
    if let Some(refusal) = extensions.get::<Refusal>() {
        evidence.failed(format!("{place}: Refusal"), refusal);
    }
}

async fn show_body<B>(place: &str, body: B, leaves: Leaves, evidence: &Evidence)
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Debug,
{
    let mut body = pin!(body);
    let mut sent = Vec::new();
    loop {
        evidence.shown(format!("{place}: body"), &body);
        let frame = std::future::poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(cx)));
            polled.unwrap_or(Poll::Ready(None))
        });
        let frame = tokio::time::timeout(PATIENCE, frame).await;
        match frame {
            Ok(Some(Ok(frame))) => sent.extend(frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) => {
                let error: BoxError = error.into();
                evidence.failed(format!("{place}: body error"), &*error);
                break;
            }
            Ok(None) | Err(_) => break,
        }
        if leaves == Leaves::InMidStream && sent.len() > 1_000 {
            break;
        }
    }
    evidence.shown(format!("{place}: body"), &body);
    evidence.sent(format!("{place}: body"), sent);
}
