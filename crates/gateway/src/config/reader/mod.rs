//! Walks spanned TOML so that each section's file reads like a declaration of its keys.
//!
//! Nothing here stops at a problem: it is noted with its line, and reading goes on.

mod lines;
mod source;
mod table;
mod value;

pub(super) use lines::Lines;
pub(super) use source::Source;
pub(super) use table::TableReader;
pub(super) use value::Value;
