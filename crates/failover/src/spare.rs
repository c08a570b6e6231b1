use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use tower_claude_core::{Call, CallBody, RequestId, Target, Tenant};

/// What it takes to ask once more, kept while a target is asked.
///
/// One allocation for a usual request: the body and the extensions of core are reference
/// counts, and the map of headers is put together again only when it is needed.
pub(crate) struct Spare {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Kept,
    body: CallBody,
}

/// The extensions of a request, but for its target.
enum Kept {
    /// Those of core: nothing else was there.
    Own {
        tenant: Option<Tenant>,
        call: Call,
        id: Option<RequestId>,
    },
    /// All, copied one by one.
    All(Box<Extensions>),
}

// === impl Spare ===

impl Spare {
    /// Keeps a request; `None` if its body can be read only once.
    pub(crate) fn of(request: &Request<CallBody>) -> Option<Self> {
        let body = request.body().try_clone()?;
        let headers = request.headers();
        let mut kept = Vec::with_capacity(headers.len());
        kept.extend(
            headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: kept,
            extensions: Kept::of(request.extensions()),
            body,
        })
    }

    /// The request once more, and what it takes to ask yet again.
    pub(crate) fn copy(&self) -> Option<Request<CallBody>> {
        let mut request = Request::new(self.body.try_clone()?);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = map(self.headers.iter().cloned(), self.headers.len());
        *request.extensions_mut() = match &self.extensions {
            Kept::Own { tenant, call, id } => own(tenant.clone(), call.clone(), *id),
            Kept::All(extensions) => Extensions::clone(extensions),
        };
        Some(request)
    }

    /// The request for the last time.
    pub(crate) fn into_request(self) -> Request<CallBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        let count = self.headers.len();
        *request.headers_mut() = map(self.headers, count);
        *request.extensions_mut() = match self.extensions {
            Kept::Own { tenant, call, id } => own(tenant, call, id),
            Kept::All(extensions) => *extensions,
        };
        request
    }
}

// === impl Kept ===

impl Kept {
    fn of(extensions: &Extensions) -> Self {
        let tenant: Option<&Tenant> = extensions.get();
        let call: Option<&Call> = extensions.get();
        let id: Option<&RequestId> = extensions.get();
        let target: Option<&Target> = extensions.get();
        let own = [
            tenant.is_some(),
            call.is_some(),
            id.is_some(),
            target.is_some(),
        ]
        .into_iter()
        .filter(|is_there| *is_there)
        .count();
        match call {
            Some(call) if own == extensions.len() => Self::Own {
                tenant: tenant.cloned(),
                call: call.clone(),
                id: id.copied(),
            },
            _ => Self::All(Box::new(extensions.clone())),
        }
    }
}

fn own(tenant: Option<Tenant>, call: Call, id: Option<RequestId>) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(call);
    if let Some(tenant) = tenant {
        extensions.insert(tenant);
    }
    if let Some(id) = id {
        extensions.insert(id);
    }
    extensions
}

/// Headers of one name keep their order.
fn map(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>, count: usize) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(count);
    for (name, value) in headers {
        map.append(name, value);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_claude_core::{Intake, Prepare, TenantId};

    async fn request(foreign: bool) -> Request<CallBody> {
        let mut request = Request::post("/v1/messages?beta=true")
            .header("accept", "a/b")
            .header("anthropic-beta", "one")
            .header("anthropic-beta", "two")
            .body(CallBody::from(
                r#"{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}"#,
            ))
            .unwrap();
        let mut key = HeaderValue::from_static("k");
        key.set_sensitive(true);
        request.headers_mut().insert("x-api-key", key);
        let extensions = request.extensions_mut();
        extensions.insert(Tenant::new(TenantId::new("web").unwrap()));
        extensions.insert(RequestId::generate());
        if foreign {
            extensions.insert(7_u8);
        }
        Prepare::new(request, &Intake::new()).await.unwrap().request
    }

    fn assert_same(copy: &Request<CallBody>, request: &Request<CallBody>) {
        assert_eq!(copy.method(), request.method());
        assert_eq!(copy.uri(), request.uri());
        assert_eq!(copy.headers(), request.headers());
        assert!(copy.headers()["x-api-key"].is_sensitive());
        let bytes = |request: &Request<CallBody>| request.body().as_bytes().unwrap().as_ptr();
        assert_eq!(bytes(copy), bytes(request), "the same buffer");
        let tenant = copy.extensions().get::<Tenant>().unwrap();
        assert_eq!(tenant.id().as_str(), "web");
        assert_eq!(
            copy.extensions().get::<RequestId>(),
            request.extensions().get::<RequestId>()
        );
        assert_eq!(
            copy.extensions().get::<u8>(),
            request.extensions().get::<u8>()
        );
        assert_eq!(
            Call::of(copy).unwrap().id(),
            Call::of(request).unwrap().id()
        );
    }

    #[tokio::test]
    async fn a_copy_is_the_same_request() {
        for foreign in [false, true] {
            let request = request(foreign).await;
            let spare = Spare::of(&request).unwrap();
            assert_eq!(matches!(spare.extensions, Kept::All(_)), foreign);
            assert_same(&spare.copy().unwrap(), &request);
            assert_same(&spare.into_request(), &request);
        }
    }
}
