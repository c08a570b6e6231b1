#![allow(dead_code, reason = "each test file uses some of it")]

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use tower_claude_core::{CallBody, Intake, Prepare, TransportError};
use tower_claude_platforms::{AnswerBody, Anthropic, ApiKey, HttpClient, Protocol};
use tower_service::Service;

pub(crate) const KEY: &str = "sk-ant-canary";

pub(crate) const SAY: &str = r#"{ "model" : "claude-opus-5-5","max_tokens":64, "messages":[{"role":"user","content":"hello"}]}"#;

/// A server made by hand: what it does with its connections is a test's own affair.
pub(crate) struct Raw {
    pub(crate) base: String,
    connections: Arc<AtomicUsize>,
    accept: JoinHandle<()>,
}

impl Raw {
    pub(crate) async fn start<F>(mut serve: impl FnMut(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accept = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                count.fetch_add(1, SeqCst);
                tokio::spawn(serve(socket));
            }
        });
        Self {
            base,
            connections,
            accept,
        }
    }

    /// Gives every request the same answer.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut socket| async move {
            while read_request(&mut socket).await.is_some() {
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

/// One request of HTTP/1.1, head and body; `None` at the end of the connection.
pub(crate) async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

pub(crate) fn client(protocol: Protocol) -> HttpClient {
    HttpClient::builder().protocol(protocol).build().unwrap()
}

pub(crate) fn claude(base: &str) -> Anthropic {
    claude_over(base, &client(Protocol::Negotiated))
}

pub(crate) fn claude_over(base: &str, client: &HttpClient) -> Anthropic {
    Anthropic::new(base, ApiKey::new(KEY).unwrap(), client).unwrap()
}

pub(crate) fn ask(body: impl Into<CallBody>) -> Request<CallBody> {
    Request::post("/v1/messages").body(body.into()).unwrap()
}

/// A request as the layers leave it, with its facts.
pub(crate) async fn prepared(body: impl Into<CallBody>) -> Request<CallBody> {
    let prepared = Prepare::new(ask(body), &Intake::new()).await;
    prepared.map_err(|refused| refused.refusal).unwrap().request
}

pub(crate) async fn call<S>(
    service: &S,
    request: Request<CallBody>,
) -> Result<Response<AnswerBody>, TransportError>
where
    S: Service<Request<CallBody>, Response = Response<AnswerBody>, Error = TransportError>,
    S: Clone,
{
    service.clone().oneshot(request).await
}

pub(crate) async fn bytes(response: Response<AnswerBody>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// All that an error says, in every way it can be made to say it.
pub(crate) fn told(error: &TransportError) -> String {
    let mut told = format!("{error:?} {error:#?}");
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        told = format!("{told} {error} {error:?}");
        next = error.source();
    }
    told
}
