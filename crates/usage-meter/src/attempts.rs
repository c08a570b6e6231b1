use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{Attempt, AttemptLog, End, Failure, FailureKind, Target};
use tower_claude_pricing::{Cost, Unpriced};

use crate::bill::{Biller, is_success};
use crate::{AttemptOutcome, AttemptRecord, AttemptRecords, UsageRecord};

/// The log of a call as it stands, and what it has cost so far.
pub(crate) struct Attempts {
    records: AttemptRecords,
    /// What those cost whose answer the caller does not get.
    billed: Result<Cost, Unpriced>,
    /// Whether one of them may have been billed, and nobody can say how much.
    is_unknown: bool,
    /// Which one the answer is of.
    of_answer: usize,
    /// Whether the caller gets the answer of one of them, which is billed apart.
    has_answer: bool,
    estimated_input_tokens: Option<u64>,
}

// === impl Attempts ===

impl Attempts {
    /// Reads the log; `has_answer` says that the caller gets the answer of one of them.
    pub(crate) fn read(
        log: &AttemptLog,
        started: Instant,
        biller: &mut Biller<'_>,
        has_answer: bool,
    ) -> Self {
        let mut chosen = None;
        let mut number = 0;
        log.for_each(|attempt| {
            if attempt.is_final {
                chosen = Some(number);
            }
            number += 1;
        });
        let of_answer = chosen.unwrap_or(number.max(1) - 1);
        let mut attempts = Self {
            records: AttemptRecords::default(),
            billed: Ok(Cost::ZERO),
            is_unknown: false,
            of_answer,
            has_answer,
            estimated_input_tokens: log.estimated_input_tokens(),
        };
        let started = started.into_std();
        log.for_each(|attempt| {
            if !has_answer || attempts.records.len() != of_answer {
                attempts.add(biller.attempt(attempt));
            }
            attempts.records.push(AttemptRecord {
                target: attempt.target.clone(),
                started: attempt.started.saturating_duration_since(started),
                status: attempt.status,
                outcome: outcome(attempt),
                retry_reason: attempt.reason,
            });
        });
        attempts
    }

    /// Adds the attempt that there was if nobody wrote a log.
    pub(crate) fn stand_in(&mut self, target: Option<Target>, failure: Option<&Failure>) {
        if !self.records.is_empty() {
            return;
        }
        self.is_unknown = !self.has_answer && failure.is_none_or(Failure::possibly_billed);
        self.records.push(AttemptRecord {
            target,
            started: Duration::ZERO,
            status: failure.and_then(|failure| failure.status),
            outcome: match failure {
                Some(failure) => AttemptOutcome::Failed(failure.kind),
                None => AttemptOutcome::Ended(End::Dropped),
            },
            retry_reason: None,
        });
    }

    /// Says of the last attempt that it ended in an error that nobody classified.
    pub(crate) fn panicked(&mut self) {
        let last = self.records.len().saturating_sub(1);
        if let Some(last) = self.records.get_mut(last) {
            last.outcome = AttemptOutcome::Ended(End::Errored);
        }
    }

    /// Writes the log into the record; which attempt the answer is of is the answer.
    pub(crate) fn write(self, record: &mut UsageRecord, biller: &Biller<'_>) -> usize {
        record.bill(match self.billed {
            // What is known of the others is no sum: nobody could see what is missing in it.
            Ok(_) if self.is_unknown && !biller.is_free() => Err(Unpriced::UsageMissing),
            billed => billed,
        });
        record.price_version = biller.version();
        let asked_last = self.records.iter().nth(self.of_answer);
        if let Some(target) = asked_last.and_then(|attempt| attempt.target.clone()) {
            record.target = Some(target);
        }
        record.attempt_log = self.records;
        record.estimated_input_tokens = self.estimated_input_tokens;
        self.of_answer
    }

    fn add(&mut self, cost: Result<Cost, Unpriced>) {
        match (&mut self.billed, cost) {
            (_, Err(Unpriced::UsageMissing)) => self.is_unknown = true,
            (Ok(sum), Ok(cost)) => *sum = sum.saturating_add(cost),
            (billed @ Ok(_), Err(reason)) => *billed = Err(reason),
            (Err(_), _) => {}
        }
    }
}

fn outcome(attempt: &Attempt) -> AttemptOutcome {
    let (failure, end) = match &attempt.usage {
        Some(cell) => cell.read(|metered| (metered.failure, metered.end)),
        None => (None, None),
    };
    match attempt.failure.or(failure) {
        Some(kind) => AttemptOutcome::Failed(kind),
        None => AttemptOutcome::Ended(end.unwrap_or(match attempt.status {
            None => End::Dropped,
            status if is_success(status) => End::Complete,
            _ => End::Errored,
        })),
    }
}

/// How the attempt ended whose answer the caller got.
pub(crate) fn settle(
    record: &mut UsageRecord,
    number: usize,
    end: End,
    failure: Option<FailureKind>,
) {
    let status = record.status;
    if let Some(attempt) = record.attempt_log.get_mut(number) {
        attempt.status = attempt.status.or(status);
        attempt.outcome = match (attempt.outcome, failure) {
            // Whoever wrote this looked closer.
            (known @ AttemptOutcome::Failed(_), _) => known,
            (_, Some(kind)) if end != End::Complete => AttemptOutcome::Failed(kind),
            _ => AttemptOutcome::Ended(end),
        };
    }
}
