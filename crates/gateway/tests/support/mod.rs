//! The built gateway, run as a process against a fake Claude in this one.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{FakeClaude, FakeServer};

/// The key of tenant `web`, which may do what tenants may do by default.
pub(crate) const WEB_KEY: &str = "integration-key-of-web";
/// What the gateway shows its upstream.
pub(crate) const UPSTREAM_KEY: &str = "integration-key-of-upstream";

/// A gateway that runs, and the folder it runs in.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) address: String,
    pub(crate) admin: String,
}

/// A fake Claude and a gateway in front of it.
pub(crate) struct Pair {
    pub(crate) fake: FakeClaude,
    pub(crate) gateway: Gateway,
    server: FakeServer,
}

// === impl Pair ===

impl Pair {
    /// The usual tenant, without limits, and whatever `more` configuration a test adds.
    pub(crate) fn start(fake: FakeClaude, more: &str) -> Self {
        Self::limited(fake, "", more)
    }

    /// The same, with limits for the usual tenant.
    pub(crate) fn limited(fake: FakeClaude, limits: &str, more: &str) -> Self {
        let server = FakeServer::start(fake.clone());
        let gateway = Gateway::start(&format!(
            r#"
[[targets]]
name = "fake"
base_url = "{}"
credential = {{ file = "upstream-key" }}

[[tenants]]
id = "web"
plan = "standard"
keys = [{{ digest = "{}" }}]
models = ["claude-*"]

[plans.standard]
limits = [{limits}]

{more}
"#,
            server.base_url(),
            KeyDigest::of(WEB_KEY),
        ));
        Self {
            fake,
            gateway,
            server,
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Starts the binary with this configuration, on free ports unless it names some.
    pub(crate) fn start(config: &str) -> Self {
        let folder = folder();
        std::fs::write(folder.join("upstream-key"), UPSTREAM_KEY).unwrap();
        std::fs::write(folder.join("gateway.toml"), config).unwrap();
        let arguments = ["--config", "gateway.toml"];
        Self::spawn(folder, &arguments)
    }

    /// Starts the binary with these arguments, on free ports.
    pub(crate) fn spawn(folder: PathBuf, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claude-gateway"))
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next().map(Result::unwrap).unwrap_or_default();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let stderr = std::fs::read_to_string(folder.join("stderr")).unwrap();
            panic!("the gateway said `{line}` and: {stderr}")
        });
        assert_eq!(said["event"], "listening");
        // What it prints later is read, so that its pipe never fills.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            folder,
            address: said["listen"].as_str().unwrap().to_owned(),
            admin: said["admin"].as_str().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it to stop, as an orchestrator does.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for it to end, for at most ten seconds; its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        for _ in 0..1_000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the gateway did not end");
    }

    /// Every line of its ledger.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        read_ledger(&self.folder.join("usage.jsonl"))
    }

    /// The ledger once it has so many lines, waiting for at most ten seconds.
    pub(crate) async fn ledger_of(&self, lines: usize) -> Vec<Value> {
        for _ in 0..1_000 {
            let ledger = self.ledger();
            if ledger.len() >= lines {
                return ledger;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the ledger has {} of {lines} lines", self.ledger().len());
    }

    /// Ends it at once, without a word: SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// All it has logged.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the gateway said: {}", self.stderr());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A fresh folder under the build's own.
pub(crate) fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "gateway-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn read_ledger(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A client that pools connections, as SDKs do.
pub(crate) type TestClient = Client<HttpConnector, Full<Bytes>>;

/// A new one.
pub(crate) fn client() -> TestClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A request of tenant `web`.
pub(crate) fn request(url: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("x-api-key", WEB_KEY)
        .header("anthropic-version", "2023-06-01")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

/// What a message asks for at most.
pub(crate) const MAX_TOKENS: u64 = 128;

/// The body of a Messages call.
pub(crate) fn message(text: &str, stream: bool) -> String {
    serde_json::json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": MAX_TOKENS,
        "stream": stream,
        "messages": [{ "role": "user", "content": text }],
    })
    .to_string()
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(request: Request<Full<Bytes>>) -> Response<Bytes> {
    let response = client().request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, body)
}

/// A GET of the admin listener.
pub(crate) async fn get(address: &str, path: &str) -> Response<Bytes> {
    let request = Request::get(format!("http://{address}{path}"));
    send(request.body(Full::default()).unwrap()).await
}

pub(crate) fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}
