use std::path::PathBuf;

use tower_claude::core::Target;
use tower_claude::platforms::ApiKey;

use crate::config::{Config, SecretSource};
use crate::key_file::KeyFile;
use crate::{StartError, convert};

/// A target, where it is, and what opens it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) target: Target,
    pub(crate) base_url: String,
    pub(crate) key: ApiKey,
    /// Where the key was read from, if that can change.
    file: Option<PathBuf>,
}

// === impl Upstream ===

impl Upstream {
    /// Those of the configuration, in its order.
    pub(crate) fn all(config: &Config) -> Result<Vec<Self>, StartError> {
        let upstreams = config.targets.iter().map(|settings| {
            let key = ApiKey::new(settings.credential.secret.expose());
            Ok(Self {
                target: convert::target(settings),
                base_url: settings.base_url.to_string(),
                key: key.map_err(StartError::new)?,
                file: match &settings.credential.source {
                    SecretSource::File(path) => Some(path.clone()),
                    SecretSource::Env(_) => None,
                },
            })
        });
        upstreams.collect()
    }

    /// Its key, to be read again when its file changes.
    pub(crate) fn key_file(&self) -> Option<KeyFile> {
        let path = self.file.clone()?;
        Some(KeyFile::new(path, self.key.clone()))
    }
}
