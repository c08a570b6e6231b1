use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::Fetch;
use super::in_flight::InFlight;
use super::line::Line;
use super::lines::{Found, Lines};
use super::question::Question;
use super::results::Unmetered;
use crate::{Delivery, UsageRecord};

/// Reads results along: every line is asked about before the caller has it, and what is not
/// answered by the time the caller leaves is settled by a task.
pub(crate) struct Reading {
    fetch: Arc<Fetch>,
    /// What the records of all results have in common.
    template: UsageRecord,
    lines: Lines,
    /// What has come and was not looked at.
    unread: Bytes,
    questions: InFlight<Question>,
    /// What is left when no more will come is to be looked at: it is a whole line, or may be
    /// a part of one.
    end: Option<bool>,
    /// Records on their way.
    deliveries: VecDeque<Delivery>,
    /// Where questions are settled that nobody waits for.
    runtime: Option<Handle>,
}

/// So many records may be on their way: a ledger writes many at a time.
const MOST_DELIVERIES: usize = 1_024;

// === impl Reading ===

impl Reading {
    pub(crate) fn new(fetch: Arc<Fetch>, template: UsageRecord) -> Self {
        Self {
            fetch,
            template,
            lines: Lines::default(),
            unread: Bytes::new(),
            questions: InFlight::default(),
            end: None,
            deliveries: VecDeque::new(),
            runtime: Handle::try_current().ok(),
        }
    }

    /// Whether the caller must not have the last of the results before the records are there.
    pub(crate) fn holds(&self) -> bool {
        self.fetch.ledger().holds()
    }

    /// Takes what is next of the results; what came before has been asked.
    pub(crate) fn push(&mut self, data: Bytes) {
        self.unread = data;
    }

    /// No more will come; what has come is whole, unless it broke off.
    pub(crate) fn end(&mut self, is_whole: bool) {
        self.end = Some(is_whole);
    }

    /// Asks about every line that has come; it is pending while too many are not answered.
    pub(crate) fn poll_asked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.poll_answers(cx);
            if self.unread.is_empty() && self.end.is_none() {
                return Poll::Ready(());
            }
            if self.questions.is_full() || self.deliveries.len() >= MOST_DELIVERIES {
                return Poll::Pending;
            }
            let question = match self.lines.next(&mut self.unread) {
                Some(Found::Line(line)) => self.ask(&line),
                Some(Found::TooLong) => {
                    self.fetch.miss(Unmetered::TooLong);
                    None
                }
                None => match self.end.take() {
                    Some(is_whole) => self.ask_last(is_whole),
                    None => None,
                },
            };
            // There is room, or it would be counted as failed.
            let _ = question.map(|question| self.questions.push(question));
        }
    }

    /// Waits until all is answered and recorded.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_answers(cx);
        match self.is_settled() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.questions.is_empty() && self.deliveries.is_empty()
    }

    /// Takes the answers that are there.
    fn poll_answers(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(answered)) = self.questions.poll_next(cx) {
            let delivery = answered.settle();
            if !delivery.is_delivered() {
                self.deliveries.push_back(delivery);
            }
        }
        while let Some(delivery) = self.deliveries.front_mut()
            && let Poll::Ready(delivered) = Pin::new(delivery).poll(cx)
        {
            if delivered.is_err() {
                self.fetch.undelivered();
            }
            self.deliveries.pop_front();
        }
    }

    /// Asks about what is left, a line without an end; a part of one is nobody's mistake.
    fn ask_last(&mut self, is_whole: bool) -> Option<Question> {
        let line = self.lines.finish()?;
        if is_whole || Line::read(&line).is_some() {
            self.ask(&line)
        } else {
            None
        }
    }

    fn ask(&self, line: &Bytes) -> Option<Question> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        match Line::read(line) {
            Some(Line::Succeeded { custom_id, message }) => {
                let record = self.fetch.record(&self.template, &custom_id, message);
                Question::ask(Arc::clone(&self.fetch), &custom_id, record)
            }
            Some(Line::Unbilled) => None,
            None => {
                self.fetch.miss(Unmetered::Unreadable);
                None
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Of the last line the caller may have all but its end.
        if !std::thread::panicking()
            && let Some(question) = self.ask_last(false)
        {
            // There is room: what came was kept when there was, and nothing was asked since.
            let _ = self.questions.push(question);
        }
        let mut questions = mem::take(&mut self.questions);
        if questions.is_empty() {
            return;
        }
        // They may be remembered as seen already: without an answer they would be lost. Where
        // there is no runtime, they are counted as failed.
        if let Some(runtime) = self.runtime.take() {
            runtime.spawn(async move {
                while let Some(answered) = poll_fn(|cx| questions.poll_next(cx)).await {
                    answered.settle_unheard();
                }
            });
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("batch", &self.fetch.batch())
            .field("is_settled", &self.is_settled())
            .finish_non_exhaustive()
    }
}
