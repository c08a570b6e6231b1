//! The parts of the `claude-gateway` binary, as a library for its own tests.

pub mod config;
