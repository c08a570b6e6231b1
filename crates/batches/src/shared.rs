use tower_claude_core::{ByteSemaphore, Intake};

use crate::public_base::PublicBase;
use crate::rules::Rules;

/// What a layer and all its services have in common.
pub(crate) struct Shared<K> {
    pub(crate) book: std::sync::Arc<K>,
    pub(crate) settings: Settings,
}

/// All of it but the book.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) intake: Intake,
    pub(crate) rules: Rules,
    pub(crate) base: PublicBase,
    /// Of answers that are read whole.
    pub(crate) memory: ByteSemaphore,
}

// === impl Shared ===

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self {
            book: std::sync::Arc::clone(&self.book),
            settings: self.settings.clone(),
        }
    }
}
