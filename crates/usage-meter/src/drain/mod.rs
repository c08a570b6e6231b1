//! Bringing calls to their end that nobody waits for any more.

mod body;
mod drainer;
mod draining;
mod drains;
mod future;
mod layer;
mod left_over;
mod service;

pub use self::body::DrainBody;
pub use self::drainer::Drainer;
pub use self::draining::Draining;
pub use self::drains::Drains;
pub use self::future::DrainFuture;
pub use self::layer::DrainLayer;
pub use self::service::Drain;
