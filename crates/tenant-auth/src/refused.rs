use http::Response;
use tower_claude_core::{Dialect, Refusal, RequestId, ResponseBody};

/// A refusal that waits to be asked for: what it takes to become an answer.
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) dialect: Dialect,
    pub(crate) id: RequestId,
}

// === impl Refused ===

impl Refused {
    pub(crate) fn respond<B>(self) -> Response<ResponseBody<B>> {
        self.refusal.respond(self.dialect, self.id)
    }
}
