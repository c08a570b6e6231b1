use std::env;
use std::fmt;
use std::time::SystemTime;

/// What a file is read against besides its text: the environment and the clock.
///
/// The default is the process's own; tests and the demo bring theirs.
#[must_use]
pub struct Surroundings {
    variables: Box<Variables>,
    now: SystemTime,
}

type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

// === impl Surroundings ===

impl Surroundings {
    /// Looks environment variables up here instead of in the process.
    pub fn variables(
        mut self,
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.variables = Box::new(variables);
        self
    }

    /// Tells expired keys by this time instead of the clock's.
    pub fn now(mut self, now: SystemTime) -> Self {
        self.now = now;
        self
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variables)(name)
    }

    pub(super) const fn time(&self) -> SystemTime {
        self.now
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            variables: Box::new(|name| env::var(name).ok()),
            now: SystemTime::now(),
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Surroundings")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
