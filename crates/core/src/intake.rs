use std::sync::Arc;

use http::Request;

use crate::endpoint::NoEndpoint;
use crate::{ByteSemaphore, Endpoint, Refusal, RefusalKind};

/// How requests are taken in: which paths, how large, out of which memory.
///
/// Every layer that reads bodies has one. The outermost decides, because the inner ones find
/// the body read already.
#[derive(Clone, Debug)]
pub struct Intake {
    body_limit: usize,
    batch_limit: usize,
    semaphore: ByteSemaphore,
    prefix: Arc<str>,
    passthrough: Arc<[Box<str>]>,
}

const MIB: usize = 1024 * 1024;

// === impl Intake ===

impl Intake {
    /// The API's own limits: 32 MiB for a message, 256 MiB for a batch; memory from
    /// [`ByteSemaphore::process`]; no prefix, nothing passed through.
    #[must_use]
    pub fn new() -> Self {
        Self {
            body_limit: 32 * MIB,
            batch_limit: 256 * MIB,
            semaphore: ByteSemaphore::process(),
            prefix: "".into(),
            passthrough: [].into(),
        }
    }

    /// Limits the body of one request, in bytes; batches keep their own limit.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Limits the body of one batch, in bytes.
    #[must_use]
    pub fn batch_limit(mut self, bytes: usize) -> Self {
        self.batch_limit = bytes;
        self
    }

    /// Takes the memory for bodies from this semaphore.
    #[must_use]
    pub fn semaphore(mut self, semaphore: ByteSemaphore) -> Self {
        self.semaphore = semaphore;
        self
    }

    /// Expects this before every path, as when the API is nested in an app's router:
    /// with `/claude`, messages are at `/claude/v1/messages`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.trim_end_matches('/').into();
        self
    }

    /// Lets paths that begin so through, unread and unmetered: `/v1/skills`, or
    /// `/my.Service/` of a gRPC server.
    ///
    /// A prefix ends at a segment: `/v1/skills` does not cover `/v1/skillset`.
    #[must_use]
    pub fn passthrough<P>(mut self, prefixes: impl IntoIterator<Item = P>) -> Self
    where
        P: Into<Box<str>>,
    {
        self.passthrough = prefixes.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn limit(&self, endpoint: Endpoint) -> usize {
        match endpoint {
            Endpoint::Batches => self.batch_limit,
            _ => self.body_limit,
        }
    }

    pub(crate) fn memory(&self) -> &ByteSemaphore {
        &self.semaphore
    }

    pub(crate) fn endpoint<B>(&self, request: &Request<B>) -> Result<Endpoint, Refusal> {
        let path = request.uri().path();
        let passes = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/')
            })
        };
        if self.passthrough.iter().any(|prefix| passes(prefix)) && is_literal(path) {
            return Ok(Endpoint::Passthrough);
        }
        path.strip_prefix(&*self.prefix)
            .ok_or(NoEndpoint::UnknownPath)
            .and_then(|path| Endpoint::find(request.method(), path))
            .map_err(|error| match error {
                NoEndpoint::UnknownPath => {
                    Refusal::new(RefusalKind::NotFound, "no such path is served here")
                }
                NoEndpoint::WrongMethod => Refusal::new(
                    RefusalKind::MethodNotAllowed,
                    "the path is not served with this method",
                ),
            })
    }
}

/// Whether a path says where it leads: no escapes, no dot segments, no empty segments.
fn is_literal(path: &str) -> bool {
    !path.contains(['%', ';', '\\'])
        && !path.contains("//")
        && path
            .split('/')
            .all(|segment| !matches!(segment, "." | ".."))
}

impl Default for Intake {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(intake: &Intake, path: &str) -> Option<Endpoint> {
        let request = Request::post(path).body(()).unwrap();
        intake.endpoint(&request).ok()
    }

    #[test]
    fn what_is_not_metered_does_not_pass() {
        let intake = Intake::new();
        assert_eq!(
            endpoint(&intake, "/v1/messages?beta=true"),
            Some(Endpoint::Messages)
        );
        assert_eq!(endpoint(&intake, "/v1/complete"), None);
        assert_eq!(endpoint(&intake, "/v1/agents"), None);
    }

    #[test]
    fn a_passthrough_prefix_ends_at_a_segment_and_at_no_trick() {
        let intake = Intake::new().passthrough(["/v1/skills", "/demo.Greeter/"]);
        assert_eq!(endpoint(&intake, "/v1/skills"), Some(Endpoint::Passthrough));
        assert_eq!(
            endpoint(&intake, "/v1/skills/s_1"),
            Some(Endpoint::Passthrough)
        );
        assert_eq!(
            endpoint(&intake, "/demo.Greeter/Hello"),
            Some(Endpoint::Passthrough)
        );
        for trick in [
            "/v1/skillset",
            "/v1/skills/../messages",
            "/v1/skills/%2e%2e/messages",
            "/v1/skills//messages",
        ] {
            assert_eq!(endpoint(&intake, trick), None, "{trick}");
        }
    }

    #[test]
    fn a_nested_api_is_found_below_its_prefix_only() {
        let intake = Intake::new().prefix("/claude/");
        assert_eq!(
            endpoint(&intake, "/claude/v1/messages"),
            Some(Endpoint::Messages)
        );
        assert_eq!(endpoint(&intake, "/v1/messages"), None);
    }
}
