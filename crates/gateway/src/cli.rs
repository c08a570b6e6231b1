//! The command line, read by hand: a handful of words need no library.

mod help;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use self::help::HELP;
use crate::report::UsageOptions;

/// What the gateway is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Serve, from a file or as a demonstration.
    Serve(Serve),
    /// Check a file and say what is wrong with it.
    Check {
        /// The file.
        config: PathBuf,
    },
    /// Say what would apply to a call.
    Explain {
        /// The file.
        config: PathBuf,
        /// The tenant's id.
        tenant: String,
        /// The model.
        model: String,
    },
    /// Make a key for a tenant.
    Keygen {
        /// The tenant's id.
        tenant: String,
    },
    /// Sum a ledger.
    Usage(UsageOptions),
    /// Say how to use it.
    Help,
    /// Say which version it is.
    Version,
}

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Serve {
    /// Where the settings come from.
    pub source: Source,
    /// Overrides where tenants call.
    pub listen: Option<SocketAddr>,
    /// Overrides where metrics, health and usage are.
    pub admin_listen: Option<SocketAddr>,
}

/// Where the settings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Built in: a fake Claude and two tenants.
    Demo,
    /// A file.
    File(PathBuf),
}

/// A command line that says nothing the gateway knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

// === impl Command ===

impl Command {
    /// Reads the arguments, without the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut arguments = arguments.into_iter().peekable();
        let word = arguments.next_if(|word| !word.starts_with('-'));
        if word.as_deref() == Some("usage") {
            let options = UsageOptions::parse(arguments)?;
            return Ok(options.map_or(Self::Help, Self::Usage));
        }
        let mut options = Options::default();
        while let Some(name) = arguments.next() {
            match &*name {
                "--demo" => options.demo = true,
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                "--config" => once(&mut options.config, &name, value(&name, &mut arguments)?)?,
                "--tenant" => once(&mut options.tenant, &name, value(&name, &mut arguments)?)?,
                "--model" => once(&mut options.model, &name, value(&name, &mut arguments)?)?,
                "--listen" => once(&mut options.listen, &name, address(&name, &mut arguments)?)?,
                "--admin-listen" => {
                    once(
                        &mut options.admin_listen,
                        &name,
                        address(&name, &mut arguments)?,
                    )?;
                }
                _ => return Err(UsageError(format!("unknown argument `{name}`"))),
            }
        }
        options.command(word.as_deref())
    }
}

#[derive(Default)]
struct Options {
    demo: bool,
    config: Option<String>,
    tenant: Option<String>,
    model: Option<String>,
    listen: Option<SocketAddr>,
    admin_listen: Option<SocketAddr>,
}

// === impl Options ===

impl Options {
    fn command(self, word: Option<&str>) -> Result<Command, UsageError> {
        let serves = word.is_none();
        self.refuse_unless(serves, self.demo, "--demo")?;
        self.refuse_unless(serves, self.listen.is_some(), "--listen")?;
        self.refuse_unless(serves, self.admin_listen.is_some(), "--admin-listen")?;
        let explains = word == Some("explain");
        let names = explains || word == Some("keygen");
        self.refuse_unless(names, self.tenant.is_some(), "--tenant")?;
        self.refuse_unless(explains, self.model.is_some(), "--model")?;
        self.refuse_unless(word != Some("keygen"), self.config.is_some(), "--config")?;
        match (word, self.config) {
            (None, Some(_)) if self.demo => {
                Err(UsageError("--demo and --config do not go together".into()))
            }
            (None, None) if !self.demo => Ok(Command::Help),
            (None, config) => Ok(Command::Serve(Serve {
                source: config.map_or(Source::Demo, |file| Source::File(file.into())),
                listen: self.listen,
                admin_listen: self.admin_listen,
            })),
            (Some("check"), Some(config)) => Ok(Command::Check {
                config: config.into(),
            }),
            (Some("check"), None) => Err(UsageError("check needs --config FILE".into())),
            (Some("explain"), config) => match (config, self.tenant, self.model) {
                (Some(config), Some(tenant), Some(model)) => Ok(Command::Explain {
                    config: config.into(),
                    tenant,
                    model,
                }),
                _ => Err(UsageError(
                    "explain needs --config FILE, --tenant ID and --model M".into(),
                )),
            },
            (Some("keygen"), _) => match self.tenant {
                Some(tenant) => Ok(Command::Keygen { tenant }),
                None => Err(UsageError("keygen needs --tenant ID".into())),
            },
            (Some(word), _) => Err(UsageError(format!(
                "unknown command `{word}`; there are check, explain, keygen and usage"
            ))),
        }
    }

    fn refuse_unless(&self, fits: bool, given: bool, name: &str) -> Result<(), UsageError> {
        if given && !fits {
            return Err(UsageError(format!(
                "`{name}` does not belong to this command"
            )));
        }
        Ok(())
    }
}

pub(crate) fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), UsageError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(UsageError(format!("`{name}` is given twice"))),
    }
}

pub(crate) fn value(
    name: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<String, UsageError> {
    arguments
        .next()
        .ok_or_else(|| UsageError(format!("`{name}` needs a value")))
}

fn address(
    name: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<SocketAddr, UsageError> {
    let text = value(name, arguments)?;
    text.parse()
        .map_err(|_| UsageError(format!("`{name}` needs an address like 127.0.0.1:8080")))
}

// === impl UsageError ===

impl UsageError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.0)
    }

    #[test]
    fn reads_each_command() {
        assert_eq!(
            parse("--demo --listen 127.0.0.1:0"),
            Ok(Command::Serve(Serve {
                source: Source::Demo,
                listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
                admin_listen: None,
            }))
        );
        assert_eq!(
            parse("check --config a.toml"),
            Ok(Command::Check {
                config: "a.toml".into()
            })
        );
        assert_eq!(
            parse("keygen --tenant web"),
            Ok(Command::Keygen {
                tenant: "web".into()
            })
        );
        assert_eq!(parse(""), Ok(Command::Help));
    }

    #[test]
    fn says_what_it_does_not_understand() {
        for (line, error) in [
            (
                "--demo --config a",
                "--demo and --config do not go together",
            ),
            ("--config", "`--config` needs a value"),
            (
                "--listen here",
                "`--listen` needs an address like 127.0.0.1:8080",
            ),
            (
                "--demo --listen 1.1.1.1:1 --listen 1.1.1.1:2",
                "`--listen` is given twice",
            ),
            ("check", "check needs --config FILE"),
            ("check --demo", "`--demo` does not belong to this command"),
            (
                "explain --config a",
                "explain needs --config FILE, --tenant ID and --model M",
            ),
            ("usage --csv", "usage needs --ledger FILE"),
            ("--demo --csv", "unknown argument `--csv`"),
            (
                "serve",
                "unknown command `serve`; there are check, explain, keygen and usage",
            ),
            ("--frob", "unknown argument `--frob`"),
        ] {
            assert_eq!(parse(line), Err(error.to_owned()), "{line}");
        }
    }
}
