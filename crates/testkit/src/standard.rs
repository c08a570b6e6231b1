use std::time::{Duration, SystemTime};

use http::Method;

use crate::model::{self, MODELS};
use crate::rfc3339::rfc3339;
use crate::{Answer, Asked, Message, ReportedUsage};

pub(crate) const ORGANIZATION: &str = "5b1f0c1e-0000-4000-8000-00000000abcd";

const WORDS: [&str; 16] = [
    "the", "harbour", "gate", "opens", "at", "seven", "when", "tide", "and", "wind", "allow",
    "boats", "to", "pass", "under", "bridges",
];

/// Answers as the real API would, with usage that follows from the request alone.
pub(crate) fn answer(asked: &Asked) -> Answer {
    let request_id = request_id(asked);
    let answer = route(asked, &request_id);
    rate_limits(answer.header("request-id", &request_id), asked.call())
}

/// 401, as the real API answers a key it does not know.
pub(crate) fn unauthenticated(asked: &Asked) -> Answer {
    let message = if asked.headers().contains_key("x-api-key")
        || asked.headers().contains_key("authorization")
    {
        "invalid x-api-key"
    } else {
        "x-api-key header is required"
    };
    Answer::failure(
        401,
        "authentication_error",
        message,
        None,
        &request_id(asked),
    )
}

/// The message the standard answer to a valid ask is made of.
pub(crate) fn message(asked: &Asked) -> Message {
    // The end is where conversations differ, and a long one should not take long.
    let tail = asked.body().len().saturating_sub(512);
    let hash = hash(&asked.body()[tail..]);
    let total = (asked.body().len() as u64).div_ceil(4);
    let mut usage = ReportedUsage {
        input_tokens: total,
        ..ReportedUsage::default()
    };
    if memchr::memmem::find(asked.body(), b"\"cache_control\"").is_some() {
        let cached = total / 2;
        usage.input_tokens = total - cached;
        if hash & 0x100 == 0 {
            usage.cache_read = cached;
        } else if memchr::memmem::find(asked.body(), b"\"1h\"").is_some() {
            usage.cache_creation_1h = cached;
        } else {
            usage.cache_creation_5m = cached;
        }
    }

    let wanted = 16 + hash % 112;
    let allowed = asked.max_tokens().unwrap_or(wanted);
    usage.output_tokens = wanted.min(allowed);

    let mut text = String::new();
    for (_, word) in (0..usage.output_tokens).zip(WORDS.iter().cycle()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    let message = Message::new(asked.model().unwrap_or("claude-opus-5-5"))
        .id(format!("msg_01TestKit{:015}", asked.call()))
        .usage(usage)
        .stop_reason(if wanted > allowed {
            "max_tokens"
        } else {
            "end_turn"
        });
    if text.is_empty() {
        message
    } else {
        message.text(text)
    }
}

fn route(asked: &Asked, request_id: &str) -> Answer {
    let fail = |status: u16, error_type: &str, message: &str| {
        Answer::failure(status, error_type, message, None, request_id)
    };
    let allowed = match asked.path() {
        "/v1/messages" | "/v1/messages/count_tokens" => Method::POST,
        "/v1/models" => Method::GET,
        "/api/hello" => Method::HEAD,
        path if path.starts_with("/v1/models/") => Method::GET,
        _ => return fail(404, "not_found_error", "Not found"),
    };
    if asked.method() != allowed {
        return fail(405, "invalid_request_error", "Method Not Allowed")
            .header("allow", allowed.as_str());
    }
    match asked.path() {
        "/v1/messages" => match missing(asked, true) {
            Some(missing) => fail(400, "invalid_request_error", missing),
            None if asked.is_stream() => message(asked).into_stream(),
            None => message(asked).into_json(),
        },
        "/v1/messages/count_tokens" => match missing(asked, false) {
            Some(missing) => fail(400, "invalid_request_error", missing),
            None => Answer::count_tokens((asked.body().len() as u64).div_ceil(4)),
        },
        "/v1/models" => Answer::json(200, model::list()),
        "/api/hello" => Answer::raw(200, "application/json", ""),
        path => {
            let id = path.trim_start_matches("/v1/models/");
            match MODELS.iter().find(|model| model.id == id) {
                Some(model) => Answer::json(200, model.to_string()),
                None => fail(404, "not_found_error", &format!("model: {id}")),
            }
        }
    }
    .header("anthropic-organization-id", ORGANIZATION)
}

fn missing(asked: &Asked, generates: bool) -> Option<&'static str> {
    let Some(facts) = asked.facts() else {
        return Some("The request body is not valid JSON");
    };
    if facts.model.is_none() {
        Some("model: Field required")
    } else if facts.messages.is_none() {
        Some("messages: Field required")
    } else if generates && facts.max_tokens.is_none() {
        Some("max_tokens: Field required")
    } else {
        None
    }
}

fn rate_limits(answer: Answer, call: u64) -> Answer {
    let reset = rfc3339(SystemTime::now() + Duration::from_secs(1));
    let used = call % 1000;
    let mut answer = answer;
    for (meter, limit, remaining) in [
        ("requests", 1000, 1000 - used),
        ("tokens", 2_400_000, 2_400_000 - 1000 * used),
        ("input-tokens", 2_000_000, 2_000_000 - 1000 * used),
        ("output-tokens", 400_000, 400_000),
    ] {
        answer = answer
            .header(
                format!("anthropic-ratelimit-{meter}-limit"),
                limit.to_string(),
            )
            .header(
                format!("anthropic-ratelimit-{meter}-remaining"),
                remaining.to_string(),
            )
            .header(format!("anthropic-ratelimit-{meter}-reset"), &reset);
    }
    answer
}

fn request_id(asked: &Asked) -> String {
    format!("req_011TestKit{:013}", asked.call())
}

/// FNV-1a: the same on every machine and in every run.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 32)
}
