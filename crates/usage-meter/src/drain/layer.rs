use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::left_over::LeftOvers;
use super::{Drain, Drainer, Draining};

/// Reads a call to its end after its caller has left, so that its usage is exact.
///
/// A caller who leaves usually ends the call at upstream too, and then nobody learns what was
/// generated and will be billed. This layer goes on reading, in the background, within bounds:
/// so many more output tokens, so long, so many calls at once. What goes beyond them is
/// dropped as it would have been, and the usage is partial. Plain answers are waited for too.
///
/// It stands right outside of [`UsageMeterLayer`](crate::UsageMeterLayer), whose record then
/// says `dropped` with the usage the answer ended with; a budget inside settles by it. Nothing
/// is spawned for a call: what is left over goes to the [`Drainer`], one task that the host
/// runs.
///
/// ```
/// use std::time::Duration;
/// use tower::Layer as _;
/// use tower_claude_usage_meter::{DrainLayer, UsageMeterLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (drain, drainer) = DrainLayer::pair(2_000, Duration::from_secs(30));
/// let drainer = tokio::spawn(drainer.run());
/// let meter = UsageMeterLayer::new(());
/// let service = drain.layer(meter.layer(tower_claude_testkit::FakeClaude::default()));
/// // … serve; when all services are gone, the drainer ends with its last call.
/// # drop((service, drain));
/// drainer.await.expect("no panic");
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DrainLayer {
    /// `None` lets calls end with their callers.
    shared: Option<Arc<LeftOvers>>,
}

// === impl DrainLayer ===

impl DrainLayer {
    /// Reads on for so many more output tokens and for so long; [`Draining`] says more.
    ///
    /// Whoever gets the pair has to run the [`Drainer`]: without it, nothing is read on.
    pub fn pair(tokens: u64, time: Duration) -> (Self, Drainer) {
        Draining::new(tokens, time).pair()
    }

    pub(crate) const fn keep(left_overs: Arc<LeftOvers>) -> Self {
        Self {
            shared: Some(left_overs),
        }
    }

    /// Lets calls end with their callers, as if the layer was not there.
    pub const fn abort() -> Self {
        Self { shared: None }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = Drain<S>;

    fn layer(&self, inner: S) -> Drain<S> {
        Drain::new(inner, self.shared.clone())
    }
}
