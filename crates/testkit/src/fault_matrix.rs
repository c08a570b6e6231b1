//! Every fault of an upstream, in every phase in which it can happen, for any stack.
//!
//! A [`FaultCase`] is one call to two targets that go wrong in one way. [`FaultMatrix::run`]
//! makes the calls through a stack, one of its own for each, and keeps what was asked, what the
//! caller saw and what the books say: a table to read, to compare with one in a repository, and
//! to check by rules that hold for every stack.
//!
//! The targets stand where an HTTP client would: a stall is a long silence and then the error
//! of a client that has run out of patience. All of it needs tokio's paused clock.
//!
//! ```
//! use tower_claude_testkit::fault_matrix::{
//!     Booking, FaultCase, FaultMatrix, FaultSpread, FaultTargets,
//! };
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! // The least stack: nothing around the targets, and no books.
//! let stack = |targets: FaultTargets| (targets, async || Booking::default());
//! let matrix = FaultMatrix::run(FaultCase::all(FaultSpread::First), stack).await;
//!
//! let table = matrix.to_markdown();
//! let line = "| overloaded | as the answer | both | first | 0 s | 529 `overloaded_error` |";
//! assert!(table.contains(line), "{table}");
//! # }
//! ```

mod booking;
mod caller_end;
mod caller_view;
mod fault_bill;
mod fault_case;
mod fault_group;
mod fault_phase;
mod fault_spread;
mod fault_targets;
mod matrix;
mod observation;
mod upstream_fault;

pub use booking::Booking;
pub use caller_end::CallerEnd;
pub use caller_view::CallerView;
pub use fault_bill::FaultBill;
pub use fault_case::FaultCase;
pub use fault_group::FaultGroup;
pub use fault_phase::FaultPhase;
pub use fault_spread::FaultSpread;
pub use fault_targets::FaultTargets;
pub use matrix::FaultMatrix;
pub use observation::Observation;
pub use upstream_fault::UpstreamFault;
