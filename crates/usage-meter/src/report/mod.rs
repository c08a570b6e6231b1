//! Sums of a ledger that has been written.

mod column;
mod cursor;
mod facts;
mod full_line;
mod groups;
mod key;
mod lines;
mod plain_line;
mod row;
mod summing;
mod sums;
#[cfg(test)]
mod tests;
mod unread;

pub use column::{Column, ParseColumnError};
pub use row::ReportRow;
pub use summing::Report;
pub use sums::ReportSums;
pub use unread::Unread;
