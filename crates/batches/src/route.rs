use http::Method;
use tower_claude_core::{Refusal, RefusalKind};

/// What a call of the batches API asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Create,
    List,
    /// About one batch.
    Of(Box<str>, Errand),
}

/// What is wanted of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// To see it.
    Retrieve,
    /// To stop it, and see it.
    Cancel,
    Delete,
    /// What came of it.
    Results,
}

/// Where batches are, below whatever the API is nested in.
pub(crate) const BATCHES: &str = "/v1/messages/batches";

// === impl Route ===

impl Route {
    /// Whether a path may be one of batches; whoever reads the call decides.
    pub(crate) fn is_likely(path: &str) -> bool {
        path.contains(BATCHES)
    }

    /// What a call asks for whose endpoint is batches. What the API does not have is refused.
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, Refusal> {
        // Below it there are at most two segments: it is the last.
        let rest = path.rfind(BATCHES).map(|at| &path[at + BATCHES.len()..]);
        let mut segments = rest.unwrap_or_default().split('/').skip(1);
        let of = |id: &str, errand| Ok(Self::Of(id.into(), errand));
        match (method, segments.next(), segments.next(), segments.next()) {
            (&Method::POST, None, _, _) => Ok(Self::Create),
            (&Method::GET, None, _, _) => Ok(Self::List),
            (&Method::GET, Some(id), None, _) => of(id, Errand::Retrieve),
            (&Method::DELETE, Some(id), None, _) => of(id, Errand::Delete),
            (&Method::POST, Some(id), Some("cancel"), None) => of(id, Errand::Cancel),
            (&Method::GET, Some(id), Some("results"), None) => of(id, Errand::Results),
            (_, _, None | Some("cancel" | "results"), None) => Err(Refusal::new(
                RefusalKind::MethodNotAllowed,
                "the path is not served with this method",
            )),
            _ => Err(Refusal::new(
                RefusalKind::NotFound,
                "no such path is served here",
            )),
        }
    }

    /// What the path of a call begins with before that of the API.
    pub(crate) fn prefix(path: &str) -> &str {
        path.rfind(BATCHES).map_or("", |at| &path[..at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &Method, path: &str) -> Result<Route, u16> {
        Route::of(method, path).map_err(|refusal| refusal.kind().status())
    }

    #[test]
    fn knows_what_the_api_has_wherever_it_is_nested() {
        for prefix in ["", "/claude", "/v1/messages/batches/claude"] {
            let path = |rest: &str| format!("{prefix}/v1/messages/batches{rest}");
            let of = |errand| Ok(Route::Of("b_1".into(), errand));
            assert_eq!(route(&Method::POST, &path("")), Ok(Route::Create));
            assert_eq!(route(&Method::GET, &path("")), Ok(Route::List));
            assert_eq!(route(&Method::GET, &path("/b_1")), of(Errand::Retrieve));
            assert_eq!(route(&Method::DELETE, &path("/b_1")), of(Errand::Delete));
            let (cancel, results) = (path("/b_1/cancel"), path("/b_1/results"));
            assert_eq!(route(&Method::POST, &cancel), of(Errand::Cancel));
            assert_eq!(route(&Method::GET, &results), of(Errand::Results));
            assert_eq!(Route::prefix(&results), prefix);
        }
    }

    #[test]
    fn refuses_what_the_api_does_not_have() {
        let path = "/v1/messages/batches/b_1";
        assert_eq!(route(&Method::POST, path), Err(405));
        assert_eq!(route(&Method::GET, &format!("{path}/cancel")), Err(405));
        assert_eq!(route(&Method::POST, &format!("{path}/results")), Err(405));
        assert_eq!(route(&Method::DELETE, &format!("{path}/results")), Err(405));
        assert_eq!(route(&Method::DELETE, "/v1/messages/batches"), Err(405));
        assert_eq!(route(&Method::GET, &format!("{path}/other")), Err(404));
        assert_eq!(route(&Method::GET, &format!("{path}/results/x")), Err(404));
    }
}
