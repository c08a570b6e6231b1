use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::{Extensions, Request, Response, Version};
use tower_claude_core::{Call, CallBody, Target, TransportError};
use tower_service::Service;

use crate::base_url::BaseUrl;
use crate::headers::{self, ANTHROPIC_VERSION, IDENTITY, OLDEST_VERSION, X_API_KEY};
use crate::upstream_body::UpstreamBody;
use crate::{AnswerBody, ApiKey, ConfigError, HttpClient, ResponseFuture};

/// Anthropic's API, or anything at another base URL that speaks it.
///
/// Sends the bytes of a call as they are, the headers on a short list, and the key. See the
/// [crate docs](crate) for what travels. It is always ready, and a clone is a reference count.
#[derive(Clone)]
pub struct Anthropic(Arc<Shared>);

struct Shared {
    client: HttpClient,
    base: BaseUrl,
    key: ApiKey,
}

// === impl Anthropic ===

impl Anthropic {
    /// An account at a base URL, such as `https://api.anthropic.com`.
    ///
    /// A path in the URL comes before every path that is asked for. The connections are those
    /// of `client`, which any number of platforms may share.
    ///
    /// # Errors
    ///
    /// When the URL is not one of `http` or `https`, or has a query, a fragment or
    /// credentials in it.
    pub fn new(
        base_url: impl AsRef<str>,
        key: ApiKey,
        client: &HttpClient,
    ) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Shared {
            client: client.clone(),
            base: BaseUrl::parse(base_url.as_ref())?,
            key,
        })))
    }

    /// Sends a call; `target` is known to whoever chose this platform.
    pub(crate) fn send(
        &self,
        mut request: Request<CallBody>,
        target: Option<&Target>,
    ) -> ResponseFuture {
        // In place: a request is large, and every move of it copies it.
        match self.translate(&mut request, target) {
            Ok(()) => ResponseFuture::call(&self.0.client, request.map(UpstreamBody)),
            Err(error) => ResponseFuture::failed(error),
        }
    }

    fn translate(
        &self,
        request: &mut Request<CallBody>,
        target: Option<&Target>,
    ) -> Result<(), TransportError> {
        let target = request.extensions().get().or(target);
        if let Some(renamed) = renamed(Call::of(request), target, request.body())? {
            *request.body_mut() = CallBody::full(renamed);
        }
        let Some(uri) = self.0.base.join(request.uri_mut()) else {
            return Err(TransportError::not_sent("the request has no path"));
        };
        *request.uri_mut() = uri;
        // The caller's connection is not ours: neither its version nor what a host noted.
        *request.version_mut() = Version::HTTP_11;
        *request.extensions_mut() = Extensions::new();
        let headers = request.headers_mut();
        if !headers::keep_forwarded(headers) {
            headers.insert(ANTHROPIC_VERSION, OLDEST_VERSION);
        }
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        headers.insert(X_API_KEY, self.0.key.header());
        Ok(())
    }
}

/// The body with the model's name at the target, if it has another one there.
fn renamed(
    call: Option<&Call>,
    target: Option<&Target>,
    body: &CallBody,
) -> Result<Option<Bytes>, TransportError> {
    let (Some(call), Some(target)) = (call, target) else {
        return Ok(None);
    };
    let Some(here) = call.model().and_then(|asked| target.model_here(asked)) else {
        return Ok(None);
    };
    // The place of the name is known in the buffer that was read, and in no other.
    if call.body().is_none() || !call.is_of(body) {
        return Err(TransportError::not_sent(
            "the body was rewritten after its model was read",
        ));
    }
    Ok(call.body_with_model(here))
}

impl Service<Request<CallBody>> for Anthropic {
    type Response = Response<AnswerBody>;
    type Error = TransportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CallBody>) -> ResponseFuture {
        self.send(request, None)
    }
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic")
            .field("authority", &self.0.base.authority())
            .finish_non_exhaustive()
    }
}
