//! Run with `cargo run -p example-axum-app`
//!
//! An axum app with a page of its own, and Claude for its tenants below `/v1`. Without an
//! `ANTHROPIC_API_KEY` it talks to a fake Claude, and needs no network.

use std::env;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower::{BoxError, ServiceBuilder};
use tower_claude::core::{Tenant, TenantId};
use tower_claude::platforms::{Anthropic, ApiKey, BoundaryLayer, HttpClient};
use tower_claude::tenant_auth::{KeyDigest, StaticKeys};
use tower_claude::token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans};
use tower_claude::usage_meter::{JsonLines, UsageSink};
use tower_claude::{
    AuthorizeLayer, RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_claude_testkit::{FakeClaude, FakeServer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let fake = FakeServer::start(FakeClaude::default());
    let (base_url, api_key) = match env::var("ANTHROPIC_API_KEY") {
        Ok(key) => (base_url(), key),
        Err(_) => (fake.base_url(), "any-key-will-do".to_owned()),
    };
    let (ledger, writer) = JsonLines::open("usage.jsonl")?;
    let writer = writer.spawn_thread()?; // writer.close() at the end

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{} asks {base_url}\n\n{TRY}", listener.local_addr()?);
    axum::serve(listener, app(&base_url, api_key, ledger)?)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(writer.close()?)
}

const TRY: &str = r#"curl http://127.0.0.1:3000/v1/messages -H 'x-api-key: key-of-tenant-web' \
  -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
  -d '{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}'
"#;

/// The whole app: what the tests call as well.
fn app<K>(base_url: &str, api_key: String, ledger: K) -> Result<Router, BoxError>
where
    K: UsageSink + Send + Sync + 'static,
{
    let tenant = Tenant::new(TenantId::new("web")?);
    let keys = StaticKeys::new([(KeyDigest::of("key-of-tenant-web"), tenant)])?;
    let (requests, input) = (300_u64.try_into()?, 200_000_u64.try_into()?);
    let plan = Plan::new("standard")
        .limit(Limit::new(Meter::Requests, requests, Per::Minute))
        .limit(Limit::new(Meter::InputTokens, input, Per::Minute));
    let plans = Plans::for_all(plan)?;

    let upstream = Anthropic::new(base_url, ApiKey::new(api_key)?, &HttpClient::new()?)?;
    let claude = ServiceBuilder::new()
        .layer(TenantAuthLayer::new(keys)) // who is calling?
        .layer(UsageMeterLayer::new(ledger)) // what did it cost?
        .layer(AuthorizeLayer::new()) // may they ask for this model?
        .layer(TokenBudgetLayer::new(MemoryStore::new(), plans)) // may they spend it?
        .layer(BoundaryLayer::new()) // your account ends here
        .layer(RetryLayer::default()) // is it worth trying again?
        .service(upstream);

    Ok(Router::new()
        .route("/", get(your_page))
        .route_service("/v1/{*path}", claude))
}

async fn your_page() -> &'static str {
    "a page of your own\n"
}

fn base_url() -> String {
    env::var("ANTHROPIC_BASE_URL").unwrap_or_else(|_| "https://api.anthropic.com".to_owned())
}

#[cfg(test)]
mod tests;
