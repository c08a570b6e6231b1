//! What each command does.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tower_claude::core::TenantId;
use tower_claude::tenant_auth::Key;
use tower_claude::usage_meter::JsonLines;
use tower_claude_testkit::{FakeClaude, FakeServer};

use crate::admin::Admin;
use crate::budget_store::{Books, Checked};
use crate::cli::{Command, HELP, Serve, Source};
use crate::config::{Config, Loaded, Problems};
use crate::key_file::KeyFile;
use crate::server::{self, ServerOptions, Shutdown, Work, Workers};
use crate::{Stack, StartError, demo, explain, hosts, report, telemetry};

/// How long a check waits for the budget store.
const CHECK: Duration = Duration::from_secs(1);
/// How long the end waits for the budget store.
const FLUSH: Duration = Duration::from_secs(5);

/// Runs a command to its end.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    match command {
        Command::Help => say(HELP),
        Command::Version => say(concat!("claude-gateway ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Keygen { tenant } => end(keygen(&tenant)),
        Command::Check { config } => check(&config),
        Command::Explain {
            config,
            tenant,
            model,
        } => end(explain(&config, &tenant, &model)),
        Command::Usage(options) => end(report::usage(&options)),
        Command::Serve(options) => end(serve(&options)),
    }
}

fn say(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn end(result: Result<(), StartError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claude-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn keygen(tenant: &str) -> Result<(), StartError> {
    let tenant = TenantId::new(tenant).map_err(StartError::new)?;
    let key = Key::generate(&tenant).map_err(StartError::new)?;
    println!("{}\n{{ digest = \"{}\" }}", key.expose(), key.digest());
    Ok(())
}

fn explain(path: &Path, tenant: &str, model: &str) -> Result<(), StartError> {
    let loaded = Config::load(path).map_err(|problems| has_errors(&problems))?;
    print!("{}", explain::explain(&loaded.config, tenant, model)?);
    Ok(())
}

fn has_errors(problems: &Problems) -> StartError {
    StartError::new(format!("the configuration has errors\n{problems}"))
}

/// Says all that is wrong with a file; what can only be seen by building is tried as well.
fn check(path: &Path) -> ExitCode {
    match Config::load(path) {
        Err(problems) => {
            println!("{problems}");
            ExitCode::FAILURE
        }
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                println!("{}", loaded.warnings);
            }
            let problem = match Stack::check(&loaded.config) {
                Ok(()) => None,
                Err(error) => Some(format!("{}:1: error: {error}", path.display())),
            };
            let store = check_store(path, &loaded.config);
            let hosts = hosts::unknown(path, &loaded.config);
            let found: Vec<_> = problem.into_iter().chain(store).chain(hosts).collect();
            for problem in &found {
                println!("{problem}");
            }
            match found.iter().any(|problem| problem.contains(": error: ")) {
                true => ExitCode::FAILURE,
                false => ExitCode::SUCCESS,
            }
        }
    }
}

/// Says what is wrong with the store of the budgets, if it can be reached.
fn check_store(path: &Path, config: &Config) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let checked = runtime.block_on(async {
        let books = Books::new(&config.budget).ok()?;
        Some(books.check(CHECK).await)
    });
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let is_store = |line: &str| line.trim_start().starts_with("store");
    let line = 1 + text.lines().position(is_store).unwrap_or(0);
    let place = format!("{}:{line}", path.display());
    match checked? {
        Checked::Good => None,
        Checked::Away => Some(format!(
            "{place}: warning: Redis cannot be reached; start it"
        )),
        Checked::Bad(why) => Some(format!("{place}: error: {why}")),
    }
}

fn serve(options: &Serve) -> Result<(), StartError> {
    telemetry::log_to_stderr();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::new)?;
    runtime.block_on(async {
        match &options.source {
            Source::File(path) => {
                let loaded = Config::load(path).map_err(|problems| has_errors(&problems))?;
                serve_config(loaded, options, false).await
            }
            Source::Demo => {
                let fake = FakeServer::start(FakeClaude::default().unlogged());
                let loaded = demo::config(&fake.base_url())
                    .map_err(|problems| StartError::new(problems.to_string()))?;
                serve_config(loaded, options, true).await
            }
        }
    })
}

