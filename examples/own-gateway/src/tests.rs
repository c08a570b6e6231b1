use std::sync::Mutex;

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower::ServiceExt;
use tower_claude::core::FailureKind;
use tower_claude::usage_meter::{AttemptOutcome, Outcome};

use super::*;

const KEY: &str = "key-of-tenant-web";

type Records = Arc<Mutex<Vec<Arc<UsageRecord>>>>;

fn records() -> (Records, impl UsageSink + Send + Sync + 'static) {
    let records = Records::default();
    let sink = Arc::clone(&records);
    let sink = move |record: Arc<UsageRecord>| sink.lock().unwrap().push(record);
    (records, sink)
}

fn message(key: &str, model: &str) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"model":"{model}","max_tokens":64,"stream":true,"messages":[]}}"#);
    Request::post("/v1/messages")
        .header("host", "gateway")
        .header("x-api-key", key)
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn the_second_target_serves_what_the_first_cannot_and_both_are_on_record() {
    let spent = FakeServer::start(FakeClaude::sequence([Answer::spend_cap()]));
    let spare = FakeServer::start(FakeClaude::default().require_key("sk-upstream"));
    let (records, sink) = records();
    let gateway = app([&spent.base_url(), &spare.base_url()], "sk-upstream", sink).unwrap();

    let request = message(KEY, "claude-sonnet-5-5");
    let response = gateway.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await;
    let stream = body.map_err(Into::into).unwrap().to_bytes();
    assert!(stream.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));

    let records = records.lock().unwrap();
    let [record] = &records[..] else {
        panic!("one record a call: {records:?}");
    };
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.target.as_ref().unwrap().name(), "second");
    let outcomes: Vec<_> = record.attempt_log.iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0], AttemptOutcome::Failed(FailureKind::SpendCap));
}

#[tokio::test]
async fn refusals_name_the_reason_and_ask_nobody() {
    let claude = FakeClaude::default();
    let fake = FakeServer::start(claude.clone());
    let (records, sink) = records();
    let gateway = app([&fake.base_url(), &fake.base_url()], "sk", sink).unwrap();
    for (key, model, status) in [("a-foreign-key-of-16", "claude-x", 401), (KEY, "gpt", 403)] {
        let response = gateway.clone().oneshot(message(key, model)).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!(claude.calls(), 0);
    let records = records.lock().unwrap();
    assert_eq!(
        records.len(),
        1,
        "nobody's call is not recorded: it is nobody's"
    );
    assert_eq!(records[0].outcome, Outcome::Refused);
}

#[tokio::test]
async fn told_to_stop_it_finishes_the_stream_that_is_open() {
    let answer = Answer::message("claude-sonnet-5-5")
        .text("Ahoy. ".repeat(20))
        .into_stream();
    let claude = FakeClaude::sequence([answer.pace(Duration::from_millis(2))]);
    let fake = FakeServer::start(claude);
    let gateway = app([&fake.base_url(), &fake.base_url()], "sk", ()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, gateway, async { drop(stopped.await) }));

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = message(KEY, "claude-sonnet-5-5");
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    stop.send(()).unwrap();
    let stream = response.into_body().collect().await.unwrap().to_bytes();
    assert!(stream.ends_with(b"data: {\"type\":\"message_stop\"}\n\n"));
    served.await.unwrap();
}
