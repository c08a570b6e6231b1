use std::error::Error as _;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, response};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tower_claude_core::{
    Call, End, Failure, Refusal, RefusalKind, RequestId, Target, Tenant, Timestamp,
};

use crate::answer::{Answer, Progress, upstream_id};
use crate::attempts::Attempts;
use crate::batch_results::Reading;
use crate::bill::Biller;
use crate::names::Names;
use crate::shared::Ledger;
use crate::{Delivery, Departure, Outcome, UsageRecord};

/// Holds the record of one call and writes it exactly once, whatever ends the call.
///
/// It travels from the future into the body; dropped before the end, it says so.
pub(crate) struct Guard {
    ledger: Arc<dyn Ledger>,
    /// `None` once it is written.
    record: Option<Arc<UsageRecord>>,
    /// Until the head is out: then it is let go, and with it the request's body.
    call: Option<Call>,
    /// Where somebody may go on after the caller has left.
    departure: Option<Departure>,
    started: Instant,
    stage: Stage,
    has_read_call: bool,
    /// Still true in the drop after a panic in there.
    is_watching: bool,
}

/// How far the call has come.
#[derive(Debug)]
enum Stage {
    /// The request is being read.
    Arriving,
    /// The inner service is at work.
    Asked,
    /// Upstream's answer passes.
    Answered(Answer),
    /// All is said: an answer of our own passes, or there is none.
    Said,
}

// === impl Guard ===

impl Guard {
    pub(crate) fn new<B>(ledger: Arc<dyn Ledger>, request: &Request<B>) -> Self {
        let extensions = request.extensions();
        let call = Call::of(request).cloned();
        // A new one stands only if the caller leaves before there is a call with its own.
        let id = RequestId::of(extensions).unwrap_or_else(RequestId::generate);
        let feature = Arc::clone(&ledger.settings().unknown_feature);
        let mut record = UsageRecord::begin(Timestamp::now(), id, feature);
        record.tenant = extensions.get::<Tenant>().map(|t| t.id().clone());
        record.target = extensions.get::<Target>().cloned();
        Self {
            ledger,
            record: Some(Arc::new(record)),
            call,
            departure: extensions.get().cloned(),
            started: Instant::now(),
            stage: Stage::Arriving,
            has_read_call: false,
            is_watching: false,
        }
    }

    /// The call's id, until the record is written.
    pub(crate) fn id(&self) -> Option<RequestId> {
        self.record.as_ref().map(|record| record.request_id)
    }

    /// Whether the sink can take the record as it promises.
    pub(crate) fn is_ready(&self) -> bool {
        self.ledger.is_ready()
    }

    /// Whether the sink holds the ends of answers back.
    pub(crate) fn holds(&self) -> bool {
        self.record.is_some() && self.ledger.holds()
    }

    /// Runs something that may panic and remembers if it does.
    pub(crate) fn watch<R>(&mut self, run: impl FnOnce() -> R) -> R {
        self.is_watching = true;
        let output = run();
        self.is_watching = false;
        output
    }

    /// The inner service is about to be asked.
    pub(crate) fn asks(&mut self, call: Call) {
        self.call = Some(call);
        self.stage = Stage::Asked;
    }

    /// The inner service is at work: a good time for what takes some.
    pub(crate) fn waits(&mut self) {
        self.edit(|_, _| {});
    }

    /// The request could not be read; `head` is that of the refusal.
    pub(crate) fn refused(&mut self, call: Call, head: &mut response::Parts) {
        // A body that breaks off has no refusal to give: core wraps its error into one, with a
        // cause, and there is no buffer then. That is a caller who left.
        let has_left = |refusal: &Refusal| {
            refusal.kind() == RefusalKind::Invalid
                && refusal.source().is_some()
                && call.body().is_none()
        };
        let has_left = head.extensions.get().is_some_and(has_left);
        self.call = Some(call);
        if has_left {
            self.edit(|_, _| {});
            self.stage = Stage::Said;
            self.let_go(head);
        } else {
            self.answered(head);
        }
    }

    /// What reads the answer along, if it holds results that are to be metered.
    pub(crate) fn reads_results(&mut self, head: &response::Parts) -> Option<Reading> {
        let fetch = Arc::clone(&self.ledger).fetch()?;
        let reading = self.edit(|record, call| fetch.read(head, call, record));
        reading.flatten()
    }

    /// There is an answer, ours or upstream's, and its head is about to be handed out.
    pub(crate) fn answered(&mut self, head: &mut response::Parts) {
        let was_asked = matches!(self.stage, Stage::Asked);
        let ledger = Arc::clone(&self.ledger);
        let started = self.started;
        let stage = self.edit(|record, call| {
            record.status = Some(head.status.as_u16());
            let refusal = head.extensions.get::<Refusal>();
            if let Some(refusal) = refusal {
                let word = refusal.kind().error_type();
                record.error_type = Some(ledger.settings().names.get(word));
                record.outcome = outcome_of_refusal(refusal.kind());
            }
            if refusal.is_none() {
                record.upstream_request_id = upstream_id(&head.headers, call.id());
                return Stage::Answered(Answer::new(head, call));
            }
            if was_asked {
                let prices = ledger.settings().prices.load();
                let mut biller = Biller::new(&prices, record, ledger.settings());
                let mut log = Attempts::read(call.attempts(), started, &mut biller, false);
                if record.outcome != Outcome::Refused {
                    log.stand_in(record.target.clone(), head.extensions.get::<Failure>());
                }
                log.write(record, &biller);
            }
            Stage::Said
        });
        self.stage = stage.unwrap_or(Stage::Said);
        self.let_go(head);
    }

