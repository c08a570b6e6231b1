//! Fuzzes [`tower_claude_fuzz::stream_meter`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_claude_fuzz::{run, stream_meter};

fuzz_target!(|data: &[u8]| run(stream_meter, data));
