//! Developer commands of the workspace, run as `cargo xtask COMMAND`.
//!
//! A command is one line of [`COMMANDS`] and one module with a `run` function.

use std::process::ExitCode;

mod bench;
mod check;
mod features;
mod metadata;
mod process;
mod setup;
mod soak;
mod test;

use process::Outcome;

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        arguments: "",
        about: "get what the tests need: Redis and the official SDKs, into .tools/",
        run: setup::run,
    },
    Command {
        name: "test",
        arguments: "[-- NEXTEST-ARGUMENTS]",
        about: "set up, then run every test and every doctest",
        run: test::run,
    },
    Command {
        name: "soak",
        arguments: "[fuzz]",
        about: "the long forms of what `test` runs in short, and the fuzz targets",
        run: soak::run,
    },
    Command {
        name: "check",
        arguments: "",
        about: "who may import whom, manifests, file lengths, habits",
        run: check::run,
    },
    Command {
        name: "features",
        arguments: "[PACKAGE...]",
        about: "check each crate alone and each of its features alone",
        run: features::run,
    },
    Command {
        name: "bench",
        arguments: "[budgets] [in-process] [instructions] [loopback] [--quick]",
        about: "time, allocations, instructions; and ratios to a plain proxy",
        run: bench::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", usage());
        return ExitCode::FAILURE;
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("unknown command `{name}`\n\n{}", usage());
        return ExitCode::FAILURE;
    };
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND\n\n");
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.arguments);
        text.push_str(&format!("  {:<30} {}\n", call.trim_end(), command.about));
    }
    text
}
