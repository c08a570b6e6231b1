//! `claude-gateway`: a ready multi-tenant gateway for Claude, made from the public API of
//! tower-claude.
//!
//! The binary is the product; this library is how it is tested. What it does is said in the
//! README and by `claude-gateway --help`; every key of its file, with its default, stands in
//! `gateway.example.toml` beside its `Cargo.toml`.

pub mod admin;
mod answer;
mod batch_books;
mod budget_store;
pub mod cli;
pub mod config;
mod convert;
pub mod demo;
pub mod edge;
mod explain;
mod hosts;
mod key_file;
mod optional;
pub mod report;
mod resilience;
mod run;
pub mod server;
mod stack;
mod start_error;
pub mod telemetry;
mod upstream;
mod writers;

pub use budget_store::Books;
pub use run::run;
pub use stack::{Stack, View};
pub use start_error::StartError;
pub use writers::Writers;
