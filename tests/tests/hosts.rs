//! Each layer, and all of them, in each host: axum, tonic, hyper, and around a client.
//!
//! Most of what is proven here is that it compiles: the hosts' bounds are theirs, not ours.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use support::{
    FOREIGN, KEY, auth, authorize, batches, budget, capture, continuation, drain, failover,
    heartbeat, meter, request, retry, text,
};
use tower::ServiceExt;
use tower_claude::core::CallBody;
use tower_claude_testkit::{FakeClaude, FakeServer, wire};
use tower_layer::{Identity, Layer, Stack};
use tower_service::Service;

/// All five layers and the check between them, as one layer.
macro_rules! whole {
    () => {
        Stack::new(
            Stack::new(retry(), failover()),
            Stack::new(
                Stack::new(budget(), authorize()),
                Stack::new(meter().0, auth()),
            ),
        )
    };
}

/// Runs a test with each layer alone and with the whole stack.
macro_rules! with_each_layer {
    ($run:path) => {
        $run("none", Identity::new()).await;
        $run("TenantAuth", auth()).await;
        $run("UsageMeter", meter().0).await;
        $run("Drain", drain()).await;
        $run("Capture", capture()).await;
        $run("Batches", batches()).await;
        $run("TokenBudget", budget()).await;
        $run("Heartbeat", heartbeat()).await;
        $run("Continuation", continuation()).await;
        $run("Failover", failover()).await;
        $run("Retry", retry()).await;
        $run("Authorize in TenantAuth", Stack::new(authorize(), auth())).await;
        $run("the whole stack", whole!()).await;
    };
}

/// What an axum app does for a message.
async fn handler() -> Response<axum::body::Body> {
    Response::builder()
        .header("content-type", "application/json")
        .body(axum::body::Body::from(wire::MESSAGE))
        .unwrap()
}

#[tokio::test]
async fn in_an_axum_router() {
    async fn run<L>(name: &str, layer: L)
    where
        L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request<axum::body::Body>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<axum::body::Body>>>::Response:
            axum::response::IntoResponse + 'static,
        <L::Service as Service<Request<axum::body::Body>>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request<axum::body::Body>>>::Future: Send + 'static,
    {
        let app = Router::new()
            .route("/v1/messages", post(handler))
            .layer(layer);
        let request = request().map(axum::body::Body::new);
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(text(response.into_body()).await, wire::MESSAGE, "{name}");
    }
    with_each_layer!(run);
}

/// A gRPC method that sends back what it gets.
#[derive(Clone)]
struct Echo;

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl<B> Service<Request<B>> for Echo
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let body = request.into_body().map_err(|error| {
            let error: Box<dyn std::error::Error + Send + Sync> = error.into();
            tonic::Status::internal(error.to_string())
        });
        let body = body.with_trailers(ready(Some(Ok(trailers))));
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .body(tonic::body::Body::new(body));
        ready(Ok(response.unwrap()))
    }
}

fn grpc_request(path: &str, key: &str) -> Request<tonic::body::Body> {
    let message = Bytes::from_static(b"\0\0\0\0\x02hi");
    Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-api-key", key)
        .body(tonic::body::Body::new(http_body_util::Full::new(message)))
        .unwrap()
}

#[tokio::test]
async fn in_a_tonic_server() {
    async fn run<L>(name: &str, layer: L)
    where
        L: Layer<tonic::service::Routes> + Clone + Send + 'static,
        L::Service: Service<Request<tonic::body::Body>, Error: Into<tower::BoxError>>
            + Clone
            + Send
            + 'static,
        <L::Service as Service<Request<tonic::body::Body>>>::Response: IntoGrpc,
        <L::Service as Service<Request<tonic::body::Body>>>::Future: Send + 'static,
    {
        let routes = tonic::service::Routes::new(Echo);
        let mut service = layer.layer(routes);
        let asked = service.ready().await.map_err(Into::into).unwrap();
        let response = asked.call(grpc_request(FOREIGN, KEY)).await;
        let response = response.map_err(Into::into).unwrap().into_grpc();
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0", "{name}");
        assert_eq!(body.to_bytes(), &b"\0\0\0\0\x02hi"[..], "{name}");
    }
    with_each_layer!(run);
}

/// Whatever a layer answers with, as tonic would send it.
trait IntoGrpc {
    fn into_grpc(self) -> Response<tonic::body::Body>;
}

impl<B> IntoGrpc for Response<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    fn into_grpc(self) -> Response<tonic::body::Body> {
        self.map(tonic::body::Body::new)
    }
}

#[tokio::test]
async fn tonics_own_server_takes_the_whole_stack_and_answers_refusals_in_trailers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder()
        .layer(whole!())
        .add_service(Echo)
        .serve_with_incoming(incoming);
    let server = tokio::spawn(server);
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut served = channel.clone();
    let response = served.ready().await.unwrap();
    let response = response.call(grpc_request(FOREIGN, KEY)).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");

    let mut refused = channel;
    let response = refused.ready().await.unwrap();
    let response = response
        .call(grpc_request(FOREIGN, "nobody-has-this-key"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200, "trailers only");
    assert_eq!(response.headers()["grpc-status"], "16");
    server.abort();
}

#[tokio::test]
async fn under_hyper_through_tower_to_hyper() {
    async fn run<L>(name: &str, layer: L)
    where
        L: Layer<FakeClaude>,
        L::Service: Service<
                Request<CallBody>,
                Response: IntoGrpc,
                Error: Into<tower::BoxError>,
                Future: Send + 'static,
            > + Clone
            + Send
            + 'static,
    {
        let service = layer.layer(FakeClaude::default());
        let service = service
            .map_request(|request: Request<hyper::body::Incoming>| request.map(CallBody::new))
            .map_response(IntoGrpc::into_grpc);
        let (client, server) = tokio::io::duplex(64 * 1024);
        let service = hyper_util::service::TowerToHyperService::new(service);
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(server), service),
        );
        let io = hyper_util::rt::TokioIo::new(client);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = request();
        request.headers_mut().insert("host", "x".parse().unwrap());
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        let text = text(response.into_body()).await;
        assert!(text.contains("\"usage\""), "{name}: {text}");
    }
    with_each_layer!(run);
}

#[tokio::test]
async fn around_hyper_utils_client() {
    let upstream = FakeServer::start(FakeClaude::default());
    let base = upstream.base_url();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http::<CallBody>();
    // A client wants absolute addresses, which the layers do not know.
    let service = client.map_request(move |mut request: Request<CallBody>| {
        let absolute = format!("{base}{}", request.uri());
        *request.uri_mut() = absolute.parse().unwrap();
        request
    });
    let service = whole!().layer(service);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(text(response.into_body()).await.contains("\"usage\""));
}

#[tokio::test]
async fn around_a_tonic_channel() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder().add_service(Echo);
    let server = tokio::spawn(server.serve_with_incoming(incoming));
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let inner =
        channel.map_request(|request: Request<CallBody>| request.map(tonic::body::Body::new));
    let response = whole!()
        .layer(inner)
        .oneshot(grpc_request(FOREIGN, KEY))
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    server.abort();
}
