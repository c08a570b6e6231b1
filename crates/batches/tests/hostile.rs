//! Answers and requests that nobody in their right mind sends: an answer each, and no harm.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use http::Method;
use support::{
    Account, BATCHES, ID, OBJECT, Said, answered, ask, get, item, layer, page, request, tenant,
};
use tower::Layer as _;
use tower_claude_batches::BatchBook as _;
use tower_claude_core::ByteSemaphore;
use tower_claude_testkit::{Answer, FakeClaude};

const MIB: usize = 1024 * 1024;

async fn retrieved(answer: Answer) -> Said {
    answered(&Method::GET, &format!("{BATCHES}/{ID}"), answer).await
}

async fn listed(answer: Answer) -> Said {
    answered(&Method::GET, BATCHES, answer).await
}

async fn created(answer: Answer) -> Said {
    answered(&Method::POST, BATCHES, answer).await
}

fn assert_bad_gateway(said: &Said, what: &str) {
    assert_eq!(said.status, 502, "{what}");
    assert!(said.body.contains("api_error"), "{what}");
    assert!(!said.body.contains("secret"), "{what}: {}", said.body);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_passed_on() {
    for body in [
        "",
        "secret",
        "[]",
        "{\"secret\":",
        r#"{"id":"secret","id":"msgbatch_01WireSampleQ4"}"#,
        r#"{"id":"secret"}"#,
        r#"{"id":"msgbatch_01WireSampleQ4","results_url":["secret"]}"#,
    ] {
        let said = retrieved(Answer::json(200, body)).await;
        assert_bad_gateway(&said, body);
    }
    for body in [
        "",
        "{}",
        r#"{"data":"secret"}"#,
        r#"{"data":[{"id":"secret"},{"x":1}]}"#,
        r#"{"data":[],"d\u0061ta":[{"id":"secret"}]}"#,
        r#"{"data":[{"id":"msgbatch_01WireSampleQ4","id":"secret"}]}"#,
        r#"{"data":[{"id":"secret"}"#,
    ] {
        assert_bad_gateway(&listed(Answer::json(200, body)).await, body);
    }
}

#[tokio::test]
async fn a_batch_that_was_made_and_cannot_be_claimed_says_not_to_make_another() {
    for answer in [
        Answer::json(200, "secret"),
        Answer::json(200, r#"{"id":"a/b"}"#),
        Answer::json(200, OBJECT).reset_after(0),
        Answer::json(200, OBJECT).header("content-encoding", "gzip"),
        Answer::json(200, vec![b' '; 17 * MIB]),
    ] {
        let said = created(answer).await;
        assert_bad_gateway(&said, "creation");
        assert_eq!(said.headers["x-should-retry"], "false");
        assert!(said.message().contains("may run"), "{}", said.message());
    }
}

#[tokio::test]
async fn an_answer_that_comes_compressed_all_the_same_is_not_passed_on() {
    for coding in ["gzip", "br", "x-unknown"] {
        let answer = || Answer::json(200, OBJECT).header("content-encoding", coding);
        assert_bad_gateway(&retrieved(answer()).await, coding);
        assert_bad_gateway(&listed(answer()).await, coding);
    }
    let plain = Answer::json(200, OBJECT).header("content-encoding", "Identity");
    assert_eq!(retrieved(plain).await.status, 200);
    // Results are not read here, and errors are not of batches.
    let results = Answer::json(200, "\x1f\x01").header("content-encoding", "gzip");
    let path = format!("{BATCHES}/{ID}/results");
    let said = answered(&Method::GET, &path, results).await;
    assert_eq!((said.status, said.body.as_str()), (200, "\x1f\x01"));
    let error = Answer::json(529, "\x1f\x01").header("content-encoding", "gzip");
    assert_eq!(retrieved(error).await.status, 529);
}

#[tokio::test]
async fn an_answer_without_end_is_left_at_the_limit() {
    let spaces = vec![b' '; 16 * MIB - OBJECT.len()];
    let just = [spaces.as_slice(), OBJECT.as_bytes()].concat();
    assert_eq!(retrieved(Answer::json(200, just.clone())).await.status, 200);
    let over = [b" ", just.as_slice()].concat();
    assert_bad_gateway(
        &retrieved(Answer::json(200, over.clone())).await,
        "an object",
    );
    assert_bad_gateway(&listed(Answer::json(200, over)).await, "a list");
}

#[tokio::test]
async fn large_answers_share_a_memory_and_small_ones_need_none() {
    let ask_for = async |body: Vec<u8>| {
        let layer = layer().semaphore(ByteSemaphore::new(1000));
        layer.book().claim(tenant("web").id(), ID).await.unwrap();
        let service = layer.layer(FakeClaude::sequence([Answer::json(200, body)]));
        ask(service, get(&tenant("web"), &format!("{BATCHES}/{ID}"))).await
    };
    assert_eq!(ask_for(OBJECT.into()).await.status, 200);
    let large = [vec![b' '; 65 * 1024], OBJECT.into()].concat();
    let said = ask_for(large).await;
    assert_eq!(
        (said.status, &said.headers["retry-after"]),
        (529, &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_bad_gateway() {
    for answer in [
        Answer::json(200, OBJECT).reset_after(0),
        Answer::json(200, OBJECT).truncate_after(0),
    ] {
        assert_bad_gateway(&retrieved(answer.clone()).await, "an object");
        assert_bad_gateway(&listed(answer).await, "a list");
    }
}

#[tokio::test]
async fn any_depth_is_skipped() {
    let deep = format!("{}{}", "[".repeat(MIB), "]".repeat(MIB));
    let object = OBJECT.replacen('{', &format!("{{\"deep\":{deep},"), 1);
    let said = retrieved(Answer::json(200, object)).await;
    assert!(said.status == 200 && !said.body.contains("anthropic.com"));
    let list = page(&[ID]).replacen('{', &format!("{{\"deep\":{deep},"), 1);
    let said = listed(Answer::json(200, list)).await;
    assert!(said.status == 200 && !said.body.contains("anthropic.com"));

    let service = layer().layer(Account::default().claude());
    let web = tenant("web");
    for (body, status) in [
        (
            format!(
                r#"{{"deep":{deep},"requests":[{}]}}"#,
                item("a", "claude-x")
            ),
            200,
        ),
        (
            format!(r#"{{"requests":[{{"custom_id":"a","params":{{"x":{deep},"model":"m"}}}}]}}"#),
            200,
        ),
        (
            format!(r#"{{"requests":[{{"custom_id":{deep},"params":{{}}}}]}}"#),
            400,
        ),
        (format!(r#"{{"requests":{deep}}}"#), 400),
        ("[".repeat(MIB), 400),
        ("{\"requests\":[".repeat(MIB / 16), 400),
    ] {
        let asked = request(&web, &Method::POST, BATCHES, body);
        assert_eq!(ask(service.clone(), asked).await.status, status);
    }
}

#[tokio::test]
async fn a_page_of_very_many_is_sorted() {
    let layer = layer();
    let web = tenant("web");
    let ids: Vec<String> = (0..10_000).map(|number| format!("b{number}")).collect();
    for id in ids.iter().step_by(3) {
        layer.book().claim(web.id(), id).await.unwrap();
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let service = layer.layer(FakeClaude::sequence([Answer::json(200, page(&ids))]));
    let said = ask(service, get(&web, BATCHES)).await.json();
    let data = said["data"].as_array().unwrap();
    assert_eq!(data.len(), 3334);
    assert!(
        data.iter()
            .zip(0..)
            .all(|(batch, place)| { batch["id"] == format!("b{}", place * 3) })
    );
}
