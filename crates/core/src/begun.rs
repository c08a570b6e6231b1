use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, response};
use http_body::Body;

use crate::answer_reader::is_event_stream;
use crate::peek::Peeked;
use crate::peeked_body::{Held, PeekedBody, Seal};
use crate::tap::TapBody;
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

// === impl Form ===

impl Form {
    /// What is to be looked for in an answer to `call`. It counts as gated from then on.
    pub(crate) fn of<B>(response: &Response<B>, call: &Call) -> Self {
        if UsageCell::of(response).is_some_and(UsageCell::gate) {
            Self::Open
        } else if !response.status().is_success() {
            Self::Error
        } else if call.endpoint() == Endpoint::Messages && is_event_stream(response.headers()) {
            Self::Stream
        } else {
            Self::Open
        }
    }
}

// === impl Begun ===

impl<B> Begun<B>
where
    B: Body<Data = Bytes>,
{
    /// An answer that is tapped, and what is looked for in it.
    pub(crate) fn new(response: Response<TapBody<B>>, form: Form, call: &Call) -> Self {
        let (mut head, body) = response.into_parts();
        // Whoever gates a stream first seals it.
        let is_sealed = form == Form::Stream;
        if is_sealed {
            // An error event can follow only a body whose length is not announced.
            head.headers.remove(CONTENT_LENGTH);
        }
        Self {
            // `tap` has put it there.
            cell: head.extensions.get().cloned().unwrap_or_default(),
            seal: is_sealed.then(|| call.id()),
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
