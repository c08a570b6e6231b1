//! By what the turns of one conversation are known to be of it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::collections::HashSet;

use http::Request;
use proptest::prelude::*;
use tower_claude_core::{CallBody, Intake, Prepare};

/// Polls once: a body in one piece is read at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("nothing to wait for"),
    }
}

fn conversation_of(body: &str, session: Option<&str>) -> Option<u64> {
    let mut request = Request::post("/v1/messages");
    if let Some(session) = session {
        request = request.header("x-session-id", session);
    }
    let request = request.body(CallBody::from(body.to_owned())).unwrap();
    let prepared = ready(Prepare::new(request, &Intake::new())).unwrap();
    prepared.call.conversation()
}

fn conversation(system: &str, messages: &[String]) -> Option<u64> {
    let system = serde_json::to_string(system).unwrap();
    let messages = messages.join(",");
    conversation_of(
        &format!(
            r#"{{"model":"m","max_tokens":9,"system":{system},"tools":[{{"name":"t"}}],"messages":[{messages}]}}"#
        ),
        None,
    )
}

/// A message of one block, marked or not.
fn block(role: &str, text: &str, is_marked: bool) -> String {
    let text = serde_json::to_string(text).unwrap();
    let marker = if is_marked {
        r#","cache_control":{"type":"ephemeral"}"#
    } else {
        ""
    };
    format!(r#"{{"role":"{role}","content":[{{"type":"text","text":{text}{marker}}}]}}"#)
}

fn string(role: &str, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!(r#"{{"role":"{role}","content":{text}}}"#)
}

fn system() -> String {
    "You keep the log of a lighthouse, and answer in one line. ".repeat(40)
}

#[test]
fn all_turns_of_a_conversation_are_one() {
    let first = conversation(&system(), &[block("user", "Who passed?", true)]);
    assert!(first.is_some());
    let later = [
        vec![block("user", "Who passed?", false)],
        vec![string("user", "Who passed?")],
        vec![
            block("user", "Who passed?", false),
            block("assistant", "Two boats.", false),
            block("user", "And then?", true),
        ],
    ];
    for messages in later {
        assert_eq!(conversation(&system(), &messages), first, "{messages:?}");
    }
}

#[test]
fn conversations_of_one_system_prompt_are_many() {
    let found: HashSet<_> = (0..1_000)
        .map(|number| {
            let question = format!("What happened on night {number}?");
            conversation(&system(), &[string("user", &question)]).unwrap()
        })
        .collect();
    assert_eq!(found.len(), 1_000);
}

#[test]
fn questions_at_the_end_of_one_long_template_are_told_apart() {
    let template = "Read the log with care. ".repeat(300);
    let ask = |question: &str| {
        let message = block("user", &format!("{template}{question}"), false);
        conversation("", &[message])
    };
    assert_ne!(ask("Who passed?"), ask("Who came?"));
    // In a block of its own, too.
    let ask = |question: &str| {
        let message = block("user", &template, true).replace(
            "}]}",
            &format!(r#"}},{{"type":"text","text":"{question}"}}]}}"#),
        );
        conversation("", &[message])
    };
    assert_ne!(ask("Who passed?"), ask("Who came?"));
}

#[test]
fn another_system_prompt_or_tool_makes_another_conversation() {
    let question = [string("user", "Who passed?")];
    let body = |tool: &str| {
        format!(
            r#"{{"model":"m","max_tokens":9,"system":"{}","tools":[{tool}],"messages":[{}]}}"#,
            system(),
            question[0]
        )
    };
    assert_ne!(
        conversation(&system(), &question),
        conversation(&(system() + "!"), &question)
    );
    assert_ne!(
        conversation_of(&body(r#"{"name":"a"}"#), None),
        conversation_of(&body(r#"{"name":"b"}"#), None)
    );
}

#[test]
fn a_session_is_a_conversation_whatever_is_said_in_it() {
    let body = |text: &str| {
        format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{}]}}"#,
            string("user", text)
        )
    };
    let first = conversation_of(&body("a"), Some("s-1"));
    assert!(first.is_some(), "however small");
    assert_eq!(conversation_of(&body("b"), Some("s-1")), first);
    assert_ne!(conversation_of(&body("a"), Some("s-2")), first);
}

#[test]
fn what_would_not_be_cached_is_no_conversation() {
    assert_eq!(conversation("short", &[string("user", "hi")]), None);
    assert_eq!(conversation(&system(), &[]), None, "nobody has asked");
    assert_eq!(
        conversation(&system(), &[string("system", "Mind the tide.")]),
        None
    );
    let kept_there = format!(
        r#"{{"model":"m","max_tokens":9,"system":"{}","thread":{{"type":"create"}},"messages":[{}]}}"#,
        system(),
        string("user", "hi")
    );
    assert_eq!(conversation_of(&kept_there, None), None);
    // Its size is elsewhere.
    let image = r#"{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://a.test/b"}}]}"#;
    assert!(conversation("short", &[image.to_owned()]).is_some());
}

#[test]
fn the_first_message_may_come_after_one_of_the_system() {
    let system_first = |question: &str| {
        let messages = [string("system", "Mind the tide."), string("user", question)];
        conversation(&system(), &messages)
    };
    assert!(system_first("Who?").is_some());
    assert_ne!(system_first("Who?"), system_first("When?"));
}

#[test]
fn a_hash_is_the_same_for_ever() {
    // A change would send every conversation elsewhere, away from its cached prompt.
    assert_eq!(
        conversation(&system(), &[string("user", "Who passed?")]),
        Some(4_615_040_107_500_566_653)
    );
}

fn message() -> impl Strategy<Value = String> {
    let role = prop_oneof![Just("user"), Just("assistant"), Just("system")];
    (role, ".{0,300}", any::<bool>(), any::<bool>()).prop_map(|(role, text, plain, marked)| {
        if plain {
            string(role, &text)
        } else {
            block(role, &text, marked)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_said_later_changes_nothing(
        question in "(.|\n){0,1500}",
        later in prop::collection::vec(message(), 0..8),
        is_marked in any::<bool>(),
    ) {
        let first = conversation(&system(), &[block("user", &question, is_marked)]);
        prop_assert!(first.is_some());
        let mut messages = vec![block("user", &question, !is_marked)];
        messages.extend(later);
        prop_assert_eq!(conversation(&system(), &messages), first);
    }

    #[test]
    fn what_was_asked_first_changes_it(one in ".{0,400}", other in ".{0,400}") {
        prop_assume!(one != other);
        prop_assert_ne!(
            conversation(&system(), &[string("user", &one)]),
            conversation(&system(), &[string("user", &other)])
        );
    }

    #[test]
    fn long_messages_are_cut_off_where_nothing_is_lost(length in 15_000_usize..18_000) {
        let question = "x".repeat(length);
        let first = conversation("", &[string("user", &question)]);
        let later = [string("user", &question), string("assistant", "Yes.")];
        prop_assert!(first.is_some());
        prop_assert_eq!(conversation("", &later), first);
    }
}
