//! Metering the results of batches line by line, as they pass to whoever fetches them.

mod body;
mod fetch;
mod first_seen;
mod in_flight;
mod line;
mod lines;
mod question;
mod reading;
mod results;
mod seen_results;

pub(crate) use body::{ResultsBody, read_along};
pub(crate) use fetch::Fetch;
pub use first_seen::{FirstSeen, FirstSeenFuture};
pub(crate) use reading::Reading;
pub use results::BatchResults;
pub use seen_results::SeenResults;
