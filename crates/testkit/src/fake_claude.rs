use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http_body::Body;
use tower_claude_core::{BoxError, TransportError};
use tower_service::Service;

use crate::scenario_table::ScenarioTable;
use crate::{Answer, Asked, ResponseFuture, ScriptedBody, TruthLog, standard};

/// A Claude API inside the process: a service that answers as it is told to.
///
/// Clones share everything: the responder, the count of calls, the log. It is always ready.
/// Dropping a call at any point is noted in the [`TruthLog`] and has no other effect.
#[derive(Clone)]
pub struct FakeClaude {
    shared: Arc<Shared>,
}

/// What all clones have in common; every field is cheap to clone for the builder methods.
#[derive(Clone)]
pub(crate) struct Shared {
    responder: Arc<dyn Fn(&Asked) -> Answer + Send + Sync>,
    calls: Arc<AtomicU64>,
    key: Option<Arc<str>>,
    truth: TruthLog,
    is_logged: bool,
    recorded: Option<Arc<Mutex<Vec<Asked>>>>,
}

// === impl FakeClaude ===

impl FakeClaude {
    /// A fake that asks a function for each answer.
    pub fn new(responder: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                responder: Arc::new(responder),
                calls: Arc::default(),
                key: None,
                truth: TruthLog::default(),
                is_logged: true,
                recorded: None,
            }),
        }
    }

    /// A fake that gives these answers in order, and the last one for ever.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn sequence(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a sequence needs an answer");
        let next = AtomicUsize::new(0);
        Self::new(move |_| {
            let at = next.fetch_add(1, Relaxed).min(answers.len() - 1);
            answers[at].clone()
        })
    }

    /// A fake that plays a [`Scenario`](crate::Scenario) where it is named, see there.
    #[must_use]
    pub fn scenarios() -> Self {
        let table = ScenarioTable::default();
        Self::new(move |asked| table.answer(asked))
    }

    /// Answers 401 unless this key comes as `x-api-key` or as a bearer token.
    #[must_use]
    pub fn require_key(self, key: impl Into<String>) -> Self {
        self.edit(|shared| shared.key = Some(key.into().into()))
    }

    /// Keeps no log: for benchmarks and long runs, whose log would grow without bound.
    #[must_use]
    pub fn unlogged(self) -> Self {
        self.edit(|shared| shared.is_logged = false)
    }

    /// Keeps every request, bodies included, for [`asked`](Self::asked).
    #[must_use]
    pub fn recording(self) -> Self {
        self.edit(|shared| shared.recorded = Some(Arc::default()))
    }

    /// What was asked so far, in order; empty unless it is [`recording`](Self::recording).
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared
            .recorded
            .as_ref()
            .map(|recorded| {
                let recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
                recorded.clone()
            })
            .unwrap_or_default()
    }

    /// How many calls were made, finished or not.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Relaxed)
    }

    /// The log of what was asked and reported; empty if it is [`unlogged`](Self::unlogged).
    #[must_use]
    pub fn truth(&self) -> TruthLog {
        self.shared.truth.clone()
    }

    fn edit(mut self, edit: impl FnOnce(&mut Shared)) -> Self {
        edit(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Default for FakeClaude {
    /// A fake that answers as the real API does, with usage that follows from the request.
    ///
    /// It knows `POST /v1/messages` and `/v1/messages/count_tokens`, `GET /v1/models` and
    /// `/v1/models/{id}`, and `HEAD /api/hello`; the rest is 400, 404 or 405. Input is a
    /// token for every four bytes of the body, half of it cached if the body asks for that;
    /// output never exceeds `max_tokens`.
    fn default() -> Self {
        Self::new(standard::answer)
    }
}

impl<B> Service<http::Request<B>> for FakeClaude
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = http::Response<ScriptedBody>;
    type Error = TransportError;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> ResponseFuture<B> {
        let call = self.shared.calls.fetch_add(1, Relaxed) + 1;
        let receipt = self.shared.is_logged.then(|| {
            let truth = &self.shared.truth;
            truth.begin(call, request.method(), request.uri())
        });
        ResponseFuture::new(Arc::clone(&self.shared), call, receipt, request)
    }
}

impl fmt::Debug for FakeClaude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeClaude")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        if let Some(recorded) = &self.recorded {
            recorded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(asked.clone());
        }
        if self.key.as_ref().is_some_and(|key| !presents(asked, key)) {
            return standard::unauthenticated(asked);
        }
        (self.responder)(asked)
    }
}

fn presents(asked: &Asked, key: &str) -> bool {
    let bearer = asked
        .header(AUTHORIZATION.as_str())
        .and_then(|value| value.strip_prefix("Bearer "));
    asked.header("x-api-key") == Some(key) || bearer == Some(key)
}
