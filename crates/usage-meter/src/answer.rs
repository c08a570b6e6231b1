use std::sync::Arc;

use http::{HeaderMap, HeaderName, response};
use tokio::time::Instant;
use tower_claude_core::{
    AttemptLog, Call, End, Endpoint, Failure, FailureKind, RequestId, UsageCell,
};

use crate::attempts::Attempts;
use crate::bill::{Biller, is_success};
use crate::shared::Settings;
use crate::{UpstreamId, UsageRecord, attempts, metered};

/// An answer of upstream's, while it passes.
#[derive(Debug)]
pub(crate) struct Answer {
    cell: UsageCell,
    /// Whether it is a stream of messages.
    is_stream: bool,
    /// Whether it is of messages: those have an end of their own that can be missing.
    is_messages: bool,
    awaits_first_token: bool,
    /// How it failed, if whoever looked into it says so.
    failure: Option<FailureKind>,
    /// Read at the end: what is inside of the body may still write.
    attempts: Arc<AttemptLog>,
}

/// How far an answer is, when data of it is about to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More is to come.
    Running,
    /// The caller has all of it with this, if the body ends here.
    Whole,
    /// The caller has all of it with this.
    Ended,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

// === impl Answer ===

impl Answer {
    pub(crate) fn new(head: &response::Parts, call: &Call) -> Self {
        let is_messages = call.endpoint() == Endpoint::Messages;
        // `tap` has put it there.
        let cell: UsageCell = head.extensions.get().cloned().unwrap_or_default();
        Self {
            is_stream: is_messages && cell.read(|metered| metered.is_stream),
            cell,
            is_messages,
            awaits_first_token: is_messages && head.status.is_success(),
            failure: head.extensions.get().map(|failure: &Failure| failure.kind),
            attempts: Arc::clone(call.attempts()),
        }
    }

    /// Whether the first content came with the data that has just passed.
    pub(crate) fn has_begun(&mut self) -> bool {
        let begins = self.awaits_first_token
            && (!self.is_stream || self.cell.read(|metered| metered.has_content));
        self.awaits_first_token &= !begins;
        begins
    }

    /// How far the answer is.
    pub(crate) fn progress(&self) -> Progress {
        if self.cell.has_ended() {
            Progress::Ended
        } else if !self.is_stream && self.cell.read(|metered| metered.is_whole) {
            Progress::Whole
        } else {
            Progress::Running
        }
    }

    /// Writes down how it ended; `looked` is how it looked from outside, `started` is when the
    /// call began.
    pub(crate) fn write(
        self,
        record: &mut UsageRecord,
        looked: End,
        started: Instant,
        settings: &Settings,
    ) {
        let end = if is_success(record.status) {
            match self.cell.read(|metered| metered.end) {
                Some(End::Truncated) if looked == End::Complete && !self.is_messages => looked,
                Some(said) => said,
                // Cut between whoever reads along and here.
                None if looked == End::Complete && self.is_stream => End::Truncated,
                None => looked,
            }
        } else {
            End::Errored
        };
        record.outcome = end.into();
        let prices = settings.prices.load();
        let mut biller = Biller::new(&prices, record, settings);
        let mut log = Attempts::read(&self.attempts, started, &mut biller, true);
        let failure = self.failure.map(Failure::new);
        log.stand_in(record.target.clone(), failure.as_ref());
        let attempt = log.write(record, &biller);
        let (cost, failure) = self.cell.read(|metered| {
            metered::write(record, metered, &settings.names);
            let cost = biller.answer(record.status, metered, record.target.as_ref());
            (cost, metered.failure)
        });
        attempts::settle(record, attempt, end, failure);
        let earlier = record.billed();
        record.bill(earlier.and_then(|earlier| Ok(earlier.saturating_add(cost?))));
        record.price_version = biller.version();
    }
}

/// Upstream's id of the answer: what the header says, unless it is our own.
pub(crate) fn upstream_id(headers: &HeaderMap, ours: RequestId) -> Option<UpstreamId> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    (id != ours.as_str() && (1..=128).contains(&id.len())).then(|| id.into())
}
