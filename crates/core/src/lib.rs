//! The shared vocabulary of tower-claude: bodies, calls, usage, refusals.
mod transport_error;
pub use transport_error::{BoxError, Sent, TransportError};
