use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::de::DeTable;

use super::problems::Problems;
use super::reader::{Lines, Source};
use super::root::Config;
use super::surroundings::Surroundings;

/// A file that can be used, and what is odd about it all the same.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// What its author should know.
    pub warnings: Problems,
}

/// Far more than any configuration; a wrong path may lead to a disk image.
const LARGEST: u64 = 16 << 20;

// === impl Config ===

impl Config {
    /// Reads a file, with the process's environment and clock.
    ///
    /// # Errors
    ///
    /// With every problem of the file, warnings included, if one of them is an error.
    pub fn load(path: impl AsRef<Path>) -> Result<Loaded, Problems> {
        Self::load_in(path, &Surroundings::default())
    }

    /// As [`load`](Self::load), in other surroundings.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_in(
        path: impl AsRef<Path>,
        surroundings: &Surroundings,
    ) -> Result<Loaded, Problems> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let fail = |bytes: &[u8], offset: usize, message: String, suggestion: &str| {
            let source = Source::new(&name, bytes, surroundings);
            source.error(Lines::new(bytes).line(offset), message, suggestion);
            Err(source.into_problems())
        };
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read the file: {error}");
                return fail(&[], 0, message, "name a readable file");
            }
        };
        match str::from_utf8(&bytes) {
            Ok(text) => Self::parse_in(text, &name, surroundings),
            Err(error) => {
                let message = "invalid UTF-8".to_owned();
                fail(
                    &bytes,
                    error.valid_up_to(),
                    message,
                    "save the file as UTF-8",
                )
            }
        }
    }

    /// Reads a text as if it were this file; relative paths start from the file's directory.
    ///
    /// # Errors
    ///
    /// With every problem of the text, warnings included, if one of them is an error.
    pub fn parse(text: &str, file_name: &str) -> Result<Loaded, Problems> {
        Self::parse_in(text, file_name, &Surroundings::default())
    }

    /// As [`parse`](Self::parse), in other surroundings.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_in(
        text: &str,
        file_name: &str,
        surroundings: &Surroundings,
    ) -> Result<Loaded, Problems> {
        let source = Source::new(file_name, text.as_bytes(), surroundings);
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What is read past a syntax error was often never meant, so only syntax is reported.
            for error in errors {
                let offset = error.span().map_or(0, |span| span.start);
                source.error(source.line(offset), error.message().to_owned(), "");
            }
            return Err(source.into_problems());
        }
        let config = Self::read(&source, document.get_ref());
        let problems = source.into_problems();
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Loaded {
            config,
            warnings: problems,
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read < LARGEST) {
        return Ok(bytes);
    }
    Err(io::Error::new(
        io::ErrorKind::FileTooLarge,
        "more than 16 MiB",
    ))
}
