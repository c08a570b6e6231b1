//! Fuzzes [`tower_claude_fuzz::sse`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_claude_fuzz::{run, sse};

fuzz_target!(|data: &[u8]| run(sse, data));
