use std::fmt;
use std::sync::Arc;

use tower_claude_core::{ByteSemaphore, Intake};
use tower_layer::Layer;

use crate::public_base::PublicBase;
use crate::rules::Rules;
use crate::shared::{Settings, Shared};
use crate::{Batches, ConfigError, MemoryBook};

/// Keeps the batches of tenants apart: the layer of [`Batches`].
///
/// Its services share the book. See the [crate documentation](crate).
#[must_use]
pub struct BatchesLayer<K = MemoryBook> {
    shared: Arc<Shared<K>>,
}

// === impl BatchesLayer ===

impl<K> BatchesLayer<K> {
    /// Notes in this [`BatchBook`](crate::BatchBook) whose a batch is.
    ///
    /// Takes every model for priced, and finds out from each request how its caller finds us.
    pub fn new(book: K) -> Self {
        Self {
            shared: Arc::new(Shared {
                book: Arc::new(book),
                settings: Settings {
                    intake: Intake::new(),
                    rules: Rules::default(),
                    base: PublicBase::default(),
                    memory: ByteSemaphore::process(),
                },
            }),
        }
    }

    /// Says how requests are taken in, where this layer is the first to read them.
    pub fn intake(mut self, intake: Intake) -> Self {
        self.edit().intake = intake;
        self
    }

    /// Which models have a price.
    ///
    /// One without passes only for a tenant whose list names it in full, without a wildcard.
    pub fn priced(mut self, priced: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.edit().rules.priced = Some(Arc::new(priced));
        self
    }

    /// What `results_url` is to begin with: the url below which callers find `/v1/messages`.
    ///
    /// Without one, it is made of the request: of its host (as its first line has it, else
    /// its `host` header), and of the path that comes before the API's. It begins with `http`
    /// unless the first line of the request says `https`, as it does over HTTP/2 with TLS;
    /// over HTTP/1.1 it never does, so whoever serves that over TLS has to say it here. A
    /// caller that names no host gets a path.
    ///
    /// # Errors
    ///
    /// It is not `http://` or `https://`, a host, and perhaps a path; or it has a user, a query
    /// or a fragment.
    pub fn public_url(mut self, url: &str) -> Result<Self, ConfigError> {
        self.edit().base.url(url)?;
        Ok(self)
    }

    /// Believes `x-forwarded-proto` whether callers see `http` or `https`; for hosts behind a
    /// proxy that sets it. Nothing where a [`public_url`](Self::public_url) is given.
    pub fn forwarded_proto(mut self) -> Self {
        self.edit().base.forwarded_proto();
        self
    }

    /// Takes the memory for answers of more than 64 KiB from this semaphore, instead of
    /// [`ByteSemaphore::process`]; twice their size, as long as they are read.
    pub fn semaphore(mut self, semaphore: ByteSemaphore) -> Self {
        self.edit().memory = semaphore;
        self
    }

    /// The book.
    #[must_use]
    pub fn book(&self) -> &K {
        &self.shared.book
    }

    fn edit(&mut self) -> &mut Settings {
        &mut Arc::make_mut(&mut self.shared).settings
    }
}

impl<S, K> Layer<S> for BatchesLayer<K> {
    type Service = Batches<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Batches::new(inner, Arc::clone(&self.shared))
    }
}

impl<K> Clone for BatchesLayer<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K> fmt::Debug for BatchesLayer<K>
where
    K: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchesLayer")
            .field("book", &self.shared.book)
            .field("intake", &self.shared.settings.intake)
            .field("base", &self.shared.settings.base)
            .finish_non_exhaustive()
    }
}
