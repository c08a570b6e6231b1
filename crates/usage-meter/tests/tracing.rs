//! Fields of spans and events, caught by a subscriber.
#![cfg(feature = "tracing")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{message, take, tenant};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{Endpoint, Platform, RequestId, Target, Text, Timestamp};
use tower_claude_pricing::Cost;
use tower_claude_testkit::{Answer, FakeClaude, Split};
use tower_claude_usage_meter::{
    Outcome, TracingSink, UsageMeterLayer, UsageRecord, UsageSink, gen_ai_span,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument as _, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

type Fields = BTreeMap<String, String>;

/// Everything that was said, in spans and in events.
#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    spans: BTreeMap<u64, (&'static str, Fields)>,
    events: Vec<(&'static str, Level, &'static str, Fields)>,
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S> Layer<S> for Caught
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut said = self.0.lock().unwrap();
        let span = said.spans.entry(id.into_u64()).or_default();
        span.0 = attributes.metadata().name();
        attributes.record(&mut Collect(&mut span.1));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut said = self.0.lock().unwrap();
        let span = said.spans.entry(id.into_u64()).or_default();
        values.record(&mut Collect(&mut span.1));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Collect(&mut fields));
        let metadata = event.metadata();
        let entry = (
            metadata.name(),
            *metadata.level(),
            metadata.target(),
            fields,
        );
        self.0.lock().unwrap().events.push(entry);
    }
}

impl Caught {
    /// What is said while it runs.
    fn during(run: impl FnOnce()) -> Said {
        let caught = Self::default();
        let subscriber = tracing_subscriber::registry().with(caught.clone());
        tracing::subscriber::with_default(subscriber, run);
        std::mem::take(&mut *caught.0.lock().unwrap())
    }
}

impl Said {
    #[track_caller]
    fn only_event(&self) -> Fields {
        let [(name, level, target, fields)] = &self.events[..] else {
            panic!("{} events", self.events.len());
        };
        assert_eq!(*name, "gen_ai.usage");
        assert_eq!(*level, Level::INFO);
        assert_eq!(*target, "tower_claude_usage_meter");
        let mut fields = fields.clone();
        assert_eq!(fields.remove("message").unwrap(), "gen_ai.usage");
        fields
    }

    #[track_caller]
    fn only_span(&self) -> (&'static str, Fields) {
        assert_eq!(self.spans.len(), 1);
        self.spans.values().next().unwrap().clone()
    }
}

fn record() -> UsageRecord {
    let mut record = UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
    record.endpoint = Endpoint::Messages;
    record.tenant = Some(tenant("web").id().clone());
    record.model = Some("claude-opus-5-5".into());
    record.served_model = Some("claude-opus-5-5-served".into());
    record.upstream_request_id = Some("req_1".into());
    record.target = Some(Target::new("eu").platform(Platform::Vertex));
    record.outcome = Outcome::Complete;
    record.stop_reason = Some(Text::from_static("end_turn"));
    record.input_tokens = Some(37);
    record.output_tokens = Some(118);
    record.cache_read_input_tokens = Some(10_240);
    record.cache_creation_5m_input_tokens = Some(1_800);
    record.cache_creation_1h_input_tokens = Some(500);
    record.cost = Some(Cost::from_nano_dollars(17_556_000));
    record.latency = Some(Duration::from_millis(1_500));
    record
}

