use std::sync::Arc;

use crate::Captured;

/// Where captured calls go.
///
/// It is called once for every call, from wherever the call ends: inside a poll, or inside a
/// drop. So it must not block and must be quick; redacting and writing belong behind a bounded
/// queue, as in [`CaptureFile`](crate::CaptureFile). A panic of a sink is caught and ends there.
///
/// Closures, `Arc<T>` and `()` (which drops everything) are sinks too.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use tower_claude_capture::{CaptureSink, Captured};
///
/// /// Hands calls to whoever redacts and keeps them.
/// struct Channel(SyncSender<Captured>);
///
/// impl CaptureSink for Channel {
///     fn capture(&self, captured: Captured) {
///         // Full: this one is not kept.
///         let _ = self.0.try_send(captured);
///     }
/// }
/// # fn is_sink<K: CaptureSink>(_: K) {}
/// # is_sink(Channel(std::sync::mpsc::sync_channel(1).0));
/// # is_sink(|captured: Captured| drop(captured.redact()));
/// ```
pub trait CaptureSink {
    /// Takes a call that has ended.
    fn capture(&self, captured: Captured);
}

// === impl CaptureSink ===

impl<F> CaptureSink for F
where
    F: Fn(Captured),
{
    fn capture(&self, captured: Captured) {
        self(captured);
    }
}

impl<T> CaptureSink for Arc<T>
where
    T: CaptureSink + ?Sized,
{
    fn capture(&self, captured: Captured) {
        T::capture(self, captured);
    }
}

impl<T> CaptureSink for Option<T>
where
    T: CaptureSink,
{
    /// Drops the call if there is no sink.
    fn capture(&self, captured: Captured) {
        if let Some(sink) = self {
            sink.capture(captured);
        }
    }
}

impl CaptureSink for () {
    fn capture(&self, _: Captured) {}
}
