//! What clients and upstreams can do to the gateway, over raw sockets.
//!
//! Two limits of hyper, which does not look behind bytes that are in its buffer already: a caller that sent more than
//! its request is not seen to leave, and a head begun behind a request may take two idle minutes, not `header_timeout`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "attacks/answers.rs"]
mod answers;
#[path = "attacks/budget.rs"]
mod budget;
#[path = "attacks/evidence.rs"]
mod evidence;
#[path = "attacks/framing.rs"]
mod framing;
#[path = "attacks/heads.rs"]
mod heads;
#[path = "attacks/http2.rs"]
mod http2;
#[path = "attacks/json.rs"]
mod json;
#[path = "attacks/leaving.rs"]
mod leaving;
#[path = "attacks/process.rs"]
mod process;
#[path = "attacks/raw_upstream.rs"]
mod raw_upstream;
#[path = "attacks/retries.rs"]
mod retries;
mod support;
#[path = "attacks/upstream.rs"]
mod upstream;
#[path = "attacks/wire.rs"]
mod wire;
