//! The floor: a plain reverse proxy of hyper and hyper-util, and nothing else.
//!
//! `floor UPSTREAM` prints `{"listen":"…"}` and forwards everything to `http://UPSTREAM`; with
//! `--metered`, through a meter whose records go nowhere.

use std::convert::Infallible;
use std::task::{Context, Poll};

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tokio::net::TcpListener;
use tower_claude::UsageMeterLayer;
use tower_claude::core::{BoxError, CallBody};
use tower_layer::Layer as _;
use tower_service::Service;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Answer = Either<Incoming, Empty<Bytes>>;

/// Forwards to upstream; the same with and without a meter around it.
struct Forward<B> {
    client: Client<HttpConnector, B>,
    upstream: Authority,
}

pin_project! {
    /// An answer of upstream, or that there is none.
    struct Forwarded {
        #[pin]
        answer: ResponseFuture,
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let authority = |upstream: &str| upstream.parse::<Authority>().expect("host:port");
    match arguments[..] {
        [upstream] => serve(Forward::<Incoming>::to(authority(upstream))).await,
        [upstream, "--metered"] => {
            let forward = Forward::<CallBody>::to(authority(upstream));
            serve(UsageMeterLayer::new(()).layer(forward)).await;
        }
        _ => panic!("floor UPSTREAM [--metered]"),
    }
}

async fn serve<S, B>(service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let listen = listener.local_addr().expect("an address");
    println!("{{\"event\":\"listening\",\"listen\":\"{listen}\"}}");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

// === impl Forward ===

impl<B> Forward<B>
where
    B: Body<Data = Bytes> + Send,
{
    fn to(upstream: Authority) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1024)
            .build(connector);
        Self { client, upstream }
    }
}

impl<B> Service<Request<B>> for Forward<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Forwarded;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Forwarded {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.upstream.clone());
        *request.uri_mut() = Uri::from_parts(uri).expect("a path");
        Forwarded {
            answer: self.client.request(request),
        }
    }
}

impl<B> Clone for Forward<B> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            upstream: self.upstream.clone(),
        }
    }
}

// === impl Forwarded ===

impl Future for Forwarded {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answer.poll(cx).map(|answer| {
            Ok(match answer {
                Ok(response) => response.map(Either::Left),
                Err(_) => {
                    let body = Either::Right(Empty::new());
                    Response::builder().status(502).body(body).expect("a head")
                }
            })
        })
    }
}
