//! Records in the words of OpenTelemetry's conventions for generative AI.

mod facts;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod span;
#[cfg(feature = "tracing")]
mod tracing_sink;

#[cfg(feature = "metrics")]
pub use self::metrics::GenAiMetrics;
#[cfg(feature = "tracing")]
pub use self::span::gen_ai_span;
#[cfg(feature = "tracing")]
pub use self::tracing_sink::TracingSink;
