//! Fuzzes [`tower_claude_fuzz::answer_json`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_claude_fuzz::{answer_json, run};

fuzz_target!(|data: &[u8]| run(answer_json, data));
