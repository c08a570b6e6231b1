//! The results of batches: each line a record of its own, once, whoever fetches it how often.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

#[path = "batch_results/bounds.rs"]
mod bounds;
#[path = "batch_results/durable.rs"]
mod durable;
#[path = "batch_results/fetching.rs"]
mod fetching;
#[path = "batch_results/hostile.rs"]
mod hostile;
#[path = "batch_results/leaving.rs"]
mod leaving;
#[path = "batch_results/once.rs"]
mod once;
#[path = "batch_results/sample.rs"]
mod sample;
mod support;
