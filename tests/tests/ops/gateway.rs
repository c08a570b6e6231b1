use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower_claude::tenant_auth::KeyDigest;
use tower_claude_testkit::{FakeClaude, FakeServer};

use crate::exports::Exports;

/// The built gateway as a process, in front of a fake Claude.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) folder: PathBuf,
    address: String,
    admin: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _upstream: FakeServer,
}

const WEB: &str = "integration-key-of-web";
const TRIAL: &str = "integration-key-of-trial";
/// How many calls are made; one more is refused before anybody knows whose it is.
const CALLS: f64 = 4.0;
const WITHIN: Duration = Duration::from_secs(20);

// === impl Gateway ===

impl Gateway {
    /// Starts the binary that stands beside this test, on free ports.
    pub(crate) fn start() -> Self {
        let upstream = FakeServer::start(FakeClaude::default());
        let folder = folder();
        let config = config(&upstream.base_url());
        std::fs::write(folder.join("gateway.toml"), config).unwrap();
        std::fs::write(folder.join("upstream-key"), "integration-key").unwrap();
        let program = program();
        let mut child = Command::new(&program)
            .args(["--config", "gateway.toml"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {}: {error}", program.display()));
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let stderr = std::fs::read_to_string(folder.join("stderr")).unwrap();
            panic!("the gateway said `{line}` and: {stderr}")
        });
        Self {
            child,
            folder,
            address: said["listen"].as_str().unwrap().to_owned(),
            admin: said["admin"].as_str().unwrap().to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            _upstream: upstream,
        }
    }

    /// What it exports after a plain call, a streamed one and refused ones.
    pub(crate) async fn exports(&self) -> Exports {
        let all = async {
            assert_eq!(self.call(WEB, false).await, StatusCode::OK);
            assert_eq!(self.call(WEB, true).await, StatusCode::OK);
            assert_eq!(self.call(TRIAL, false).await, StatusCode::OK);
            let refused = self.call(TRIAL, false).await;
            assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
            let strange = self.call("nobody", false).await;
            assert_eq!(strange, StatusCode::UNAUTHORIZED);
            // A call is counted when its answer has gone.
            loop {
                let exports = Exports::read(&self.scrape().await);
                if exports.sum("claude_requests_total") >= CALLS {
                    return exports;
                }
            }
        };
        tokio::time::timeout(WITHIN, all).await.unwrap()
    }

    async fn call(&self, key: &str, stream: bool) -> StatusCode {
        let body = json!({
            "model": "claude-sonnet-5-5",
            "max_tokens": 64,
            "stream": stream,
            "messages": [{ "role": "user", "content": "Hello, Claude" }],
        });
        let request = Request::post(format!("http://{}/v1/messages", self.address))
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))
            .unwrap();
        self.send(request).await.0
    }

    async fn scrape(&self) -> String {
        let request = Request::get(format!("http://{}/metrics", self.admin));
        let (status, text) = self.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        text
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let response = self.client.request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Where the binary is: no crate may depend on the gateway, so cargo does not say.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let name = format!("claude-gateway{}", std::env::consts::EXE_SUFFIX);
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} is not built: run `cargo build -p claude-gateway`, or the tests of the whole workspace",
        program.display()
    );
    program
}

/// A fresh folder under the build's own.
fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ops-{}-{next}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Limits of money and of calls, so that each kind of gauge is there.
fn config(upstream: &str) -> String {
    format!(
        r#"
[usage]
ledger = "usage.jsonl"
capture = "redacted"

[[targets]]
name = "fake"
base_url = "{upstream}"
credential = {{ file = "upstream-key" }}

[plans.standard]
limits = [
  {{ meter = "requests", limit = 300, per = "minute" }},
  {{ meter = "usd", limit = 50, per = "day" }},
]

[plans.trial]
limits = [{{ meter = "requests", limit = 1, per = "minute" }}]

[[tenants]]
id = "web"
plan = "standard"
keys = [{{ digest = "{web}" }}]

[[tenants]]
id = "trial"
plan = "trial"
keys = [{{ digest = "{trial}" }}]
"#,
        web = KeyDigest::of(WEB),
        trial = KeyDigest::of(TRIAL),
    )
}
