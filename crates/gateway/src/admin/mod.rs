//! The admin listener: metrics, health, and what was used.

mod usage;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tower_claude::core::FailureKind;
use tower_claude::token_budget::WhenStoreIsDown;
use tower_claude::usage_meter::UsageSink as _;

use crate::{View, telemetry};

/// Answers for the gateway itself, on a listener of its own.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    view: View,
    metrics: PrometheusHandle,
    draining: CancellationToken,
}

const PAGE: &str = include_str!("usage.html");

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Histograms are summed up at least so often, or they would grow between looks.
const UPKEEP: Duration = Duration::from_secs(5);

// === impl Admin ===

impl Admin {
    /// Shows this view; not ready any more once `draining` is cancelled.
    #[must_use]
    pub fn new(view: View, metrics: PrometheusHandle, draining: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            view,
            metrics,
            draining,
        }))
    }

    /// Serves until it is dropped.
    pub fn serve(self, listener: TcpListener) -> io::Result<impl Future<Output = ()> + Send> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(async move {
            let mut upkeep = tokio::time::interval(UPKEEP);
            loop {
                tokio::select! {
                    _ = upkeep.tick() => self.0.metrics.run_upkeep(),
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(tokio::spawn(self.clone().connection(stream))),
                        // Out of descriptors: not helped by haste.
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    },
                }
            }
        })
    }

    async fn connection(self, stream: tokio::net::TcpStream) {
        let service = service_fn(move |request: Request<Incoming>| {
            let admin = self.clone();
            async move {
                let response = admin.answer(request.method(), request.uri().path()).await;
                Ok::<_, Infallible>(response)
            }
        });
        // A peer that leaves is its own affair.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n");
        }
        match path {
            "/healthz" => respond(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.readiness(),
            "/metrics" => {
                telemetry::show_targets(&self.0.view.health);
                telemetry::show_ledger(&self.0.view.ledger);
                telemetry::show_drains(&self.0.view.drains);
                telemetry::show_batch_results(&self.0.view.batch_results);
                let view = &self.0.view;
                if let Some(capture) = &view.capture {
                    telemetry::show_capture(capture);
                }
                let is_up = view.store.is_up() && view.budget.is_store_up();
                telemetry::show_budget_layer(&view.budget, is_up);
                for budget in usage::budgets(&self.0.view).await {
                    telemetry::show_budget(&budget.tenant, &budget.name, budget.used_ratio);
                }
                respond(StatusCode::OK, PROMETHEUS, self.0.metrics.render())
            }
            "/usage" => respond(StatusCode::OK, HTML, PAGE),
            "/usage.json" => match usage::json(&self.0.view).await {
                Ok(json) => respond(StatusCode::OK, JSON, json),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "summing up usage");
                    let text = "the usage cannot be shown\n";
                    respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
                }
            },
            _ => respond(
                StatusCode::NOT_FOUND,
                TEXT,
                "/metrics /healthz /readyz /usage /usage.json\n",
            ),
        }
    }

    /// Ready as long as it serves; says which targets refuse our credential.
    ///
    /// A target that waits for a probe takes calls: whoever keeps calls away from what is not
    /// ready would keep that probe away for ever.
    fn readiness(&self) -> Response<Full<Bytes>> {
        if self.0.draining.is_cancelled() {
            return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n");
        }
        let targets = self.0.view.health.snapshot();
        let mut text = String::from("ready\n");
        for target in &targets {
            if let Some(FailureKind::Authentication | FailureKind::Permission) = target.last_failure
            {
                let name = target.target.name();
                text.push_str(&format!("target {name} does not accept its credential\n"));
            }
        }
        let view = &self.0.view;
        if !view.store.is_up() {
            let policy = view.when_store_is_down;
            text.push_str(&format!("the budget store is away: {}\n", policy.as_str()));
            if policy == WhenStoreIsDown::Refuse {
                text.replace_range(..6, "no call passes\n");
                return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text);
            }
        }
        if !view.ledger.is_ready() {
            text.replace_range(..6, "the ledger cannot be written\n");
            return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text);
        }
        if targets.iter().all(|target| !target.takes_calls) {
            text.replace_range(..6, "no target takes calls\n");
            for target in &targets {
                let (name, state) = (target.target.name(), usage::state(target));
                text.push_str(&format!("target {name}: {state}\n"));
            }
            return respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, text);
        }
        respond(StatusCode::OK, TEXT, text)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
