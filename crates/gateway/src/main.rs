//! `claude-gateway`: see `claude-gateway --help`.

use std::process::ExitCode;

use claude_gateway::cli::Command;

// Small bodies come and go by the hundred thousand; the system's allocator shows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What is no Unicode is a name that is not found, instead of a panic.
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    match Command::parse(arguments) {
        Ok(command) => claude_gateway::run(command),
        Err(error) => {
            eprintln!("claude-gateway: {error}\n`claude-gateway --help` says how it is used");
            ExitCode::from(2)
        }
    }
}
