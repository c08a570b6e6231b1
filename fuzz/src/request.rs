use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tower_claude_core::{Call, CallBody, Intake, Prepare, RefusalKind};

use super::pieces::{body, drain, ready};

/// A request: any split gives the same facts or the same refusal, the facts are those that
/// upstream will read, and the same bytes travel on.
pub fn request(data: &[u8], at: usize) {
    let whole = prepare(CallBody::from(Bytes::copy_from_slice(data)));
    let split = prepare(CallBody::new(body(data, at)));
    assert_eq!(facts(&split), facts(&whole));
    let Ok((call, passed)) = whole else {
        return;
    };
    assert_eq!(passed, data, "bytes pass untouched");
    assert_eq!(split.map(|(_, passed)| passed).ok().as_deref(), Some(data));

    let Some(json) = serde_json::from_slice::<Value>(data).ok() else {
        return;
    };
    assert_eq!(json["model"].as_str(), call.model());
    assert_eq!(json["max_tokens"].as_u64(), call.max_tokens());
    assert_eq!(json["stream"].as_bool().unwrap_or(false), call.is_stream());

    let renamed = call.body_with_model("claude-\"other\"").unwrap();
    let (renamed, _) = prepare(CallBody::from(renamed)).unwrap();
    assert_eq!(renamed.model(), Some("claude-\"other\""));
    assert_eq!(renamed.sizes(), call.sizes(), "nothing else has changed");

    if let Some(question) = call.count_tokens_body() {
        let question: Value = serde_json::from_slice(&question).unwrap();
        assert_eq!(question["messages"], json["messages"]);
    }
}

type Outcome = Result<(Call, Vec<u8>), (RefusalKind, String)>;

fn prepare(body: CallBody) -> Outcome {
    let request = Request::post("/v1/messages").body(body).unwrap();
    match ready(Prepare::new(request, &Intake::new())) {
        Ok(prepared) => Ok((prepared.call, drain(prepared.request.into_body()))),
        Err(unprepared) => {
            let refusal = &unprepared.refusal;
            Err((refusal.kind(), refusal.message().to_owned()))
        }
    }
}

/// All that is read, without what differs from call to call.
fn facts(outcome: &Outcome) -> String {
    match outcome {
        Ok((call, _)) => format!(
            "{:?} {:?} {} {:?} {:?} {:?} {:?}",
            call.model(),
            call.max_tokens(),
            call.is_stream(),
            call.attribution(),
            call.sizes(),
            call.system_json(),
            call.count_tokens_body(),
        ),
        Err(refusal) => format!("{refusal:?}"),
    }
}
