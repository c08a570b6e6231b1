use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use tower_claude::platforms::ApiKey;

use crate::config::Secret;

/// A key of ours that follows the file it came from.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    key: ApiKey,
    /// Of the file as it was last looked into; `None` before that, and while it cannot be used.
    modified: Option<SystemTime>,
    is_bad: bool,
}

// === impl KeyFile ===

impl KeyFile {
    pub(crate) const fn new(path: PathBuf, key: ApiKey) -> Self {
        Self {
            path,
            key,
            modified: None,
            is_bad: false,
        }
    }

    /// Takes the key over if the file has changed; a bad file changes nothing and is told once.
    pub(crate) fn look(&mut self) {
        let modified = fs::metadata(&self.path)
            .and_then(|file| file.modified())
            .ok();
        if modified.is_some() && modified == self.modified {
            return;
        }
        let read = Secret::from_file(&self.path).map_err(|error| error.to_string());
        let replaced = read.and_then(|secret| {
            let replaced = self.key.replace(secret.expose());
            replaced.map_err(|error| error.to_string())
        });
        self.modified = modified.filter(|_| replaced.is_ok());
        if let Err(error) = &replaced
            && !self.is_bad
        {
            tracing::error!(path = %self.path.display(), error, "a key is not read again");
        }
        self.is_bad = replaced.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_file_and_keeps_the_key_of_a_bad_one() {
        let path = std::env::temp_dir().join(format!("claude-gateway-key-{}", std::process::id()));
        fs::write(&path, "sk-first\n").unwrap();
        let mut file = KeyFile::new(path.clone(), ApiKey::new("sk-first").unwrap());
        file.look();
        assert!(file.modified.is_some() && !file.is_bad);
        fs::write(&path, "two words").unwrap();
        file.modified = None;
        file.look();
        assert!(file.modified.is_none() && file.is_bad);
        fs::write(&path, "sk-second").unwrap();
        file.look();
        assert!(file.modified.is_some() && !file.is_bad);
        fs::remove_file(&path).unwrap();
        file.look();
        assert!(file.is_bad);
    }
}