fn expected() -> Fields {
    [
        ("gen_ai.operation.name", r#""chat""#),
        ("gen_ai.provider.name", r#""gcp.vertex_ai""#),
        ("gen_ai.request.model", r#""claude-opus-5-5""#),
        ("gen_ai.response.model", r#""claude-opus-5-5-served""#),
        ("gen_ai.response.id", r#""req_1""#),
        ("gen_ai.response.finish_reasons", r#""[\"end_turn\"]""#),
        ("gen_ai.usage.input_tokens", "12577"),
        ("gen_ai.usage.output_tokens", "118"),
        ("gen_ai.usage.cache_read.input_tokens", "10240"),
        ("gen_ai.usage.cache_creation.input_tokens", "2300"),
        ("claude.tenant", r#""web""#),
        ("claude.cost_usd", "0.017556"),
        ("claude.target", r#""eu""#),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

#[test]
fn the_span_that_is_current_is_filled_in() {
    let said = Caught::during(|| {
        gen_ai_span().in_scope(|| TracingSink::new().record(Arc::new(record())));
    });
    assert_eq!(said.only_span(), ("chat", expected()));
}

#[test]
fn without_a_span_there_is_an_event_with_the_same_fields() {
    let said = Caught::during(|| TracingSink::new().record(Arc::new(record())));
    assert!(said.spans.is_empty());
    assert_eq!(said.only_event(), expected());
}

#[test]
fn a_span_of_somebody_else_gets_what_it_has_fields_for() {
    let said = Caught::during(|| {
        let empty = tracing::field::Empty;
        tracing::info_span!("mine", gen_ai.usage.output_tokens = empty, other = 1)
            .in_scope(|| TracingSink::new().record(Arc::new(record())));
    });
    let (name, fields) = said.only_span();
    let fields: Vec<_> = fields.into_iter().collect();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(name, "mine");
    assert_eq!(
        fields,
        [
            field("gen_ai.usage.output_tokens", "118"),
            field("other", "1")
        ]
    );
    assert_eq!(said.only_event(), expected());
}

#[test]
fn what_is_not_known_stays_empty() {
    let mut bare = UsageRecord::new(Timestamp::from_unix_millis(0), RequestId::generate());
    bare.endpoint = Endpoint::Messages;
    bare.outcome = Outcome::Refused;
    bare.error_type = Some("rate_limit_error".into());
    bare.cost = None;
    let said = Caught::during(|| {
        gen_ai_span().in_scope(|| TracingSink::new().record(Arc::new(bare)));
    });
    let names: Vec<_> = said.only_span().1.into_iter().collect();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        names,
        [
            field("error.type", r#""rate_limit_error""#),
            field("gen_ai.operation.name", r#""chat""#),
        ]
    );
    assert_eq!(said.only_event().len(), 2);
}

#[test]
fn calls_for_anything_but_messages_say_nothing() {
    let said = Caught::during(|| {
        let mut other = record();
        other.endpoint = Endpoint::CountTokens;
        TracingSink::new().record(Arc::new(other));
    });
    assert!(said.events.is_empty());
}

#[test]
fn a_stream_that_is_read_in_its_span_fills_it_in_without_its_text() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut text = String::new();
    let said = Caught::during(|| {
        let call = async {
            let answer = Answer::thinking_tool_use().split(Split::Events);
            let layer = UsageMeterLayer::new(TracingSink::new());
            let meter = layer.layer(FakeClaude::sequence([answer]));
            let response = meter.oneshot(message("claude-opus-5-5", true)).await;
            take(response.unwrap().into_body()).await
        };
        let body = runtime.block_on(call.instrument(gen_ai_span()));
        text = String::from_utf8(body.to_vec()).unwrap();
    });
    let (name, fields) = said.only_span();
    assert_eq!(name, "chat");
    assert_eq!(fields["gen_ai.request.model"], r#""claude-opus-5-5""#);
    assert_eq!(fields["claude.tenant"], r#""web""#);
    assert_eq!(
        fields["gen_ai.response.finish_reasons"],
        r#""[\"tool_use\"]""#
    );
    assert_eq!(fields, said.only_event());

    // What the answer says, word by word.
    let everything = format!("{fields:?} {:?}", said.events);
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: serde_json::Value = serde_json::from_str(data).unwrap();
        for field in ["text", "thinking", "partial_json", "signature"] {
            let said = event["delta"][field].as_str().unwrap_or_default();
            assert!(said.len() < 4 || !everything.contains(said), "{said}");
        }
    }
}
