use std::error::Error as _;

use hyper_util::client::legacy::Error;
use tower_claude_core::{Sent, TransportError};

use crate::connector::ConnectTimedOut;

/// Says of an error of the client what upstream can have seen of the call.
pub(crate) fn transport_error(error: Error) -> TransportError {
    let source = error.source();
    if source.is_some_and(<dyn std::error::Error>::is::<ConnectTimedOut>) {
        TransportError::timeout(Sent::No)
    } else if error.is_connect() || error.connect_info().is_none() || was_unread(&error) {
        // Without the info of a connection it failed before there was one to send on.
        TransportError::not_sent(error)
    } else {
        TransportError::no_reply(error)
    }
}

/// Whether the connection ended before it took the request, or upstream put the request back.
fn was_unread(error: &Error) -> bool {
    let Some(error) = error
        .source()
        .and_then(|e| e.downcast_ref::<hyper::Error>())
    else {
        return false;
    };
    // NOTE: hyper says `canceled` only of a request that it still has whole.
    error.is_canceled()
        // An HTTP/2 server may say of a stream that it has not looked at it.
        || error
            .source()
            .and_then(|e| e.downcast_ref::<h2::Error>())
            .is_some_and(|e| e.is_remote() && e.reason() == Some(h2::Reason::REFUSED_STREAM))
}
