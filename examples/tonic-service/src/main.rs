//! Run with `cargo run -p example-tonic-service`
//!
//! A gRPC service and Claude behind one port of tonic's own server. One tenancy covers both:
//! gRPC passes the meter and the budget as a path that is let through, unread; calls to Claude
//! are read, counted and limited. Refusals come in the form the caller reads.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::layer::util::{Identity, Stack};
use tower::{BoxError, Service, ServiceBuilder};
use tower_claude::core::{Intake, Tenant, TenantId};
use tower_claude::platforms::BoundaryLayer;
use tower_claude::tenant_auth::{KeyDigest, StaticKeys};
use tower_claude::token_budget::{Limit, MemoryStore, Meter, Per, Plan, Plans};
use tower_claude::usage_meter::{UsageRecord, UsageSink};
use tower_claude::{TenantAuthLayer, TokenBudgetLayer, UsageMeterLayer};
use tower_claude_testkit::FakeClaude;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (layers, routes) = app(FakeClaude::default(), |record: Arc<UsageRecord>| {
        let tenant = record.tenant.as_ref().map_or("nobody", TenantId::as_str);
        let (endpoint, outcome) = (record.endpoint.as_str(), record.outcome.as_str());
        let cost = record.cost.unwrap_or_default();
        println!("{tenant}: {endpoint}, {outcome}, ${cost}");
    })?;
    let address = SocketAddr::from(([127, 0, 0, 1], 50051));
    println!("http://{address}, key key-of-tenant-web");
    Server::builder()
        .accept_http1(true)
        .layer(layers)
        .add_routes(routes)
        .serve_with_shutdown(address, async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(())
}

type Layers<K> = Stack<
    TokenBudgetLayer<MemoryStore>,
    Stack<UsageMeterLayer<K>, Stack<TenantAuthLayer<StaticKeys>, Identity>>,
>;

/// The layers, and what they go around.
fn app<K>(claude: FakeClaude, sink: K) -> Result<(Layers<K>, Routes), BoxError>
where
    K: UsageSink + Send + Sync + 'static,
{
    let tenant = Tenant::new(TenantId::new("web")?);
    let keys = StaticKeys::new([(KeyDigest::of("key-of-tenant-web"), tenant)])?;
    let plan =
        Plan::new("trial").limit(Limit::new(Meter::Requests, 2_u64.try_into()?, Per::Minute));
    let plans = Plans::for_all(plan)?;
    // What is let through here is not counted; every other path that is not of the API is 404.
    let intake = Intake::new().passthrough(["/demo.Greeter/"]);
    let layers = ServiceBuilder::new()
        .layer(TenantAuthLayer::new(keys))
        .layer(UsageMeterLayer::new(sink).intake(intake.clone()))
        .layer(TokenBudgetLayer::new(MemoryStore::new(), plans).intake(intake))
        .into_inner();

    // A platform would stand here, instead of the fake.
    let claude = ServiceBuilder::new()
        .layer(BoundaryLayer::new())
        .service(claude);
    let routes = Routes::new(Greeter)
        .into_axum_router()
        .route_service("/v1/messages", claude);
    Ok((layers, routes.into()))
}

/// A gRPC service as a code generator would make it, with one method that knows its caller.
#[derive(Clone, Debug)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "demo.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let tenant = request.extensions().get::<Tenant>();
        let name = tenant.map_or("nobody", |tenant| tenant.id().as_str());
        ready(Ok(reply(&format!("Ahoy, {name}."))))
    }
}

/// A message with one short string as its first field.
fn reply(text: &str) -> Response<Body> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let mut message = BytesMut::new();
    message.put_u8(0); // not compressed
    message.put_u32(u32::from(length) + 2);
    message.put_slice(&[0x0a, length]); // field 1, of a length
    message.put_slice(&text.as_bytes()[..usize::from(length)]);
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::<Bytes>::new(message.freeze()).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

#[cfg(test)]
mod tests;
