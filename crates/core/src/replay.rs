use std::fmt;

use crate::packed_headers::PackedHeaders;
use crate::{Call, CallBody, RequestId, Target, Tenant};
use http::{Extensions, Method, Request, Uri, Version};

/// A request kept to be sent again.
///
/// Cheap to keep, because nearly no request is sent twice: the body and the extensions of this
/// crate are reference counts, and the headers are lines in one buffer. That is the one
/// allocation. Extensions of others are copied, which is dearer.
pub struct Replay {
    method: Method,
    uri: Uri,
    version: Version,
    headers: PackedHeaders,
    extensions: Kept,
    body: CallBody,
}

/// The extensions of a request.
enum Kept {
    /// Ours alone: handles that are put into a new map when it is needed, and no map is copied
    /// for the many requests that are never sent again.
    Known {
        call: Option<Call>,
        tenant: Option<Tenant>,
        target: Option<Target>,
        id: Option<RequestId>,
    },
    /// With somebody else's.
    All(Extensions),
}

// === impl Replay ===

impl Replay {
    /// Keeps a request; `None` if its body is a stream, which can be sent only once.
    #[must_use]
    pub fn new(request: &Request<CallBody>) -> Option<Self> {
        Some(Self {
            body: request.body().try_clone()?,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: PackedHeaders::new(request.headers()),
            extensions: Kept::new(request.extensions()),
        })
    }

    /// The request once more.
    #[must_use]
    pub fn request(&self) -> Option<Request<CallBody>> {
        let mut request = Request::new(self.body.try_clone()?);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.to_map()?;
        *request.extensions_mut() = self.extensions.to_map();
        Some(request)
    }

    /// The target it was sent to, if it named one.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match &self.extensions {
            Kept::Known { target, .. } => target.as_ref(),
            Kept::All(map) => map.get(),
        }
    }
}

// === impl Kept ===

impl Kept {
    fn new(map: &Extensions) -> Self {
        let call = map.get::<Call>();
        let tenant = map.get::<Tenant>();
        let target = map.get::<Target>();
        let id = map.get::<RequestId>();
        let known = [
            call.is_some(),
            tenant.is_some(),
            target.is_some(),
            id.is_some(),
        ];
        if map.len() > known.into_iter().filter(|is_there| *is_there).count() {
            return Self::All(map.clone());
        }
        Self::Known {
            call: call.cloned(),
            tenant: tenant.cloned(),
            target: target.cloned(),
            id: id.copied(),
        }
    }

    fn to_map(&self) -> Extensions {
        match self {
            Self::All(map) => map.clone(),
            Self::Known {
                call,
                tenant,
                target,
                id,
            } => {
                let mut map = Extensions::new();
                call.clone().map(|call| map.insert(call));
                tenant.clone().map(|tenant| map.insert(tenant));
                target.clone().map(|target| map.insert(target));
                id.map(|id| map.insert(id));
                map
            }
        }
    }
}

impl fmt::Debug for Replay {
    /// Prints where it goes, never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TenantId;
    use http::HeaderValue;

    fn request(foreign: bool) -> Request<CallBody> {
        let mut request = Request::post("/v1/messages?beta=true")
            .header("accept", "a/b")
            .header("anthropic-beta", "one")
            .header("anthropic-beta", "two")
            .body(CallBody::from("{}"))
            .unwrap();
        let mut key = HeaderValue::from_static("k");
        key.set_sensitive(true);
        request.headers_mut().insert("x-api-key", key);
        let extensions = request.extensions_mut();
        extensions.insert(Tenant::new(TenantId::new("web").unwrap()));
        extensions.insert(Target::new("first"));
        extensions.insert(RequestId::generate());
        if foreign {
            extensions.insert(7_u8);
        }
        request
    }

    #[test]
    fn what_comes_out_is_what_went_in() {
        for foreign in [false, true] {
            let request = request(foreign);
            let replay = Replay::new(&request).unwrap();
            assert_eq!(matches!(replay.extensions, Kept::All(_)), foreign);
            assert_eq!(replay.target().unwrap().name(), "first");
            for _ in 0..2 {
                let copy = replay.request().unwrap();
                assert_eq!(copy.method(), request.method());
                assert_eq!(copy.uri(), request.uri());
                assert_eq!(copy.headers(), request.headers());
                assert!(copy.headers()["x-api-key"].is_sensitive());
                let at = |request: &Request<CallBody>| request.body().as_bytes().unwrap().as_ptr();
                assert_eq!(at(&copy), at(&request), "the same buffer");
                assert_eq!(copy.extensions().len(), request.extensions().len());
                let id =
                    |request: &Request<CallBody>| *request.extensions().get::<RequestId>().unwrap();
                assert_eq!(id(&copy), id(&request));
            }
        }
    }

    #[test]
    fn a_stream_is_sent_once() {
        let body = CallBody::new(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")));
        assert!(Replay::new(&Request::new(body)).is_none());
    }
}
