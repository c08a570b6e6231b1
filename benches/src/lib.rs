//! What the benchmarks share: request bodies, and the layers around a service in process.

mod inner;
mod pair;
mod stack;

use bytes::Bytes;

pub use inner::{Inner, InnerBody, stream};
pub use pair::PAIR;
pub use stack::{LAYERS, Layered, calls};

/// The key that the benchmarks call with.
pub const API_KEY: &str = "bench-key-of-tenant-bench";

/// The body of a request of a case: `1k`, `200k`, `burst` or `paced`.
#[must_use]
pub fn body(case: &str) -> Bytes {
    let (model, stream, size) = match case {
        "200k" => ("claude-sonnet-5-5", false, 200 * 1024),
        "burst" => ("burst", true, 1024),
        "paced" => ("paced", true, 1024),
        _ => ("claude-sonnet-5-5", false, 1024),
    };
    let head = format!(
        "{{\"model\":\"{model}\",\"max_tokens\":1024,\"stream\":{stream},\
         \"system\":\"You are brief.\",\"messages\":[{{\"role\":\"user\",\"content\":\"",
    );
    let tail = "\"}]}";
    let line = "The tide was out when we came to the pier, and nobody was there.\\n";
    let mut text = line.repeat(size / line.len() + 1);
    text.truncate((size - head.len() - tail.len()) / line.len() * line.len());
    format!("{head}{text}{tail}").into()
}
