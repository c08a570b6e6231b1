//! Batch, speed, place and platform, with costs worked out by hand.

mod support;

use support::{call, cost, dollars, usage};
use tower_claude_pricing::{
    Call, Cost, Day, Multiplier, Platform, Price, PriceTable, Rate, Rates, Unpriced,
};

/// One million of each: on Opus 5.5, 4 + 20 dollars.
const MILLION: &str = r#"{"input_tokens": 1000000, "output_tokens": 1000000}"#;

fn with(fields: &str) -> String {
    format!(r#"{{"input_tokens": 1000000, "output_tokens": 1000000, {fields}}}"#)
}

#[test]
fn a_batch_costs_half_but_for_web_searches() {
    let json = with(r#""service_tier": "batch", "server_tool_use": {"web_search_requests": 1000}"#);
    assert_eq!(dollars(&call("claude-opus-5-5"), &json), "22");
    assert_eq!(dollars(&call("claude-opus-5-5").batch(true), MILLION), "12");
}

#[test]
fn a_batch_of_long_prompts_stacks_half_on_the_tier() {
    // (100,001 x 0.50 + 200 x 2.50) / 2 = 25,250.25 millionths
    let json = r#"{"input_tokens": 100001, "output_tokens": 200, "service_tier": "batch"}"#;
    assert_eq!(dollars(&call("claude-haiku-5-5"), json), "0.02525025");
}

#[test]
fn the_priority_tier_is_priced_as_standard() {
    let json = with(r#""service_tier": "priority""#);
    assert_eq!(dollars(&call("claude-opus-5-5"), &json), "24");
}

#[test]
fn the_speed_that_usage_reports_sets_the_price() {
    let fast = with(r#""speed": "fast""#);
    let standard = with(r#""speed": "standard""#);
    assert_eq!(dollars(&call("claude-opus-5-5"), &fast), "48");
    assert_eq!(
        dollars(&call("claude-opus-5-5").fast(true), &standard),
        "24"
    );
    assert_eq!(dollars(&call("claude-opus-5-5").fast(true), MILLION), "48");
}

#[test]
fn fast_mode_that_has_no_price_is_unpriced_if_reported_and_standard_if_only_asked() {
    let json = with(r#""speed": "fast""#);
    assert_eq!(
        cost(&call("claude-opus-4-6"), &json),
        Err(Unpriced::FastNotOffered("claude-opus-4-6".into()))
    );
    assert_eq!(dollars(&call("claude-opus-4-6").fast(true), MILLION), "30");
    assert_eq!(
        cost(&call("claude-opus-5-5").batch(true), &json),
        Err(Unpriced::FastInBatch)
    );
    assert_eq!(
        dollars(&call("claude-opus-5-5").batch(true).fast(true), MILLION),
        "12"
    );
}

#[test]
fn a_part_of_another_model_is_fast_only_where_that_model_is() {
    let json = |model: &str| {
        with(&format!(
            r#""speed": "fast", "iterations": [
            {{"type": "message", "input_tokens": 1000000, "output_tokens": 0}},
            {{"type": "advisor_message", "model": "{model}", "input_tokens": 1000000, "output_tokens": 0}}]"#
        ))
    };
    assert_eq!(
        dollars(&call("claude-opus-5-5"), &json("claude-opus-4-7")),
        "13"
    );
    assert_eq!(
        dollars(&call("claude-opus-5-5"), &json("claude-fable-5-2")),
        "24"
    );
}

#[test]
fn inference_in_the_united_states_costs_a_tenth_more() {
    let us = with(r#""inference_geo": "us""#);
    let global = with(r#""inference_geo": "global""#);
    assert_eq!(dollars(&call("claude-opus-5-5"), &us), "26.4");
    assert_eq!(dollars(&call("claude-opus-5-5").us(true), &global), "24");
    assert_eq!(dollars(&call("claude-opus-5-5").us(true), MILLION), "26.4");
    assert_eq!(
        dollars(&call("claude-sonnet-4-5"), &us),
        "18",
        "models before 4.6"
    );
}

#[test]
fn a_place_that_models_without_a_choice_report_costs_nothing() {
    let json = with(r#""inference_geo": "not_available""#);
    assert_eq!(dollars(&call("claude-haiku-4-5"), &json), "6");
}

#[test]
fn fast_mode_and_place_multiply() {
    // 1,000 x 8 + 100 x 40 = 12,000 millionths, x 1.1
    let json =
        r#"{"input_tokens": 1000, "output_tokens": 100, "speed": "fast", "inference_geo": "us"}"#;
    assert_eq!(dollars(&call("claude-opus-5-5"), json), "0.0132");
}

#[test]
fn the_smallest_charge_there_is_is_exact() {
    // 0.01 x 0.5 x 1.1 millionths of a dollar
    let json = r#"{"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 1,
        "service_tier": "batch", "inference_geo": "us"}"#;
    assert_eq!(dollars(&call("claude-haiku-5-5"), json), "0.0000000055");
}

#[test]
fn unknown_tiers_speeds_and_places_are_unpriced() {
    let of = |fields: &str| cost(&call("claude-opus-5"), &with(fields)).unwrap_err();
    assert_eq!(
        of(r#""service_tier": "flex""#),
        Unpriced::UnknownServiceTier("flex".into())
    );
    assert_eq!(
        of(r#""speed": "turbo""#),
        Unpriced::UnknownSpeed("turbo".into())
    );
    assert_eq!(
        of(r#""inference_geo": "eu""#),
        Unpriced::UnknownInferenceGeo("eu".into())
    );
}

#[test]
fn the_prefix_of_a_bedrock_id_sets_the_factor() {
    for (sent, expected) in [
        ("anthropic.claude-opus-5-5", "24"),
        ("global.anthropic.claude-opus-5-5", "24"),
        ("us.anthropic.claude-opus-5-5", "26.4"),
        ("eu.anthropic.claude-opus-5-5", "26.4"),
        ("us-gov.anthropic.claude-opus-5-5", "28.8"),
        (
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
            "24",
        ),
    ] {
        let call = call("claude-opus-5-5")
            .sent(sent)
            .platform(Platform::Bedrock);
        assert_eq!(dollars(&call, MILLION), expected, "{sent}");
    }
    let call = call("us.anthropic.claude-opus-5-5").platform(Platform::Bedrock);
    assert_eq!(dollars(&call, MILLION), "26.4", "as the answer names it");
}

#[test]
fn mantle_is_regional_unless_the_id_says_global() {
    let mantle = call("claude-opus-5-5").platform(Platform::BedrockMantle);
    assert_eq!(dollars(&mantle, MILLION), "26.4");
    let global = mantle.sent("global.anthropic.claude-opus-5-5");
    assert_eq!(dollars(&global, MILLION), "24");
}

#[test]
fn regional_endpoints_cost_more_only_from_4_5_on() {
    let regional = |model| dollars(&call(model).platform(Platform::Vertex).regional(), MILLION);
    assert_eq!(regional("claude-sonnet-4-5@20250929"), "19.8");
    assert_eq!(regional("claude-sonnet-4@20250514"), "18");
    let global = call("claude-sonnet-4-5@20250929").platform(Platform::Vertex);
    assert_eq!(dollars(&global, MILLION), "18");
}

#[test]
fn a_factor_of_ones_own_replaces_the_one_of_the_id() {
    let call = call("us.anthropic.claude-opus-5-5")
        .platform(Platform::Bedrock)
        .multiplier(Multiplier::from_decimal_str("0.875").unwrap());
    assert_eq!(dollars(&call, MILLION), "21");
}

#[test]
fn inference_geo_is_not_charged_again_on_a_regional_platform() {
    let call = call("claude-opus-5-5").sent("us.anthropic.claude-opus-5-5");
    let json = with(r#""inference_geo": "us""#);
    assert_eq!(dollars(&call.platform(Platform::Bedrock), &json), "26.4");
}

#[test]
fn the_quote_shows_the_price_and_the_factor() {
    let quote = PriceTable::builtin()
        .lookup(
            "eu.anthropic.claude-opus-5-5",
            Platform::Bedrock,
            Day::EPOCH,
        )
        .unwrap();
    assert_eq!(quote.price.rates.input.to_string(), "4");
    assert_eq!(quote.multiplier, Multiplier::REGIONAL);
}

#[test]
fn what_is_no_whole_pico_dollar_is_rounded_up_once_over_the_whole_answer() {
    let free = Rates::new(Rate::FREE, Rate::from_pico_dollars_per_token(1));
    let table = PriceTable::empty().price("m", Price::new(free));
    let call = Call::new("m", Day::EPOCH).multiplier(Multiplier::from_decimal_str("0.25").unwrap());
    let one = r#"{"input_tokens": 0, "output_tokens": 1}"#;
    assert_eq!(
        table.cost(&call, &usage(one)),
        Ok(Cost::from_pico_dollars(1))
    );
    let parts = ["{\"type\": \"message\", \"input_tokens\": 0, \"output_tokens\": 1}"; 5].join(",");
    let five = format!(r#"{{"iterations": [{parts}]}}"#);
    assert_eq!(
        table.cost(&call, &usage(&five)),
        Ok(Cost::from_pico_dollars(2))
    );
}
