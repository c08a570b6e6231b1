//! Answers of every kind: whole, late, cut short, contradictory, or no HTTP at all.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::evidence::{LIMITS, assert_no_keys, only_line, usage_json, used};
use crate::raw_upstream::{
    COMPLETE, END, JSON, RawUpstream, SSE, START, answer, delta, gateway, stream_answer,
};
use crate::support::message;
use crate::wire::{chunked, listen, post, statuses};

struct Misdeed {
    name: &'static str,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    stream: bool,
    status: u16,
    outcome: &'static str,
}

fn misdeed(
    name: &'static str,
    said: Vec<u8>,
    stream: bool,
    status: u16,
    outcome: &'static str,
) -> Misdeed {
    Misdeed {
        name,
        pieces: vec![said],
        pause: Duration::from_millis(1),
        stream,
        status,
        outcome,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_upstream_does_has_an_answer_and_one_record() {
    let error = r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#;
    let whole = [START, &delta("hi"), END].concat();
    let odd_usage =
        |usage: &str| COMPLETE.replace(r#"{"input_tokens":11,"output_tokens":7}"#, usage);
    let giant = [START, &delta(&"x".repeat(5 << 20)), END].concat();
    let giant_first = [&*delta(&"x".repeat(5 << 20)), START, END].concat();
    let cut = |text: &str| text[..text.len() - 40].to_owned();
    let head = |extra: &str| format!("HTTP/1.1 200 OK\r\n{extra}\r\n").into_bytes();
    let flood: String = (0..300)
        .map(|n| format!("x-flood-{n}: {}\r\n", "v".repeat(100)))
        .collect();
    let cases = vec![
        misdeed("fine", answer("200 OK", JSON, COMPLETE), false, 200, "complete"),
        misdeed("fine stream", stream_answer(&whole), true, 200, "complete"),
        misdeed("a gzip that is none", answer("200 OK", &format!("{JSON}content-encoding: gzip\r\n"), "\u{1f}gzip"), false, 200, "complete"),
        misdeed("broken json", answer("200 OK", JSON, &cut(COMPLETE)), false, 200, "truncated"),
        misdeed("empty body", answer("200 OK", JSON, ""), false, 200, "truncated"),
        misdeed("usage of negatives", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":-5,"output_tokens":-1}"#)), false, 200, "complete"),
        misdeed("usage of floats", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":1.5,"output_tokens":1e300}"#)), false, 200, "complete"),
        misdeed("usage of 2^64", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":18446744073709551616,"output_tokens":18446744073709551615}"#)), false, 200, "complete"),
        misdeed("usage beyond floats", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":1e999,"output_tokens":7}"#)), false, 200, "complete"),
        misdeed("usage of texts", answer("200 OK", JSON, &odd_usage(r#"{"input_tokens":"11","output_tokens":[7]}"#)), false, 200, "complete"),
        misdeed("usage null", answer("200 OK", JSON, &odd_usage("null")), false, 200, "complete"),
        misdeed("giant event", stream_answer(&giant), true, 200, "complete"),
        misdeed("giant event first", stream_answer(&giant_first), true, 200, "complete"),
        misdeed("CR only", stream_answer(&whole.replace('\n', "\r")), true, 200, "complete"),
        misdeed("CRLF", stream_answer(&whole.replace('\n', "\r\n")), true, 200, "complete"),
        misdeed("a type in another case", String::from_utf8(stream_answer(&whole)).unwrap().replace("text/event-stream", "Text/Event-Stream;charset=UTF-8").into_bytes(), true, 200, "complete"),
        misdeed("stream without a type", answer("200 OK", "", &whole), true, 200, "complete"),
        misdeed("stream of garbage", stream_answer("\u{0}\u{1}garbage\n\n:::\n\n"), true, 200, "truncated"),
        misdeed("an empty stream", stream_answer(""), true, 200, "truncated"),
        misdeed("204", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false, 204, "complete"),
        misdeed("304", b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("301", answer("301 Moved", "location: http://127.0.0.1:1/\r\n", ""), false, 502, "errored"),
        misdeed("307 to itself", answer("307 Temporary Redirect", "location: /v1/messages\r\n", ""), false, 502, "errored"),
        misdeed("308 stream", answer("308 Permanent Redirect", &format!("{SSE}location: /\r\n"), &whole), true, 502, "errored"),
        misdeed("100 then 200", [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), answer("200 OK", JSON, COMPLETE)].concat(), false, 200, "complete"),
        misdeed("103 then 200", [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec(), answer("200 OK", JSON, COMPLETE)].concat(), false, 200, "complete"),
        // A 101 that passes promises the caller a tunnel that nobody serves.
        misdeed("101", b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("199 only", b"HTTP/1.1 199 Odd\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("garbage", b"\x16\x03\x01 no http at all\r\n\r\n".to_vec(), false, 502, "errored"),
        misdeed("status 999", answer("999 Odd", JSON, error), false, 999, "errored"),
        misdeed("status 99", answer("99 Odd", JSON, error), false, 502, "errored"),
        misdeed("header flood", answer("200 OK", &format!("{JSON}{flood}"), COMPLETE), false, 502, "errored"),
        misdeed("a head of a megabyte", answer("200 OK", &format!("{JSON}x-big: {}\r\n", "v".repeat(1 << 20)), COMPLETE), false, 502, "errored"),
        misdeed("close at once", vec![], false, 502, "errored"),
        misdeed("close within the head", b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec(), false, 502, "errored"),
        // The head is not out yet when the body breaks: hyper closes without it.
        misdeed("chunked garbage", [head(&format!("{JSON}transfer-encoding: chunked\r\n")), b"zz\r\nfoo\r\n".to_vec()].concat(), false, 0, "truncated"),
        misdeed("stream of chunked garbage", [head(&format!("{SSE}transfer-encoding: chunked\r\n")), b"zz\r\nfoo\r\n".to_vec()].concat(), true, 200, "truncated"),
        misdeed("shorter than said", [head(&format!("{JSON}content-length: 5000\r\n")), COMPLETE.into()].concat(), false, 200, "truncated"),
        // Without an error event, a stream that broke looks like one whose caller's network failed.
        misdeed("stream shorter than said", [head(&format!("{SSE}content-length: 5000\r\n")), START.into()].concat(), true, 200, "truncated"),
        misdeed("longer than said", [answer("200 OK", JSON, COMPLETE), b"HTTP/1.1 200 OK\r\n\r\n".to_vec()].concat(), false, 200, "complete"),
        misdeed("two lengths", [head(&format!("{JSON}content-length: 5\r\ncontent-length: 6\r\n")), b"hellos".to_vec()].concat(), false, 502, "errored"),
        // A length that passes beside chunks cuts the caller's answer after five bytes.
        misdeed("length and chunks", [head(&format!("{JSON}content-length: 5\r\ntransfer-encoding: chunked\r\n")), chunked(COMPLETE).into()].concat(), false, 200, "complete"),
        misdeed("until it closes", [head(JSON), COMPLETE.into()].concat(), false, 200, "complete"),
        misdeed("stream until it closes", [head(SSE), whole.clone().into()].concat(), true, 200, "complete"),
        misdeed("stream cut", [head(SSE), START.into(), delta("hi").into()].concat(), true, 200, "truncated"),
        misdeed("stream after stop", stream_answer(&[&*whole, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n"].concat()), true, 200, "complete"),
        misdeed("500 with a stream", answer("500 Oops", SSE, &whole), true, 500, "errored"),
        misdeed("an error without end", [b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\n\r\n".to_vec(), vec![b'x'; 3 << 20]].concat(), false, 400, "errored"),
        misdeed("json to a stream", answer("200 OK", JSON, COMPLETE), true, 200, "complete"),
        misdeed("a stream to a plain call", stream_answer(&whole), false, 200, "complete"),
        Misdeed {
            name: "a head that drips",
            pieces: b"HTTP/1.1 200 OK\r\nx-y: z".iter().map(|b| vec![*b]).collect(),
            pause: Duration::from_millis(200),
            stream: false,
            status: 504,
            outcome: "errored",
        },
        Misdeed {
            name: "a plain body that drips",
            pieces: answer("200 OK", JSON, COMPLETE).chunks(40).map(<[u8]>::to_vec).collect(),
            pause: Duration::from_millis(300),
            stream: false,
            status: 200,
            outcome: "truncated",
        },
        Misdeed {
            name: "a stream that falls silent",
            pieces: vec![[&head(SSE)[..], START.as_bytes(), delta("hi").as_bytes()].concat(), vec![]],
            pause: Duration::from_secs(20),
            stream: true,
            status: 200,
            outcome: "truncated",
        },
        Misdeed {
            name: "a stream byte by byte",
            pieces: [head(SSE), whole.clone().into()].concat().chunks(3).map(<[u8]>::to_vec).collect(),
            pause: Duration::from_millis(1),
            stream: true,
            status: 200,
            outcome: "complete",
        },
    ];
    let more = "[server]\nrequest_timeout = \"1500ms\"\nstream_idle_timeout = \"1s\"\n\
                [retry]\nattempts = 1\n[failover]\nbreaker = { failures = 1000 }\n";
    let mut wrong = Vec::new();
    for case in cases {
        let upstream = RawUpstream::start(case.pieces, case.pause).await;
        let gateway = gateway(&upstream.base_url(), LIMITS, more);
        let hello = message("Hello", case.stream);
        let close = format!("connection: close\r\ncontent-length: {}\r\n", hello.len());
        let sent = post(&close, &hello);
        let mut socket = TcpStream::connect(&gateway.address).await.unwrap();
        socket.write_all(sent.as_bytes()).await.unwrap();
        let (heard, closed) = listen(&mut socket, Duration::from_millis(2_500)).await;
        drop(socket);
        let said = statuses(&heard);
        let text: String = String::from_utf8_lossy(&heard).chars().take(400).collect();
        let line = only_line(&gateway).await;
        let asked = upstream.asked.load(Ordering::SeqCst);
        println!(
            "{}: {said:?} {} usage {} {} {} cost {} asked {asked}",
            case.name,
            line["outcome"],
            line["usage_source"],
            line["input_tokens"],
            line["output_tokens"],
            line["cost_usd"]
        );
        let mut check = |is_right: bool, what: String| {
            if !is_right {
                wrong.push(format!("{}: {what}\n    {text:?}\n    {line}", case.name));
            }
        };
        let any = case.status == 0;
        check(
            any || said.first() == Some(&case.status),
            format!("status {said:?}, not {}", case.status),
        );
        check(
            line["outcome"] == case.outcome,
            format!("outcome {}, not {}", line["outcome"], case.outcome),
        );
        check(
            any || line["status"] == case.status,
            format!("recorded status {}", line["status"]),
        );
        check(asked == 1, format!("asked {asked} times"));
        if case.status == 502 || case.status == 504 {
            check(text.contains("\"type\":\"error\""), "no envelope".into());
        }
        let ends = String::from_utf8_lossy(&heard);
        if case.stream && case.outcome == "truncated" {
            check(ends.contains("event: error"), "no error event".into());
        } else if case.outcome == "truncated" {
            check(closed, "a cut answer ends its connection".into());
        }
        if case.outcome == "complete" && case.status != 204 {
            let (head, body) = ends.split_once("\r\n\r\n").unwrap_or_default();
            let said = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let fits = said.is_none_or(|said| said.parse() == Ok(body.len()));
            check(fits, format!("content-length {said:?} of {}", body.len()));
        }
        // Nothing is held any more.
        let usage = usage_json(&gateway).await;
        let output = used(&usage, "output_tokens");
        let due = line["output_tokens"].as_u64();
        let is_due = case.status < 400;
        check(
            !is_due || due.is_none_or(|due| due == output),
            format!("output used {output}, due {due:?}"),
        );
        println!(
            "    budget: input {} output {output}",
            used(&usage, "input_tokens")
        );
        assert_no_keys(&gateway).await;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
