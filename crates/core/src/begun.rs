use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, response};
use http_body::Body;

use crate::answer_reader::is_event_stream;
use crate::peek::Peeked;
use crate::peeked_body::{Held, PeekedBody, Seal};
use crate::tap::{TapBody, tap};
use crate::{Call, Endpoint, Failure, RequestId, UsageCell};

/// An answer at the gate.
pub(crate) struct Begun<B> {
    pub(crate) head: response::Parts,
    pub(crate) body: TapBody<B>,
    pub(crate) cell: UsageCell,
    /// Whose stream of messages it is, if it is one.
    seal: Option<RequestId>,
    pub(crate) form: Form,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing: it is good, or somebody has looked already.
    Open,
    /// The first content of a stream.
    Stream,
    /// What an error says.
    Error,
}

/// The mark of an answer that has been through a gate.
#[derive(Clone, Copy, Debug)]
struct Gated;

// === impl Begun ===

impl<B> Begun<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(response: Response<B>, call: &Call) -> Self {
        let (mut head, body) = tap(response).into_parts();
        let is_stream = call.endpoint() == Endpoint::Messages && is_event_stream(&head.headers);
        let is_success = head.status.is_success();
        let was_gated = head.extensions.insert(Gated).is_some();
        let form = if was_gated {
            Form::Open
        } else if !is_success {
            Form::Error
        } else if is_stream {
            Form::Stream
        } else {
            Form::Open
        };
        let may_grow = is_stream && is_success;
        if may_grow {
            // An error event can follow only a body whose length is not announced.
            head.headers.remove(CONTENT_LENGTH);
        }
        Self {
            // `tap` has put it there.
            cell: head.extensions.get().cloned().unwrap_or_default(),
            // Whoever gated it first seals it.
            seal: (may_grow && !was_gated).then(|| call.id()),
            head,
            body,
            form,
        }
    }

    /// Writes a failure down where others look for it.
    pub(crate) fn noted(&mut self, failure: Option<Failure>) -> Option<Failure> {
        let failure = failure?;
        self.cell.write(|metered| {
            metered.failure = Some(failure.kind);
            if metered.error_type.is_none() {
                metered.error_type.clone_from(&failure.error_type);
            }
        });
        self.head.extensions.insert(failure.clone());
        Some(failure)
    }

    pub(crate) fn open(self, held: Held<B::Error>, failure: Option<Failure>) -> Peeked<B> {
        let seal = self.seal.map(|id| Seal::new(self.cell, id));
        Peeked {
            response: Response::from_parts(self.head, PeekedBody::new(self.body, held, seal)),
            failure,
        }
    }
}
