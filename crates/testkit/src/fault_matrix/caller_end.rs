/// How an answer ended for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallerEnd {
    /// With `message_stop`, or as a whole document.
    Whole,
    /// With an error in the API's envelope: a document, or an event.
    Error,
    /// As if that were all, and it was not.
    Cut,
    /// With an error of the connection.
    Broken,
    /// It was whole, and nothing that the API would say.
    Unreadable,
    /// It did not end.
    Silent,
    /// There was no answer, but an error of the service.
    NoAnswer,
}
