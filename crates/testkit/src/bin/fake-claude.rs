//! A fake Claude API on a socket: the standard answers, and scenarios by name.
//!
//! ```text
//! fake-claude [--listen ADDR] [--key KEY] [--truth FILE]
//! ```
//!
//! Prints one line of JSON once it listens. With `--truth` it writes what it was asked, and
//! what usage it reported, to a file when it is stopped (interrupt or terminate).

use std::io::Write as _;
use std::process::ExitCode;

use tower_claude_testkit::{FakeClaude, FakeServer};

const USAGE: &str = "usage: fake-claude [--listen ADDR] [--key KEY] [--truth FILE]";

struct Options {
    listen: String,
    key: Option<String>,
    truth: Option<String>,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(serve(&options)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serving on {}: {error}", options.listen);
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> std::io::Result<()> {
    let mut fake = FakeClaude::scenarios();
    if let Some(key) = &options.key {
        fake = fake.require_key(key);
    }
    if options.truth.is_none() {
        fake = fake.unlogged();
    }
    let truth = fake.truth();
    let server = FakeServer::bind(&options.listen, fake)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        r#"{{"event":"listening","listen":"{}"}}"#,
        server.addr()
    )?;
    out.flush()?;

    stopped().await?;
    server.stop().await;
    match &options.truth {
        Some(path) => truth.write_jsonl(path),
        None => Ok(()),
    }
}

#[cfg(unix)]
async fn stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stopped() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

// === impl Options ===

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:0".to_owned(),
            key: None,
            truth: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--listen" => options.listen = value()?,
                "--key" => options.key = Some(value()?),
                "--truth" => options.truth = Some(value()?),
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(options)
    }
}
