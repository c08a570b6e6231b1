//! The outermost part of the gateway: ids, headers, and how bodies cross the sockets.

mod farewell_body;
mod future;
mod join_body;
mod request_body;
mod service;

pub use farewell_body::{Farewell, FarewellBody};
pub use future::{EdgeBody, ResponseFuture};
pub use join_body::JoinBody;
pub use request_body::RequestBody;
pub use service::Edge;
