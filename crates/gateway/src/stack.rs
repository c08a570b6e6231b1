use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequest;
use tower_claude::batches::BatchBook as _;
use tower_claude::capture::{CaptureFile, CaptureFileWriter};
use tower_claude::core::{BoxError, ByteSemaphore, CallBody, TenantId};
use tower_claude::failover::Health;
use tower_claude::platforms::{Anthropic, BoundaryLayer, HttpClient, HttpClientBuilder, Platforms};
use tower_claude::tenant_auth::StaticKeys;
use tower_claude::token_budget::{BudgetStats, MemoryStore, Plans, WhenStoreIsDown};
use tower_claude::usage_meter::{
    BatchResults, DrainLayer, Drainer, Draining, Drains, JsonLines, Labels, MetricsSink, Prices,
    Tally,
};
use tower_claude::{
    AuthorizeLayer, BatchesLayer, CaptureLayer, ContinuationLayer, FailoverLayer, HeartbeatLayer,
    RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::batch_books::BatchBooks;
use crate::budget_store::Books;
use crate::config::Config;
use crate::edge::Edge;
use crate::key_file::KeyFile;
use crate::optional::optional;
use crate::upstream::Upstream;
use crate::writers::{can_be_a_file, opening};
use crate::{StartError, Writers, convert, resilience};

/// The layers of one gateway, and what they share.
///
/// There is one of it; every worker makes a service of its own out of it, with its own
/// connections to upstream.
#[derive(Clone, Debug)]
pub struct Stack {
    auth: TenantAuthLayer<StaticKeys>,
    /// Where callers who leave are read on without.
    draining: Option<Draining>,
    capture: Option<CaptureLayer<CaptureFile>>,
    meter: UsageMeterLayer<Sinks>,
    authorize: AuthorizeLayer,
    batches: BatchesLayer<BatchBooks>,
    budget: TokenBudgetLayer<Books>,
    /// Shows life where the head of a stream is not held back.
    heartbeat: Option<HeartbeatLayer>,
    continuation: Option<ContinuationLayer>,
    failover: FailoverLayer,
    retry: RetryLayer,
    targets: Arc<[Upstream]>,
    client: HttpClientBuilder,
    body_timeout: Duration,
}

/// What the admin pages look at.
#[derive(Clone, Debug)]
pub struct View {
    /// Sums of what was used.
    pub tally: Tally,
    /// How the targets are.
    pub health: Health,
    /// The books of the budgets.
    pub store: Books,
    /// How the budgets fare.
    pub budget: BudgetStats,
    /// What happens while the books cannot be asked.
    pub when_store_is_down: WhenStoreIsDown,
    /// What the books are kept by.
    pub plans: Plans,
    /// Whether records are written.
    pub ledger: JsonLines,
    /// Whether texts are written, if they are kept.
    pub capture: Option<CaptureFile>,
    /// How the results of batches are metered.
    pub batch_results: BatchResults,
    /// How the calls fare whose callers have left.
    pub drains: Drains,
    /// Every tenant, and its plan.
    pub tenants: Arc<[(TenantId, String)]>,
}

type Sinks = (JsonLines, Arc<MetricsSink>, Tally);

// === impl Stack ===

impl Stack {
    /// Builds the layers, and what writes for them.
    pub fn build(config: &Config) -> Result<(Self, View, Writers), StartError> {
        let usage = &config.usage;
        let (ledger, writer) =
            convert::ledger(usage).map_err(|error| opening("ledger", &usage.ledger, &error))?;
        let (capture, texts) = match &usage.capture {
            Some(capture) => CaptureFile::open(&capture.file)
                .map(|(file, texts)| (Some(file), Some(texts)))
                .map_err(|error| opening("capture file", &capture.file, &error))?,
            None => (None, None),
        };
        let books = Books::new(&config.budget)?;
        let (stack, view) = Self::assemble(config, ledger, capture, books)?;
        let texts = texts.map(CaptureFileWriter::spawn_thread).transpose();
        let writers = Writers::new(
            writer.spawn_thread().map_err(StartError::new)?,
            texts.map_err(StartError::new)?,
        );
        Ok((stack, view, writers))
    }

    /// Tries what [`build`](Self::build) does, without the files that are written.
    pub fn check(config: &Config) -> Result<(), StartError> {
        let (ledger, _writer) = JsonLines::new(io::sink(), NonZeroUsize::MIN);
        let books = Books::Memory(MemoryStore::new());
        Self::assemble(config, ledger, None, books)?;
        can_be_a_file("ledger", &config.usage.ledger)?;
        match &config.usage.capture {
            Some(capture) => can_be_a_file("capture file", &capture.file),
            None => Ok(()),
        }
    }

    fn assemble(
        config: &Config,
        ledger: JsonLines,
        capture: Option<CaptureFile>,
        store: Books,
    ) -> Result<(Self, View), StartError> {
        let memory = ByteSemaphore::new(config.server.buffer_limit);
        let intake = convert::intake(&config.server, memory.clone());
        let prices = Prices::new(convert::prices(config));
        let plans = convert::plans(config)?;
        let tally = Tally::new();
        let upstreams = Upstream::all(config)?;
        let metrics = Arc::new(MetricsSink::new(labels(config, &prices)));
        let targets = || upstreams.iter().map(|upstream| upstream.target.clone());
        let failover = resilience::failover(config, targets(), &intake)?;
        let budget = TokenBudgetLayer::new(store.clone(), plans.clone())
            .when_store_is_down(config.budget.when_store_is_down)
            .replicas(config.budget.replicas)
            .prices(prices.clone())
            .intake(intake.clone());
        let batches = BatchBooks::new(&config.budget)?;
        let book = batches.clone();
        let batch_results = BatchResults::new(move |batch: &str, custom_id: &str| {
            let first = book.first(batch, custom_id);
            async move { Ok(first.await?) }
        });
        let draining = convert::draining(config.usage.on_disconnect);
        let view = View {
            drains: draining.as_ref().map(Draining::drains).unwrap_or_default(),
            tally: tally.clone(),
            batch_results: batch_results.clone(),
            health: failover.health(),
            store,
            budget: budget.stats(),
            when_store_is_down: config.budget.when_store_is_down,
            plans,
            ledger: ledger.clone(),
            capture: capture.clone(),
            tenants: tenants(config)?,
        };
        let known = prices.clone();
        let is_priced = move |model: &str| known.table().is_priced(model);
        let mut batches_layer = BatchesLayer::new(batches);
        if let Some(url) = &config.server.public_url {
            batches_layer = batches_layer
                .public_url(&url.to_string())
                .map_err(StartError::new)?;
        }
        let keys = StaticKeys::new(convert::keys(config)?).map_err(StartError::new)?;
        let labels = targets().filter_map(|target| target.residency_label().map(str::to_owned));
        let stack = Self {
            auth: TenantAuthLayer::new(keys),
            draining,
            capture: capture
                .zip(config.usage.capture.as_ref())
                .map(|(file, settings)| {
                    CaptureLayer::new(settings.redactor.clone(), file)
                        .limit(settings.limit)
                        .intake(intake.clone())
                }),
            meter: UsageMeterLayer::new((ledger, metrics, tally))
                .prices(prices)
                .batch_results(batch_results)
                .intake(intake.clone()),
            authorize: AuthorizeLayer::new()
                .priced(is_priced.clone())
                .residencies(labels.collect::<Vec<_>>())
                .intake(intake.clone()),
            batches: batches_layer
                .priced(is_priced)
                .semaphore(memory)
                .intake(intake.clone()),
            budget,
            heartbeat: resilience::heartbeat(&config.retry, &intake),
            continuation: resilience::continuation(&config.failover, &intake),
            failover,
            retry: resilience::retry(&config.retry, &intake),
            targets: upstreams.into(),
            client: HttpClient::builder()
                .request_timeout(config.server.request_timeout)
                .idle_timeout(config.server.stream_idle_timeout),
            body_timeout: config.server.body_timeout,
        };
        // What a worker will do later is tried once, while somebody is there to be told.
        stack.platforms()?;
        Ok((stack, view))
    }

    /// The keys of targets that came from files, to be read again when those change.
    pub(crate) fn key_files(&self) -> Vec<KeyFile> {
        self.targets.iter().filter_map(Upstream::key_file).collect()
    }

    /// A service with connections of its own; streams end when `stop` is cancelled. Where
    /// callers have left, calls are read on as `drain` says.
    pub fn service(
        &self,
        drain: &DrainLayer,
        stop: CancellationToken,
    ) -> Result<
        impl Service<
            Request<Incoming>,
            Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send + use<>>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + use<>,
        StartError,
    > {
        let service = self.retry.layer(self.platforms()?);
        let service = optional(self.continuation.as_ref(), self.failover.layer(service));
        let service = BoundaryLayer::new().layer(service);
        let service = optional(self.heartbeat.as_ref(), service);
        let service = self.batches.layer(self.budget.layer(service));
        let service = self.meter.layer(self.authorize.layer(service));
        let service = optional(self.capture.as_ref(), service);
        let service = MapRequest::new(service, |request: Request<_>| request.map(CallBody::new));
        let service = self.auth.layer(drain.layer(service));
        Ok(Edge::new(service, self.body_timeout, stop))
    }

    /// How calls are read on whose callers have left, and the task that does it, if one does.
    pub fn drain(&self) -> (DrainLayer, Option<Drainer>) {
        match &self.draining {
            Some(draining) => {
                let (layer, drainer) = draining.pair();
                (layer, Some(drainer))
            }
            None => (DrainLayer::abort(), None),
        }
    }

    fn platforms(&self) -> Result<Platforms, StartError> {
        let client = self.client.clone().build().map_err(StartError::new)?;
        let adapters = self.targets.iter().map(|upstream| {
            let key = upstream.key.clone();
            let adapter = Anthropic::new(&upstream.base_url, key, &client);
            Ok((upstream.target.clone(), adapter.map_err(StartError::new)?))
        });
        let adapters: Vec<_> = adapters.collect::<Result<_, StartError>>()?;
        Platforms::new(adapters).map_err(StartError::new)
    }
}

fn tenants(config: &Config) -> Result<Arc<[(TenantId, String)]>, StartError> {
    config
        .tenants
        .iter()
        .map(|tenant| {
            let id = TenantId::new(&tenant.id).map_err(StartError::new)?;
            Ok((id, tenant.plan.clone()))
        })
        .collect()
}

/// Metric labels come from the configuration and the price table; all else is `other`.
///
/// Features are the callers' words and none of them is configured, so none becomes a label.
fn labels(config: &Config, prices: &Prices) -> Labels {
    Labels::new()
        .tenants(config.tenants.iter().map(|tenant| &*tenant.id))
        .models(prices.table().models())
        .targets(config.targets.iter().map(|target| &*target.name))
}
