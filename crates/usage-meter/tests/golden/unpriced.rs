//! What has no price that we know: recorded with its counts, without a cost, with the reason.

use crate::case::Case;

const PLAIN: &[&str] = &["message-plain.json", "stream-plain.sse"];
const ENDED: &str = "claude-sonnet-4-6 end_turn complete exact";
const USED: &str = "in 1200 out 85 read 0 write 0 0 search - standard standard";

fn plain() -> Case {
    Case::of("claude-sonnet-4-6", PLAIN)
}

#[tokio::test]
async fn a_tier_we_have_not_heard_of_is_unpriced() {
    for tier in ["flex", "flex_discount", "priority_on_demand"] {
        let used = format!("in 1200 out 85 read 0 write 0 0 search - {tier} standard");
        plain()
            .but("service_tier:\"standard\"", &format!("\"{tier}\""))
            .gives(ENDED, &used, "unpriced: unknown_service_tier")
            .await;
    }
}

#[tokio::test]
async fn a_speed_and_a_place_we_have_not_heard_of_are_unpriced() {
    plain()
        .but("speed:\"standard\"", "\"turbo\"")
        .gives(
            ENDED,
            "in 1200 out 85 read 0 write 0 0 search - standard turbo",
            "unpriced: unknown_speed",
        )
        .await;
    plain()
        .but("inference_geo:\"global\"", "\"eu\"")
        .gives(ENDED, USED, "unpriced: unknown_inference_geo")
        .await;
}

#[tokio::test]
async fn fast_mode_where_none_is_sold_is_unpriced() {
    plain()
        .but("speed:\"standard\"", "\"fast\"")
        .gives(
            ENDED,
            "in 1200 out 85 read 0 write 0 0 search - standard fast",
            "unpriced: fast_not_offered",
        )
        .await;
}

#[tokio::test]
async fn a_model_without_a_price_is_unpriced_even_if_the_asked_one_has_one() {
    plain()
        .but("model:\"claude-sonnet-4-6\"", "\"claude-sonnet-9\"")
        .gives(
            "claude-sonnet-9 end_turn complete exact",
            USED,
            "unpriced: unknown_model",
        )
        .await;
}

#[tokio::test]
async fn an_advisor_without_a_price_leaves_the_whole_answer_unpriced() {
    let samples = &["message-advisor.json", "stream-advisor.sse"];
    Case::of("claude-haiku-5-5", samples)
        .but("model:\"claude-opus-5-5\"", "\"claude-opus-9\"")
        .gives(
            "claude-haiku-5-5 end_turn complete exact",
            "in 5100 out 520 read 0 write 2000 0 search - standard standard",
            "unpriced: unknown_model",
        )
        .await;
}

#[tokio::test]
async fn a_part_of_a_kind_we_have_not_heard_of_leaves_the_whole_answer_unpriced() {
    let samples = &["message-advisor.json", "stream-advisor.sse"];
    Case::of("claude-haiku-5-5", samples)
        .but("type:\"advisor_message\"", "\"dream\"")
        .gives(
            "claude-haiku-5-5 end_turn complete exact",
            "in 5100 out 520 read 0 write 2000 0 search - standard standard",
            "unpriced: unknown_iteration_kind",
        )
        .await;
}

#[tokio::test]
async fn a_count_of_something_we_have_not_heard_of_is_unpriced() {
    for heard_last in [
        "85,\"image_output_tokens\":12",
        "85,\"audio\":{\"seconds\":0.5}",
        "85,\"server_tool_use\":{\"map_requests\":1}",
        "85,\"fallback_credit\":{\"status\":\"redeemed\"}",
    ] {
        // In a stream, only the last report has it.
        plain()
            .but("output_tokens:85", heard_last)
            .gives(ENDED, USED, "unpriced: unknown_usage")
            .await;
    }
    // In a stream, only the first report has it.
    plain()
        .but(
            "ephemeral_1h_input_tokens:0",
            "0,\"ephemeral_24h_input_tokens\":7",
        )
        .gives(ENDED, USED, "unpriced: unknown_usage")
        .await;
}

#[tokio::test]
async fn a_field_that_counts_nothing_leaves_the_price_as_it_is() {
    // 4,875, as without
    for harmless in [
        "85,\"image_output_tokens\":0",
        "85,\"note\":\"12\"",
        "85,\"fallback_credit\":{\"status\":\"not_applied\"}",
    ] {
        plain()
            .but("output_tokens:85", harmless)
            .gives(ENDED, USED, "0.004875")
            .await;
    }
}

#[tokio::test]
async fn a_count_that_is_none_is_absent_and_unpriced_and_not_zero() {
    for no_count in [
        "2.0",
        "-3",
        "18446744073709551616",
        "\"85\"",
        "true",
        "[85]",
    ] {
        for (sample, used) in [
            (
                "message-plain.json",
                "in 1200 out - read 0 write 0 0 search - standard standard",
            ),
            // Two deltas of 195 bytes, 80 of each not text: 195 - 160 = 35, at four a token 9.
            (
                "stream-plain.sse",
                "in 1200 out 9 read 0 write 0 0 search - standard standard",
            ),
        ] {
            Case::of("claude-sonnet-4-6", &[sample])
                .but("output_tokens:85", no_count)
                .gives(
                    "claude-sonnet-4-6 end_turn complete partial",
                    used,
                    "unpriced: unknown_usage",
                )
                .await;
        }
    }
}