async fn serve_config(loaded: Loaded, options: &Serve, is_demo: bool) -> Result<(), StartError> {
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let config = loaded.config;
    let bind = |address: SocketAddr| {
        let bound = if is_demo {
            demo::listen(address)
        } else {
            TcpListener::bind(address)
        };
        bound.map_err(|error| StartError::new(format!("listening on {address}: {error}")))
    };
    let listener = bind(options.listen.unwrap_or(config.server.listen))?;
    let admin_listen = options.admin_listen.or(config.server.admin_listen);
    let admin_listener = admin_listen.map(bind).transpose()?;
    let metrics = telemetry::install_metrics()?;
    let (stack, view, writers) = Stack::build(&config)?;
    let books = view.store.clone();
    let results = view.batch_results.clone();
    if let Checked::Bad(why) = books.check(Duration::from_millis(300)).await {
        return Err(StartError::new(why));
    }
    let watch = tokio::spawn(watch_ledger(view.ledger.clone()));
    let keys = tokio::spawn(watch_keys(stack.key_files()));

    let shutdown = Shutdown::default();
    let server_options = ServerOptions {
        header_timeout: config.server.header_timeout,
        shutdown_grace: config.server.shutdown_grace,
        ..ServerOptions::new()
    };
    let stop = shutdown.stop.clone();
    let workers = Workers::start(
        move || {
            let (drain, drainer) = stack.drain();
            Ok(Work {
                service: stack.service(&drain, stop.clone())?,
                drainer,
                results: results.clone(),
            })
        },
        &server_options,
        &shutdown,
    )?;
    let local = |listener: &TcpListener| listener.local_addr().map_err(StartError::new);
    let listen = local(&listener)?;
    let admin = admin_listener.as_ref().map(local).transpose()?;
    let admin_task = match admin_listener {
        Some(listener) => {
            let admin = Admin::new(view, metrics, shutdown.drain.clone());
            Some(tokio::spawn(
                admin.serve(listener).map_err(StartError::new)?,
            ))
        }
        None => None,
    };
    announce(listen, admin).map_err(StartError::new)?;
    if is_demo {
        let path = config.usage.ledger.display().to_string();
        print!("{}", demo::invitation(listen, admin, &path));
    }

    let draining = shutdown.drain.clone();
    tokio::spawn(async move {
        if terminated().await.is_ok() {
            tracing::info!("draining");
            draining.cancel();
        }
    });
    server::accept(listener, &workers, &shutdown)
        .await
        .map_err(StartError::new)?;
    // The admin pages stay up while calls finish.
    tokio::task::spawn_blocking(move || workers.join())
        .await
        .map_err(StartError::new)?;
    if !books.flush(FLUSH).await {
        tracing::error!("some calls could not be settled with the budget store");
    }
    watch.abort();
    keys.abort();
    writers.close()?;
    if let Some(task) = admin_task {
        task.abort();
    }
    tracing::info!("stopped");
    Ok(())
}

/// The first line on stdout: where it listens, for whoever started it on port 0.
fn announce(listen: SocketAddr, admin: Option<SocketAddr>) -> io::Result<()> {
    let mut line = format!("{{\"event\":\"listening\",\"listen\":\"{listen}\"");
    if let Some(admin) = admin {
        line.push_str(&format!(",\"admin\":\"{admin}\""));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}}}")?;
    out.flush()
}

/// Says aloud when records cannot be written, once for every minute of it.
async fn watch_ledger(ledger: JsonLines) {
    let mut known = (0, 0);
    loop {
        let now = (ledger.failed_writes(), ledger.lost());
        if now > known {
            tracing::error!(
                failed_writes = now.0,
                lost = now.1,
                "writing the ledger fails"
            );
            known = now;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Reads the keys of targets again when their files change.
async fn watch_keys(mut files: Vec<KeyFile>) {
    let mut beat = tokio::time::interval(Duration::from_secs(2));
    while !files.is_empty() {
        beat.tick().await;
        files.iter_mut().for_each(KeyFile::look);
    }
}

/// Waits to be told to stop: by an orchestrator, or by the keyboard.
async fn terminated() -> io::Result<()> {
    #[cfg(unix)]
    {
        let kind = tokio::signal::unix::SignalKind::terminate();
        let mut term = tokio::signal::unix::signal(kind)?;
        tokio::select! {
            _ = term.recv() => Ok(()),
            result = tokio::signal::ctrl_c() => result,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
