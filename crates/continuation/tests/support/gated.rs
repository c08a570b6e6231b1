//! A layer of ours that would stand inside: it gates answers, and writes attempts down.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_claude_core::{
    Attempt, CallBody, Intake, Peek, PeekedBody, Prepare, TransportError, UsageCell,
};
use tower_claude_testkit::{FakeClaude, ScriptedBody};
use tower_service::Service;

/// Writes the log as retries do: each attempt takes itself for the last.
#[derive(Clone)]
pub(crate) struct Gated(pub(crate) FakeClaude);

type Answer = Result<Response<PeekedBody<ScriptedBody>>, TransportError>;

// === impl Gated ===

impl Service<Request<CallBody>> for Gated {
    type Response = Response<PeekedBody<ScriptedBody>>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CallBody>) -> Self::Future {
        let mut fake = self.0.clone();
        Box::pin(async move {
            let prepared = Prepare::new(request, &Intake::new()).await.expect("read");
            let (request, call) = (prepared.request, prepared.call);
            let log = call.attempts();
            let started = tokio::time::Instant::now().into_std();
            let number = log.begin(Attempt::new(None, started, None));
            if let Some(previous) = number.checked_sub(1) {
                log.update(previous, |attempt| attempt.is_final = false);
            }
            let peeked = Peek::new(fake.call(request).await?, &call).await;
            log.update(number, |attempt| {
                attempt.status = Some(peeked.response.status().as_u16());
                attempt.failure = peeked.failure.as_ref().map(|failure| failure.kind);
                attempt.usage = UsageCell::of(&peeked.response).cloned();
                attempt.is_final = true;
            });
            Ok(peeked.response)
        })
    }
}
