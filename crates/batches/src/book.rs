use std::future::Future;
use std::sync::Arc;

use tower_claude_core::TenantId;

use crate::BookError;

/// Keeps in mind whose a batch is, and which of its results have been seen.
///
/// Ids are what upstream made of them: a book keeps them as they are and reads nothing in them.
/// A batch's id never belongs to another batch later.
///
/// ```
/// use std::future::{Ready, ready};
/// use tower_claude_batches::{BatchBook, BookError};
/// use tower_claude_core::TenantId;
///
/// /// For a single tenant: all that is there is theirs.
/// struct Sole(TenantId);
///
/// impl BatchBook for Sole {
///     type Claim = Ready<Result<bool, BookError>>;
///     type Owner = Ready<Result<Option<TenantId>, BookError>>;
///     type First = Ready<Result<bool, BookError>>;
///
///     fn claim(&self, tenant: &TenantId, _batch: &str) -> Self::Claim {
///         ready(Ok(*tenant == self.0))
///     }
///
///     fn owner(&self, _batch: &str) -> Self::Owner {
///         ready(Ok(Some(self.0.clone())))
///     }
///
///     fn first(&self, _batch: &str, _custom_id: &str) -> Self::First {
///         ready(Err(BookError::new("results are not kept in mind")))
///     }
/// }
/// ```
pub trait BatchBook {
    /// The answer to [`claim`](Self::claim).
    type Claim: Future<Output = Result<bool, BookError>> + Send + 'static;

    /// The answer to [`owner`](Self::owner).
    type Owner: Future<Output = Result<Option<TenantId>, BookError>> + Send + 'static;

    /// The answer to [`first`](Self::first).
    type First: Future<Output = Result<bool, BookError>> + Send + 'static;

    /// Makes the batch the tenant's, unless it is another's; whether it is the tenant's now.
    ///
    /// The same claim again changes nothing and is true again. An error leaves open whether the
    /// batch was claimed, and so does dropping the answer before it is there.
    fn claim(&self, tenant: &TenantId, batch: &str) -> Self::Claim;

    /// Whose the batch is; `None` if nobody has claimed it, or so long ago that it is forgotten.
    ///
    /// A book that cannot tell says so with an error and never with `None`. Dropping the answer
    /// changes nothing.
    fn owner(&self, batch: &str) -> Self::Owner;

    /// Whether this result of the batch is seen for the first time; only one asker is told so,
    /// for at least 30 days from the first result of the batch that was seen.
    ///
    /// An error leaves open whether somebody will still be told so, and so does dropping the
    /// answer before it is there: what is counted by it may then be missing, and is never
    /// counted twice.
    fn first(&self, batch: &str, custom_id: &str) -> Self::First;
}

// === impl BatchBook ===

impl<K> BatchBook for Arc<K>
where
    K: BatchBook + ?Sized,
{
    type Claim = K::Claim;
    type Owner = K::Owner;
    type First = K::First;

    fn claim(&self, tenant: &TenantId, batch: &str) -> Self::Claim {
        K::claim(self, tenant, batch)
    }

    fn owner(&self, batch: &str) -> Self::Owner {
        K::owner(self, batch)
    }

    fn first(&self, batch: &str, custom_id: &str) -> Self::First {
        K::first(self, batch, custom_id)
    }
}
