//! What may the tenant ask for: [`AuthorizeLayer`] and the service it makes.

mod check;
mod future;
mod layer;
mod residencies;
mod service;

pub use self::future::ResponseFuture;
pub use self::layer::AuthorizeLayer;
pub use self::residencies::Residencies;
pub use self::service::Authorize;

use self::check::Check;
