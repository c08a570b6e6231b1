use tracing::Span;
use tracing::field::Empty;

/// A span for one call, with the fields that [`TracingSink`](crate::TracingSink) fills in.
///
/// It is at the level `info`, and named `chat` as the operation is. All fields are empty until
/// the call has ended.
///
/// ```
/// use tracing::Instrument as _;
///
/// # async fn serve() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// async {
///     // The call, and reading its answer to the end.
/// #    serve().await;
/// }
/// .instrument(tower_claude_usage_meter::gen_ai_span())
/// .await;
/// # }
/// ```
// NOTE: `tracing_sink` fills in these names.
#[must_use]
pub fn gen_ai_span() -> Span {
    tracing::info_span!(
        target: "tower_claude_usage_meter",
        "chat",
        gen_ai.operation.name = Empty,
        gen_ai.provider.name = Empty,
        gen_ai.request.model = Empty,
        gen_ai.response.model = Empty,
        gen_ai.response.id = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        "error.type" = Empty,
        claude.tenant = Empty,
        claude.cost_usd = Empty,
        claude.target = Empty,
    )
}