    /// The inner service failed instead of answering.
    pub(crate) fn failed(&mut self, failure: &Failure) -> Delivery {
        self.write_unanswered(Some(failure));
        self.stage = Stage::Said;
        self.edit(|record, _| record.outcome = Outcome::Errored);
        self.end(End::Errored)
    }

    /// A piece of the answer is about to pass.
    pub(crate) fn passes(&mut self) -> Progress {
        let Stage::Answered(answer) = &mut self.stage else {
            return Progress::Running;
        };
        if answer.has_begun() {
            let elapsed = self.started.elapsed();
            if let Some(record) = self.record.as_mut().and_then(Arc::get_mut) {
                record.time_to_first_token = Some(elapsed);
            }
        }
        answer.progress()
    }

    /// It is over, and the caller waits for the end; `looked` is how it looked from here.
    pub(crate) fn end(&mut self, looked: End) -> Delivery {
        let is_ours = matches!(self.stage, Stage::Said);
        match self.finish(looked) {
            // That nothing can be recorded has to be said, recorded or not.
            Some(record) if is_ours && !self.ledger.is_ready() => {
                self.ledger.hand_over(record);
                Delivery::delivered()
            }
            Some(record) => self.ledger.deliver(record),
            None => Delivery::delivered(),
        }
    }

    /// Writes the last into the record; `None` if that was done before.
    fn finish(&mut self, looked: End) -> Option<Arc<UsageRecord>> {
        self.record.as_ref()?;
        match mem::replace(&mut self.stage, Stage::Said) {
            Stage::Asked => self.write_unanswered(None),
            Stage::Arriving => {
                self.edit(|_, _| {});
            }
            Stage::Said => {}
            Stage::Answered(answer) => {
                if let Some(record) = self.record.as_mut().and_then(Arc::get_mut) {
                    answer.write(record, looked, self.started, self.ledger.settings());
                }
            }
        }
        let mut shared = self.record.take()?;
        if let Some(record) = Arc::get_mut(&mut shared) {
            let mut latency = self.started.elapsed();
            if let Some(left) = self.departure.as_ref().and_then(Departure::left) {
                record.outcome = Outcome::Dropped;
                latency = left.at.saturating_duration_since(self.started);
                let is_seen = |first: &Duration| *first <= latency;
                record.time_to_first_token = record.time_to_first_token.filter(is_seen);
                if left.before_head {
                    record.status = None;
                }
            }
            record.latency = Some(latency);
            if self.is_watching {
                record.outcome = Outcome::Errored;
            }
        }
        Some(shared)
    }

    /// The inner service was asked, and there is no answer.
    fn write_unanswered(&mut self, failure: Option<&Failure>) {
        let ledger = Arc::clone(&self.ledger);
        let (started, has_panicked) = (self.started, self.is_watching);
        self.edit(|record, call| {
            let prices = ledger.settings().prices.load();
            let mut biller = Biller::new(&prices, record, ledger.settings());
            let mut log = Attempts::read(call.attempts(), started, &mut biller, false);
            log.stand_in(record.target.clone(), failure);
            if has_panicked {
                log.panicked();
            }
            log.write(record, &biller);
        });
    }

    /// Changes the record by what the call says; the facts are in it by then.
    fn edit<R>(&mut self, change: impl FnOnce(&mut UsageRecord, &Call) -> R) -> Option<R> {
        let record = self.record.as_mut().and_then(Arc::get_mut)?;
        let call = self.call.as_ref()?;
        if !mem::replace(&mut self.has_read_call, true) {
            write_facts(record, call, &self.ledger.settings().names);
        }
        Some(change(record, call))
    }

    /// Gives the call to the head, for whoever wants to add headers.
    fn let_go(&mut self, head: &mut response::Parts) {
        if let Some(call) = self.call.take() {
            head.extensions.insert(call);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(record) = self.finish(End::Dropped) {
            self.ledger.hand_over(record);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("stage", &self.stage)
            .field("is_written", &self.record.is_none())
            .finish_non_exhaustive()
    }
}

const fn outcome_of_refusal(kind: RefusalKind) -> Outcome {
    match kind {
        // Made of upstream's failure to answer, by whoever had to answer something.
        RefusalKind::BadGateway | RefusalKind::GatewayTimeout => Outcome::Errored,
        _ => Outcome::Refused,
    }
}

/// Copies the facts: what is cut from the request's body would keep all of it alive.
fn write_facts(record: &mut UsageRecord, call: &Call, names: &Names) {
    let attribution = call.attribution();
    record.request_id = call.id();
    record.endpoint = call.endpoint();
    record.user = attribution.user.as_deref().map(Box::from);
    record.session = attribution.session.as_deref().map(Box::from);
    if let Some(feature) = &attribution.feature {
        record.feature = names.get(feature);
    }
    record.model = call.model().map(|model| names.get(model));
    record.stream = call.is_stream();
    record.system_prompt_sha256 = call.system_json().map(|json| Sha256::digest(json).into());
}
