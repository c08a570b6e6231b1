use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tower_claude_core::BoxError;

/// The answer of a [`FirstSeen`].
pub type FirstSeenFuture = Pin<Box<dyn Future<Output = Result<bool, BoxError>> + Send>>;

/// Remembers which results of batches have been metered, so that each is metered once.
///
/// It is asked about every result that costs something, by the id of the batch and the custom
/// id of the result, which is any text of up to 256 bytes. The first who asks is told `true`,
/// and everybody after that `false`, whoever asks at the same time: that is what keeps a result
/// that is fetched twice from being billed twice. Results can be fetched for 29 days after
/// their batch was made; what is remembered for longer is of no use.
///
/// An error means that nobody knows; the result is then not metered, and counted as such. A
/// result is remembered before its record is written, so one is missing, and none is there
/// twice, where the process ends in between. An answer must come, in bounded time: the end of
/// the results waits for it.
///
/// Closures and `Arc<T>` are one too; [`SeenResults`](crate::SeenResults) is one for a single
/// process.
///
/// ```
/// use std::collections::HashSet;
/// use std::sync::{Arc, Mutex};
/// use tower_claude_usage_meter::{FirstSeen, FirstSeenFuture};
///
/// /// Stands for a table that all processes share.
/// #[derive(Clone, Default)]
/// struct Table(Arc<Mutex<HashSet<String>>>);
///
/// impl FirstSeen for Table {
///     fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture {
///         let (table, key) = (self.clone(), format!("{batch}/{custom_id}"));
///         Box::pin(async move {
///             let mut keys = table.0.lock().map_err(|_| "the table is broken")?;
///             Ok(keys.insert(key))
///         })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///
/// let table = Table::default();
/// assert!(table.first_seen("msgbatch_1", "row-1").await?);
/// assert!(!table.first_seen("msgbatch_1", "row-1").await?);
/// # Ok(())
/// # }
/// ```
pub trait FirstSeen {
    /// Whether nobody has asked about this result before; from now on somebody has.
    ///
    /// It is called inside a poll and must not block. The future is polled to its end even if
    /// the caller leaves.
    fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture;
}

// === impl FirstSeen ===

impl<F, Answer> FirstSeen for F
where
    F: Fn(&str, &str) -> Answer,
    Answer: Future<Output = Result<bool, BoxError>> + Send + 'static,
{
    fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture {
        Box::pin(self(batch, custom_id))
    }
}

impl<T> FirstSeen for Arc<T>
where
    T: FirstSeen + ?Sized,
{
    fn first_seen(&self, batch: &str, custom_id: &str) -> FirstSeenFuture {
        T::first_seen(self, batch, custom_id)
    }
}
