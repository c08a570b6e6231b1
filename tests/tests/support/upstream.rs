use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_claude::core::{BoxError, Call, CallBody, Target, Tenant, TransportError};
use tower_claude_testkit::{Answer, FakeClaude, ResponseFuture, ScriptedBody};
use tower_service::Service;

use super::evidence::Evidence;

/// A fake Claude that may panic instead of answering, and shows what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    fake: FakeClaude,
    panics: Option<Panics>,
    evidence: Option<Evidence>,
}

/// Where it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panics {
    Call,
    Future,
    Body,
}

pub(crate) struct UpstreamFuture {
    future: Pin<Box<ResponseFuture<CallBody>>>,
    panics: Option<Panics>,
}

#[derive(Debug)]
pub(crate) struct UpstreamBody {
    body: ScriptedBody,
    panics: bool,
}

// === impl Upstream ===

impl Upstream {
    pub(crate) fn new(answer: Answer, panics: Option<Panics>) -> Self {
        Self {
            fake: FakeClaude::sequence([answer]),
            panics,
            evidence: None,
        }
    }

    /// Shows every request: for where the caller's credential is gone by now.
    pub(crate) fn showing(mut self, evidence: &Evidence) -> Self {
        self.evidence = Some(evidence.clone());
        self
    }
}

impl Service<Request<CallBody>> for Upstream {
    type Response = Response<UpstreamBody>;
    type Error = TransportError;
    type Future = UpstreamFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CallBody>) -> UpstreamFuture {
        if let Some(evidence) = &self.evidence {
            evidence.shown("the request below", &request);
            let extensions = request.extensions();
            evidence.shown("Call", &extensions.get::<Call>());
            evidence.shown("Tenant", &extensions.get::<Tenant>());
            evidence.shown("Target", &extensions.get::<Target>());
        }
        if self.panics == Some(Panics::Call) {
            panic();
        }
        UpstreamFuture {
            future: Box::pin(self.fake.call(request)),
            panics: self.panics,
        }
    }
}

/// Without a word on stderr.
fn panic() -> ! {
    resume_unwind(Box::new("a panic that a test asked for"))
}

// === impl UpstreamFuture ===

impl Future for UpstreamFuture {
    type Output = Result<Response<UpstreamBody>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.panics == Some(Panics::Future) {
            panic();
        }
        let panics = self.panics == Some(Panics::Body);
        let response = ready!(self.future.as_mut().poll(cx))?;
        Poll::Ready(Ok(response.map(|body| UpstreamBody { body, panics })))
    }
}

impl fmt::Debug for UpstreamFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamFuture")
    }
}

// === impl UpstreamBody ===

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.panics {
            panic();
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
