//! What of an answer is billed, with costs worked out by hand.

mod support;

use support::{call, cost, dollars};
use tower_claude_pricing::{Call, Day, Unpriced};

const PLAIN: &str = r#"{
    "input_tokens": 37, "cache_creation_input_tokens": 2300, "cache_read_input_tokens": 10240,
    "cache_creation": {"ephemeral_5m_input_tokens": 1800, "ephemeral_1h_input_tokens": 500},
    "output_tokens": 118, "output_tokens_details": {"thinking_tokens": 71},
    "server_tool_use": null, "service_tier": "standard", "inference_geo": "global",
    "speed": "standard"
}"#;

const ITERATIONS: &str = r#"{
    "input_tokens": 2510, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 900,
    "output_tokens": 640, "service_tier": "standard", "inference_geo": "global",
    "speed": "standard",
    "iterations": [
        {"type": "compaction", "input_tokens": 152300, "output_tokens": 2100,
         "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
        {"type": "message", "model": "claude-sonnet-5-5", "input_tokens": 900,
         "output_tokens": 140, "cache_creation": null},
        {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 1210,
         "output_tokens": 1520, "cache_creation": null},
        {"type": "message", "model": null, "input_tokens": 1610, "output_tokens": 500,
         "cache_read_input_tokens": 900, "cache_creation": null}
    ]
}"#;

#[test]
fn a_plain_answer_costs_its_top_level_counts_at_the_model_that_answered() {
    // 37 x 4 + 1,800 x 5 + 500 x 8 + 10,240 x 0.20 + 118 x 20 = 17,556 millionths
    assert_eq!(dollars(&call("claude-opus-5-5"), PLAIN), "0.017556");
}

#[test]
fn the_model_that_was_asked_does_not_set_the_price() {
    let call = call("claude-opus-5-5")
        .asked("claude-fable-5-2")
        .sent("claude-fable-5-2");
    assert_eq!(dollars(&call, PLAIN), "0.017556");
}

#[test]
fn iterations_are_billed_each_at_its_own_model() {
    // compaction   152,300 x 2 + 2,100 x 10        = 325,600
    // message          900 x 2 +   140 x 10        =   3,200
    // advisor        1,210 x 4 + 1,520 x 20        =  35,240
    // message        1,610 x 2 +   500 x 10 + 900 x 0.10 = 8,310
    assert_eq!(dollars(&call("claude-sonnet-5-5"), ITERATIONS), "0.37235");
}

#[test]
fn a_call_is_billed_at_the_price_of_its_day() {
    // The 900 cache reads cost twice as much before the price fell.
    let day = Day::from_date(2026, 10, 6).unwrap();
    assert_eq!(
        dollars(&Call::new("claude-sonnet-5-5", day), ITERATIONS),
        "0.37244"
    );
}

#[test]
fn an_empty_list_of_iterations_is_as_good_as_none() {
    let json = r#"{"input_tokens": 100, "output_tokens": 10, "iterations": []}"#;
    assert_eq!(dollars(&call("claude-haiku-4-5"), json), "0.00015");
}

#[test]
fn cache_writes_of_unknown_lifetime_are_billed_as_five_minutes() {
    let writes = |split: &str| {
        let json = format!(
            r#"{{"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1000{split}}}"#
        );
        dollars(&call("claude-haiku-4-5"), &json)
    };
    // 5m 1.25, 1h 2
    assert_eq!(writes(""), "0.00125");
    assert_eq!(writes(r#", "cache_creation": null"#), "0.00125");
    assert_eq!(
        writes(r#", "cache_creation": {"ephemeral_1h_input_tokens": 1000}"#),
        "0.002"
    );
    assert_eq!(
        writes(r#", "cache_creation": {"ephemeral_1h_input_tokens": 400}"#),
        "0.00155"
    );
    assert_eq!(
        writes(
            r#", "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 400}"#
        ),
        "0.00155"
    );
    // More than the sum: 800 x 1.25 + 400 x 2
    assert_eq!(
        writes(
            r#", "cache_creation": {"ephemeral_5m_input_tokens": 800, "ephemeral_1h_input_tokens": 400}"#
        ),
        "0.0018"
    );
}

#[test]
fn cache_writes_are_known_from_the_split_alone() {
    let json = r#"{"input_tokens": 0, "output_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400}}"#;
    assert_eq!(dollars(&call("claude-haiku-4-5"), json), "0.00155");
}

#[test]
fn a_prompt_over_the_limit_makes_every_token_dearer() {
    let json = |input: u32| {
        format!(
            r#"{{"input_tokens": {input}, "cache_read_input_tokens": 1000, "output_tokens": 1000}}"#
        )
    };
    // 99,000 x 0.10 + 1,000 x 0.01 + 1,000 x 0.50 = 10,410 millionths
    assert_eq!(dollars(&call("claude-haiku-5-5"), &json(99_000)), "0.01041");
    // 99,001 x 0.50 + 1,000 x 0.05 + 1,000 x 2.50 = 52,050.5 millionths
    assert_eq!(
        dollars(&call("claude-haiku-5-5"), &json(99_001)),
        "0.0520505"
    );
}

#[test]
fn the_length_tier_goes_by_each_iteration() {
    // Twice 60,000 x 0.10 + 100 x 0.50 = 6,050 millionths
    let json = r#"{"input_tokens": 120000, "output_tokens": 200, "iterations": [
        {"type": "message", "input_tokens": 60000, "output_tokens": 100},
        {"type": "message", "input_tokens": 60000, "output_tokens": 100}]}"#;
    assert_eq!(dollars(&call("claude-haiku-5-5"), json), "0.0121");
}

#[test]
fn web_searches_are_billed_once_for_the_whole_answer() {
    let json = r#"{"input_tokens": 100, "output_tokens": 10,
        "server_tool_use": {"web_search_requests": 3}, "iterations": [
        {"type": "message", "input_tokens": 100, "output_tokens": 10,
         "server_tool_use": {"web_search_requests": 3}}]}"#;
    assert_eq!(dollars(&call("claude-haiku-4-5"), json), "0.03015");
    let json = json.replacen(
        "\"web_search_requests\": 3",
        "\"web_search_requests\": null",
        1,
    );
    assert_eq!(dollars(&call("claude-haiku-4-5"), &json), "0.03015");
}

#[test]
fn usage_that_does_not_say_its_input_or_output_is_unpriced() {
    for json in [
        "{}",
        r#"{"input_tokens": 5}"#,
        r#"{"output_tokens": 5}"#,
        r#"{"input_tokens": 5, "output_tokens": 5, "iterations": [{"type": "message", "output_tokens": 5}]}"#,
    ] {
        assert_eq!(
            cost(&call("claude-opus-5"), json),
            Err(Unpriced::UsageMissing),
            "{json}"
        );
    }
}

#[test]
fn an_iteration_of_an_unknown_kind_is_unpriced() {
    let json = r#"{"input_tokens": 5, "output_tokens": 5, "iterations": [{"type": "dream"}]}"#;
    assert_eq!(
        cost(&call("claude-opus-5"), json),
        Err(Unpriced::UnknownIterationKind("dream".into()))
    );
}

#[test]
fn a_model_without_a_price_is_unpriced_wherever_it_appears() {
    assert_eq!(
        cost(&call("claude-opus-6"), PLAIN),
        Err(Unpriced::UnknownModel("claude-opus-6".into()))
    );
    let json = ITERATIONS.replace("claude-opus-5-5", "claude-opus-6");
    assert_eq!(
        cost(&call("claude-sonnet-5-5"), &json),
        Err(Unpriced::UnknownModel("claude-opus-6".into()))
    );
}
