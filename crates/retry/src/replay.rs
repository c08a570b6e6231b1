use http::{Extensions, Method, Request, Uri, Version};
use tower_claude_core::{Call, CallBody, RequestId, Target, Tenant};

use crate::packed_headers::PackedHeaders;

/// A request kept to be sent again: the body by reference count, the head in
/// a form that is cheap to keep.
pub(crate) struct Replay {
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
    /// Keeps a request; `None` if its body is a stream.
    pub(crate) fn new(request: &Request<CallBody>) -> Option<Self> {
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
    pub(crate) fn request(&self) -> Option<Request<CallBody>> {
        let mut request = Request::new(self.body.try_clone()?);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.to_map()?;
        *request.extensions_mut() = self.extensions.to_map();
        Some(request)
    }

    pub(crate) fn target(&self) -> Option<&Target> {
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
