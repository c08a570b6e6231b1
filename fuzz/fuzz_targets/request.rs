//! Fuzzes [`tower_claude_fuzz::request`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_claude_fuzz::{request, run};

fuzz_target!(|data: &[u8]| run(request, data));
