use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tower_claude_core::Timestamp;

use super::output::Output;
use crate::torn_line::end_torn_line;

/// The file of a ledger, which another one follows when it is full, or its day is over.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    file: File,
    size: u64,
    /// The day its first line was written, since the Unix epoch.
    day: i64,
    most: Option<NonZeroU64>,
    rotates_daily: bool,
    /// Whether the file may not be found after a crash.
    must_sync_directory: bool,
}

const DAY: i64 = 86_400_000;

// === impl LedgerFile ===

impl LedgerFile {
    pub(crate) fn open(
        path: &Path,
        most: Option<NonZeroU64>,
        rotates_daily: bool,
    ) -> io::Result<Self> {
        let mut file = append_to(path)?;
        // Before a torn line is ended, which is today.
        let metadata = file.metadata()?;
        end_torn_line(&mut file)?;
        let size = file.metadata()?.len();
        let day = match metadata.modified() {
            Ok(modified) if size > 0 => day_of(modified),
            _ => today(),
        };
        let mut opened = Self {
            path: path.to_owned(),
            file,
            size,
            day,
            most,
            rotates_daily,
            must_sync_directory: size == 0,
        };
        opened.sync_directory()?;
        Ok(opened)
    }

    /// Puts the file aside and begins another one. If it cannot, this one goes on.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let aside = self.name_aside();
        fs::rename(&self.path, &aside)?;
        match append_to(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                // Back to its name, so that the next try starts from where this one did.
                let _ = fs::rename(&aside, &self.path);
                return Err(error);
            }
        }
        self.size = 0;
        self.must_sync_directory = true;
        self.sync_directory()
    }

    /// A new file is found after a crash only if its directory is on the disk as well.
    fn sync_directory(&mut self) -> io::Result<()> {
        if cfg!(unix) && self.must_sync_directory {
            let directory = self.path.parent();
            let directory = directory.filter(|parent| *parent != Path::new(""));
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        self.must_sync_directory = false;
        Ok(())
    }

    /// A name that is free: with the time, and a number where two have the same one.
    fn name_aside(&self) -> PathBuf {
        let now = Timestamp::from_unix_millis(Timestamp::now().unix_millis() / 1_000 * 1_000);
        let time: String = now.to_string().replace(['-', ':'], "");
        let named = |number: u32| {
            let mut name = OsString::from(self.path.file_stem().unwrap_or_default());
            name.push(format!(".{time}"));
            if number > 0 {
                name.push(format!("-{number}"));
            }
            if let Some(extension) = self.path.extension() {
                name.push(".");
                name.push(extension);
            }
            self.path.with_file_name(name)
        };
        let mut number = 0;
        while named(number).exists() && number < u32::MAX {
            number += 1;
        }
        named(number)
    }
}

impl Write for LedgerFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for LedgerFile {
    fn begin(&mut self, bytes: u64) -> io::Result<()> {
        let is_full = |most: NonZeroU64| self.size.saturating_add(bytes) > most.get();
        let is_over = self.rotates_daily && self.day != today();
        if self.size > 0 && (is_over || self.most.is_some_and(is_full)) {
            self.rotate()?;
        }
        if self.size == 0 {
            self.day = today();
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_directory()?;
        match self.file.sync_data() {
            // A pipe, or a terminal: what is written there is gone already.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}

fn today() -> i64 {
    Timestamp::now().unix_millis().div_euclid(DAY)
}

fn day_of(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    i64::try_from(millis).unwrap_or(i64::MAX).div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn nothing_is_synced_before_the_directory_is() {
        let folder = std::env::temp_dir().join(format!("ledger-folder-{}", std::process::id()));
        let elsewhere = folder.with_extension("elsewhere");
        fs::create_dir_all(&folder).unwrap();
        let mut file = LedgerFile::open(&folder.join("usage.jsonl"), None, false).unwrap();
        assert!(!file.must_sync_directory);
        file.write_all(b"{}\n").unwrap();
        file.rotate().unwrap();
        assert!(!file.must_sync_directory);
        // As a rotation leaves it that could not sync the directory.
        file.must_sync_directory = true;
        fs::rename(&folder, &elsewhere).unwrap();
        assert!(file.sync().is_err());
        assert!(file.sync().is_err(), "it is not forgotten");
        fs::rename(&elsewhere, &folder).unwrap();
        file.sync().unwrap();
        assert!(!file.must_sync_directory);
        fs::remove_dir_all(&folder).unwrap();
    }
}
