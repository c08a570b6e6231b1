//! The floor: a plain reverse proxy of hyper and hyper-util, and nothing else.
//!
//! `floor UPSTREAM` prints `{"listen":"…"}` and forwards everything to `http://UPSTREAM`.

use std::convert::Infallible;

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Body = Either<Incoming, Empty<Bytes>>;

#[tokio::main]
async fn main() {
    let upstream = std::env::args().nth(1).expect("floor UPSTREAM");
    let upstream: Authority = upstream.parse().expect("host:port");
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(1024)
        .build::<_, Incoming>(connector);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let listen = listener.local_addr().expect("an address");
    println!("{{\"event\":\"listening\",\"listen\":\"{listen}\"}}");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let service = service_fn(move |mut request: Request<Incoming>| {
                let (client, upstream) = (client.clone(), upstream.clone());
                async move {
                    let mut uri = std::mem::take(request.uri_mut()).into_parts();
                    uri.scheme = Some(Scheme::HTTP);
                    uri.authority = Some(upstream);
                    *request.uri_mut() = Uri::from_parts(uri).expect("a path");
                    Ok::<Response<Body>, Infallible>(match client.request(request).await {
                        Ok(response) => response.map(Either::Left),
                        Err(_) => {
                            let body = Either::Right(Empty::new());
                            Response::builder().status(502).body(body).expect("a head")
                        }
                    })
                }
            });
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
