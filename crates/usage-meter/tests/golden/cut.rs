//! Streams that broke off: what was certain, with the output estimated from what came, marked.

use tower_claude_core::{Platform, Target};

use crate::case::Case;

#[tokio::test]
async fn a_stream_without_its_end_costs_its_input_and_the_output_that_came() {
    // Opus 5.5, 4, 20, write 5, read 0.20. Three deltas of thinking of 365 bytes, 88 of each not
    // text, and one of text of 99, of which 80 are not: 101 + 19 = 120, at four a token 30.
    // 512 x 4 + 30 x 20 + 1,400 x 5 + 8,192 x 0.20 = 2,048 + 600 + 7,000 + 1,638.4 = 11,286.4
    Case::of("claude-opus-5-5", &["stream-truncated.sse"])
        .gives(
            "claude-opus-5-5 - truncated partial",
            "in 512 out 30 read 8192 write 1400 0 search - standard standard",
            "0.0112864",
        )
        .await;
}

#[tokio::test]
async fn a_stream_cut_behind_its_last_report_has_lost_nothing_of_its_cost() {
    // 13,946.4 as of the whole stream
    Case::of("claude-opus-5-5", &["stream-thinking-tooluse.sse"])
        .cut_before("event: message_stop")
        .gives(
            "claude-opus-5-5 tool_use truncated exact",
            "in 512 out 163 read 8192 write 1400 0 search - standard standard",
            "0.0139464",
        )
        .await;
}

#[tokio::test]
async fn a_stream_cut_between_two_reports_is_marked_and_costs_at_least_the_first() {
    // Sonnet 5.5, 2 and 10: 10,682 x 2 + 90 x 10 = 21,364 + 900 = 22,264; one search 10,000
    Case::of("claude-sonnet-5-5", &["stream-servertool-cumulative.sse"])
        .cut_before("event: message_delta")
        .gives(
            "claude-sonnet-5-5 - truncated partial",
            "in 10682 out 90 read 0 write 0 0 search 1 standard standard",
            "0.032264",
        )
        .await;
}

#[tokio::test]
async fn an_error_midway_leaves_what_came_before_it_to_pay() {
    // Opus 5.5, 4 and 20. Text of 25 bytes, at four a token 7, rounded up.
    // 88 x 4 + 7 x 20 = 352 + 140 = 492
    Case::of("claude-opus-5-5", &["stream-error-midway.sse"])
        .gives(
            "claude-opus-5-5 - errored partial",
            "in 88 out 7 read 0 write 0 0 search - standard standard",
            "0.000492",
        )
        .await;
}

#[tokio::test]
async fn what_a_server_tool_found_is_no_output() {
    // Sonnet 5.5, 2 and 10. The query alone is output: one delta of 128 bytes, less 94 that
    // are not the query, 34, at four a token 9. 2,679 x 2 + 9 x 10 = 5,358 + 90 = 5,448
    Case::of("claude-sonnet-5-5", &["stream-servertool-cumulative.sse"])
        .cut_before(
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}",
        )
        .gives(
            "claude-sonnet-5-5 - truncated partial",
            "in 2679 out 9 read 0 write 0 0 search - standard standard",
            "0.005448",
        )
        .await;
}

#[tokio::test]
async fn a_stream_cut_after_a_fallback_is_billed_at_the_model_that_went_on() {
    let opus =
        Case::of("claude-fable-5-2", &["stream-fallback.sse"]).cut_before("event: message_delta");
    let record = opus.only_record().await;
    assert_eq!(record.served_model.as_deref(), Some("claude-opus-4-8"));
}

#[tokio::test]
async fn an_exception_of_bedrocks_leaves_what_came_before_it_to_pay() {
    // Sonnet 4.5, 3 and 15. One delta of 95 bytes: 95 - 80 = 15, at four a token 4.
    // 21 x 3 + 4 x 15 = 63 + 60 = 123
    let sonnet = Target::new("cloud").platform(Platform::Bedrock);
    Case::of(
        "claude-sonnet-4-5",
        &["bedrock-stream-exception.eventstream"],
    )
    .at(sonnet)
    .gives(
        "claude-sonnet-4-5-20250929 - errored partial",
        "in 21 out 4 read 0 write 0 0 search - - -",
        "0.000123",
    )
    .await;
}

#[tokio::test]
async fn an_error_before_any_content_costs_nothing() {
    Case::of("claude-opus-5-5", &["stream-error-before-content.sse"])
        .gives(
            "- - errored none",
            "in - out - read - write - - search - - -",
            "0",
        )
        .await;
    Case::of("claude-opus-5-5", &["stream-error-after-start.sse"])
        .gives(
            "claude-opus-5-5 - errored partial",
            "in 88 out 1 read 0 write 0 0 search - standard standard",
            "0",
        )
        .await;
}
