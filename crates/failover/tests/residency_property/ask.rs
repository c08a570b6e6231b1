use http::Request;
use tower_claude_core::{CallBody, Consent, Consider, Considering, Refusal, RefusalKind, Target};

use crate::support::tenant;
use crate::world::{Labels, NAMES};

/// One call, made of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) tenant: usize,
    pub(crate) model: usize,
    pub(crate) endpoint: usize,
    /// Whether the answer is read to its end.
    pub(crate) stays: bool,
    /// A target that nobody pays for, if it is one.
    pub(crate) unpaid: usize,
}

/// Pays for all targets but one.
struct Payer(&'static str);

/// Says for whom a call is, down to the fake that is asked.
pub(crate) const TENANT: &str = "x-number";

const MODELS: [&str; 3] = ["claude-opus-5-5", "claude-haiku-5", "claude-sonnet-5-5"];

// === impl Ask ===

impl Ask {
    /// A message of the first tenant, paid for anywhere.
    pub(crate) const PLAIN: Self = Self {
        tenant: 0,
        model: 0,
        endpoint: 3,
        stays: true,
        unpaid: NAMES.len(),
    };

    pub(crate) fn request(self, number: usize, labels: &Labels) -> Request<CallBody> {
        let (path, body) = match self.endpoint {
            0 => ("/v1/messages/batches", r#"{"requests":[]}"#.to_owned()),
            1 => ("/v1/messages/count_tokens", self.message("")),
            2 => ("/v1/messages", self.message(r#","stream":true"#)),
            _ => ("/v1/messages", self.message("")),
        };
        let mut request = Request::post(path)
            .header("content-type", "application/json")
            .header(TENANT, number)
            .body(CallBody::from(body))
            .expect("a request");
        let extensions = request.extensions_mut();
        // Without a list there is no tenant at all, as where nobody has authenticated.
        if let Some(labels) = labels {
            extensions.insert(tenant(labels.iter().copied()));
        }
        if let Some(name) = NAMES.get(self.unpaid) {
            extensions.insert(Consent::new(Payer(name)));
        }
        request
    }

    fn message(self, more: &str) -> String {
        let model = MODELS[self.model % MODELS.len()];
        format!(r#"{{"model":"{model}","max_tokens":64{more},"messages":[]}}"#)
    }
}

// === impl Payer ===

impl Consider for Payer {
    fn consider(&self, target: &Target) -> Option<Considering> {
        let pays = target.name() != self.0;
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            if pays {
                return Ok(());
            }
            Err(Refusal::new(RefusalKind::RateLimited, "no money for it"))
        }))
    }
}
