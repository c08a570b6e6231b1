//! Refusals and fallbacks: what of them is billed, worked out by hand.

mod support;

use support::{call, cost, dollars};
use tower_claude_pricing::Cost;

const FALLBACK: &str = r#"{
    "input_tokens": 388, "output_tokens": 205, "service_tier": "standard",
    "inference_geo": "global", "speed": "standard",
    "iterations": [
        {"type": "message", "model": "claude-fable-5-2", "input_tokens": 511, "output_tokens": 0,
         "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 388,
         "output_tokens": 205, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    ]
}"#;

const REFUSAL: &str = r#"{
    "input_tokens": 420, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
    "output_tokens": 0, "server_tool_use": null, "service_tier": "standard",
    "inference_geo": "global", "speed": "standard"
}"#;

#[test]
fn an_attempt_that_declined_before_a_fallback_is_free() {
    // 388 x 5 + 205 x 25 = 7,065 millionths
    assert_eq!(dollars(&call("claude-opus-4-8"), FALLBACK), "0.007065");
}

#[test]
fn the_documented_fallback_costs_what_only_the_serving_attempt_used() {
    // 412 x 5 + 264 x 25 = 8,660 millionths
    let json = r#"{"input_tokens": 412, "output_tokens": 264, "iterations": [
        {"type": "message", "model": "claude-fable-5", "input_tokens": 535, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 412, "output_tokens": 264}
    ]}"#;
    assert_eq!(dollars(&call("claude-opus-4-8"), json), "0.00866");
}

#[test]
fn a_declined_attempt_is_free_even_at_a_model_without_a_price() {
    let json = FALLBACK.replace("claude-fable-5-2", "claude-unheard-of");
    assert_eq!(dollars(&call("claude-opus-4-8"), &json), "0.007065");
}

#[test]
fn an_attempt_that_declined_after_some_output_is_billed() {
    // 511 x 8 + 12 x 40 = 4,568 millionths more
    let json = FALLBACK.replacen("\"output_tokens\": 0", "\"output_tokens\": 12", 1);
    assert_eq!(dollars(&call("claude-opus-4-8"), &json), "0.011633");
}

#[test]
fn turns_before_a_decline_make_the_whole_attempt_billed() {
    // 100 x 8 + 50 x 40 + 200 x 8 = 4,400; 388 x 5 + 205 x 25 = 7,065
    let json = r#"{"input_tokens": 388, "output_tokens": 205, "iterations": [
        {"type": "message", "model": "claude-fable-5-2", "input_tokens": 100, "output_tokens": 50},
        {"type": "message", "model": "claude-fable-5-2", "input_tokens": 200, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 388, "output_tokens": 205}
    ]}"#;
    assert_eq!(dollars(&call("claude-opus-4-8"), json), "0.011465");
}

#[test]
fn a_chain_of_fallbacks_is_free_up_to_the_one_that_answered() {
    // 20 x 2 + 30 x 10 = 340 millionths
    let json = r#"{"input_tokens": 20, "output_tokens": 30, "iterations": [
        {"type": "message", "model": "claude-fable-5-2", "input_tokens": 10, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 15, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-sonnet-5", "input_tokens": 20, "output_tokens": 30}
    ]}"#;
    assert_eq!(dollars(&call("claude-sonnet-5"), json), "0.00034");
}

#[test]
fn a_chain_of_fallbacks_that_all_declined_is_free_but_for_its_compaction() {
    // 1,000 x 8 + 10 x 40 = 8,400 millionths
    let json = r#"{"input_tokens": 15, "output_tokens": 0, "iterations": [
        {"type": "compaction", "model": "claude-fable-5-2", "input_tokens": 1000, "output_tokens": 10},
        {"type": "message", "model": "claude-fable-5-2", "input_tokens": 10, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 15, "output_tokens": 0}
    ]}"#;
    let call = call("claude-opus-4-8").refused(true);
    assert_eq!(dollars(&call, json), "0.0084");
}

#[test]
fn an_answer_of_no_tokens_that_is_no_refusal_is_billed() {
    // A cache pre-warm: max_tokens 0. 15 x 5 = 75 millionths
    let json = r#"{"input_tokens": 15, "output_tokens": 0, "iterations": [
        {"type": "message", "input_tokens": 15, "output_tokens": 0}]}"#;
    assert_eq!(dollars(&call("claude-opus-4-8"), json), "0.000075");
    assert_eq!(dollars(&call("claude-fable-5-2"), REFUSAL), "0.00336");
}

#[test]
fn a_refusal_before_any_output_costs_nothing() {
    let call = call("claude-fable-5-2").refused(true);
    assert_eq!(cost(&call, REFUSAL), Ok(Cost::ZERO));
}

#[test]
fn a_refusal_in_the_middle_of_the_answer_is_billed() {
    // 420 x 8 + 9 x 40 = 3,720 millionths
    let json = REFUSAL.replace("\"output_tokens\": 0", "\"output_tokens\": 9");
    assert_eq!(
        dollars(&call("claude-fable-5-2").refused(true), &json),
        "0.00372"
    );
}

#[test]
fn a_refusal_after_turns_with_output_is_billed_as_one_attempt() {
    // 100 x 8 + 50 x 40 + 200 x 8 = 4,400 millionths
    let json = r#"{"input_tokens": 300, "output_tokens": 50, "iterations": [
        {"type": "message", "input_tokens": 100, "output_tokens": 50},
        {"type": "message", "input_tokens": 200, "output_tokens": 0}]}"#;
    assert_eq!(
        dollars(&call("claude-fable-5-2").refused(true), json),
        "0.0044"
    );
}

#[test]
fn a_declined_attempt_is_told_from_the_fallback_by_its_kind_where_models_are_absent() {
    let json = FALLBACK
        .replace("\"model\": \"claude-fable-5-2\",", "")
        .replace("\"model\": \"claude-opus-4-8\",", "");
    assert_eq!(dollars(&call("claude-opus-4-8"), &json), "0.007065");
}
