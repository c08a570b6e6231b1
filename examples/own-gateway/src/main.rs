//! Run with `cargo run -p example-own-gateway`
//!
//! A gateway of one's own: all layers over two targets, served on a port, with a usage sink
//! that prints. Without an `ANTHROPIC_API_KEY` both targets are fakes, the first of which has
//! spent its month, so that every answer comes from the second.

use std::convert::Infallible;
use std::env;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{BoxError, Service, ServiceBuilder};
use tower_claude::core::{Target, Tenant, TenantId};
use tower_claude::platforms::{Anthropic, ApiKey, BoundaryLayer, HttpClient, Platforms};
use tower_claude::tenant_auth::{KeyDigest, StaticKeys};
use tower_claude::token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans};
use tower_claude::usage_meter::{UsageRecord, UsageSink};
use tower_claude::{
    AuthorizeLayer, FailoverLayer, RetryLayer, TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer,
};
use tower_claude_testkit::{Answer, FakeClaude, FakeServer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let spent = FakeServer::start(FakeClaude::sequence([Answer::spend_cap()]));
    let spare = FakeServer::start(FakeClaude::default());
    let key = env::var("ANTHROPIC_API_KEY");
    let url = |variable, fake: &FakeServer, real: &str| match (&key, env::var(variable)) {
        (_, Ok(url)) => url,
        (Ok(_), _) => real.to_owned(),
        _ => fake.base_url(),
    };
    let first = url("FIRST_URL", &spent, "https://api.anthropic.com");
    let second = url("SECOND_URL", &spare, "https://api.anthropic.com");
    let key = key.as_deref().unwrap_or("any-key-will-do");

    let gateway = app([&first, &second], key, |record: Arc<UsageRecord>| {
        let tenant = record.tenant.as_ref().map_or("nobody", TenantId::as_str);
        let target = record.target.as_ref().map_or("nowhere", Target::name);
        let (outcome, cost) = (record.outcome.as_str(), record.cost.unwrap_or_default());
        println!("{tenant} asked {target}: {outcome}, ${cost}");
    })?;
    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    println!("http://{}, key key-of-tenant-web", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    serve(listener, gateway, stop).await;
    Ok(())
}

/// All layers over two targets, the first preferred.
fn app<K, ReqB>(
    [first, second]: [&str; 2],
    key: &str,
    sink: K,
) -> Result<
    impl Service<
        Request<ReqB>,
        Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send + use<K, ReqB>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + use<K, ReqB>,
    BoxError,
>
where
    K: UsageSink + Send + Sync + 'static,
    ReqB: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let tenant = Tenant::new(TenantId::new("web")?).models(["claude-*".into()]);
    let keys = StaticKeys::new([(KeyDigest::of("key-of-tenant-web"), tenant)])?;
    let plan = Plan::new("standard")
        .limit(Limit::new(Meter::Requests, 60_u64.try_into()?, Per::Minute))
        .limit(Limit::new(
            Meter::Tokens,
            100_000_u64.try_into()?,
            Per::Minute,
        ));
    let targets = [Target::new("first"), Target::new("second").priority(1)];

    let client = HttpClient::new()?;
    let [first, second] =
        [first, second].map(|url| Anthropic::new(url, ApiKey::new(key)?, &client));
    let [here, there] = targets.clone();
    let platforms = Platforms::new([(here, first?), (there, second?)])?;

    Ok(ServiceBuilder::new()
        .layer(TenantAuthLayer::new(keys))
        .layer(UsageMeterLayer::new(sink))
        .layer(AuthorizeLayer::new())
        .layer(TokenBudgetLayer::new(
            MemoryStore::new(),
            Plans::for_all(plan)?,
        ))
        .layer(BoundaryLayer::new())
        .layer(FailoverLayer::new(targets)?)
        .layer(RetryLayer::default())
        .service(platforms))
}

/// Serves until `stop`, then finishes what is open.
async fn serve<S, B>(listener: TcpListener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let server = Builder::new(TokioExecutor::new());
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors, or a peer that left: neither is helped by haste.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Small events must not wait for each other.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(service.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async { drop(connection.await) });
    }
    drop(listener);
    let _ = tokio::time::timeout(Duration::from_secs(30), graceful.shutdown()).await;
}

#[cfg(test)]
mod tests;
