//! Lists across the batches of others: nobody's page is empty while there is more of theirs.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use support::{BATCHES, Said, ask, get, layer, object, tenant};
use tower::{Layer as _, Service as _, ServiceExt};
use tower_claude_batches::{BatchBook as _, BatchesLayer};
use tower_claude_core::TransportError;
use tower_claude_testkit::{Answer, Asked, FakeClaude, ServiceProbe};

/// The newest first, as upstream has it.
const ALL: usize = 100;
const PAGE: usize = 5;

/// Pages as upstream does.
fn paged(asked: &Asked) -> Answer {
    let of = |name: &str| {
        let query = asked.uri().query().unwrap_or_default();
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name))?;
        pair.strip_prefix("=b")?.parse::<usize>().ok()
    };
    let (from, to, has_more) = match (of("after_id"), of("before_id")) {
        (_, Some(before)) => (before.saturating_sub(PAGE), before, before > PAGE),
        (after, None) => {
            let from = after.map_or(0, |after| after + 1);
            let to = (from + PAGE).min(ALL);
            (from, to, to < ALL)
        }
    };
    let objects: Vec<String> = (from..to)
        .map(|number| object(&format!("b{number}")))
        .collect();
    let data = objects.join(",");
    let last = to.saturating_sub(1);
    let page = format!(
        r#"{{"data":[{data}],"has_more":{has_more},"first_id":"b{from}","last_id":"b{last}"}}"#
    );
    Answer::json(200, page)
}

/// A layer that knows that these are of `web`.
async fn owning(numbers: &[usize]) -> BatchesLayer {
    let layer = layer();
    for number in numbers {
        let id = format!("b{number}");
        layer.book().claim(tenant("web").id(), &id).await.unwrap();
    }
    layer
}

fn ids(said: &Said) -> Vec<String> {
    let page = said.json();
    let batches = page["data"].as_array().unwrap().iter();
    batches
        .map(|batch| batch["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn whoever_goes_page_by_page_and_stops_at_an_empty_one_finds_all() {
    let own = [3, 4, 31, 77, 99];
    let claude = FakeClaude::new(paged).recording();
    let service = owning(&own).await.layer(claude.clone());
    let (mut found, mut query) = (Vec::new(), String::from("limit=5"));
    loop {
        let path = format!("{BATCHES}?{query}");
        let said = ask(service.clone(), get(&tenant("web"), &path)).await;
        assert_eq!(said.status, 200);
        let page = ids(&said);
        if page.is_empty() {
            break;
        }
        found.extend(page);
        let page = said.json();
        if page["has_more"] == false {
            break;
        }
        query = format!("limit=5&after_id={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(found, own.map(|number| format!("b{number}")));
    assert!(
        claude.calls() <= 20 + own.len() as u64,
        "pages are asked for again only behind a find"
    );
    assert!(
        claude
            .asked()
            .iter()
            .all(|asked| asked.uri().query().unwrap().contains("limit=5"))
    );
}

#[tokio::test]
async fn it_works_towards_newer_ones_too() {
    let service = owning(&[12]).await.layer(FakeClaude::new(paged));
    let path = format!("{BATCHES}?before_id=b90");
    let said = ask(service, get(&tenant("web"), &path)).await;
    assert_eq!(ids(&said), ["b12"]);
    assert_eq!(said.json()["first_id"], "b12");
}

#[tokio::test]
async fn a_tenant_without_batches_costs_a_bounded_number_of_pages() {
    let long = FakeClaude::new(|asked| {
        let call = asked.call();
        Answer::json(
            200,
            format!(
                r#"{{"data":[{}],"has_more":true}}"#,
                object(&format!("c{call}"))
            ),
        )
    });
    let claude = long.recording();
    let service = layer().layer(claude.clone());
    let said = ask(service, get(&tenant("web"), BATCHES)).await;
    assert_eq!((said.status, ids(&said)), (200, Vec::new()));
    assert_eq!(said.json()["has_more"], true);
    assert_eq!(claude.calls(), 21);
}

#[tokio::test]
async fn an_error_on_the_way_is_the_answer() {
    let claude = FakeClaude::new(|asked| match asked.call() {
        3 => Answer::overloaded(),
        _ => paged(asked),
    });
    let service = owning(&[50]).await.layer(claude);
    assert_eq!(ask(service, get(&tenant("web"), BATCHES)).await.status, 529);
}

#[tokio::test]
async fn each_page_is_asked_of_a_service_that_is_ready() {
    for is_full in [false, true] {
        let probe = ServiceProbe::new(FakeClaude::new(paged));
        let handle = probe.handle();
        let mut service = owning(&[11]).await.layer(probe);
        let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await;
        let call = ready.unwrap().call(get(&tenant("web"), BATCHES));
        if is_full {
            handle.fail_ready(TransportError::not_sent("full"));
        }
        let answer = call.await;
        assert_eq!(answer.is_err(), is_full, "its error is passed on");
        if let Ok(response) = answer {
            response.into_body().collect().await.unwrap();
            assert_eq!((handle.calls(), handle.ready_polls()), (3, 3));
        }
    }
}
