use crate::{Answer, Asked, Ended, TruthLog};

/// The open end of one entry of the log; travels from the call into the response body.
///
/// Dropped unsettled, it says that the receiver went away.
#[derive(Debug)]
pub(crate) struct Receipt {
    log: TruthLog,
    index: usize,
    answer: Option<Answer>,
    settled: bool,
}

// === impl Receipt ===

impl Receipt {
    pub(crate) const fn new(log: TruthLog, index: usize) -> Self {
        Self {
            log,
            index,
            answer: None,
            settled: false,
        }
    }

    /// Notes what was asked, once the request body is in.
    pub(crate) fn asked(&self, asked: &Asked) {
        self.log.edit(self.index, |entry| {
            entry.model = asked.model().map(str::to_owned);
            entry.stream = asked.is_stream();
        });
    }

    /// Notes the head, as it is sent.
    pub(crate) fn answered(&mut self, answer: &Answer) {
        let script = answer.script();
        self.log.edit(self.index, |entry| {
            entry.status = Some(script.status.as_u16());
            entry.error_type = script.content.error_type.clone();
            entry.usage = script.content.usage;
        });
        self.answer = Some(answer.clone());
    }

    /// Finishes the entry; no `Ended` means as the answer meant to.
    pub(crate) fn settle(mut self, ended: Option<Ended>, frames: u64, bytes: u64) {
        self.settled = true;
        let script = self.answer.as_ref().map(Answer::script);
        self.log.edit(self.index, |entry| {
            entry.ended = ended
                .or_else(|| script.map(|script| script.ended))
                .unwrap_or(Ended::Complete);
            entry.frames = frames;
            if let Some(script) = script {
                entry.events = script.content.events_within(bytes);
                entry.final_usage_delivered = script.content.usage_is_within(bytes);
            }
        });
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.settled {
            self.log.edit(self.index, |entry| {
                entry.ended = Ended::DroppedByReceiver;
            });
        }
    }
}
