//! Fuzzes [`tower_claude_fuzz::frames`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_claude_fuzz::{frames, run};

fuzz_target!(|data: &[u8]| run(frames, data));
