//! `claude-gateway`: see `claude-gateway --help`.

use std::process::ExitCode;

use claude_gateway::cli::{Command, HELP};

// Small bodies come and go by the hundred thousand; the system's allocator shows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Command::parse(std::env::args().skip(1)) {
        Ok(command) => claude_gateway::run(command),
        Err(error) => {
            eprintln!("claude-gateway: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}
