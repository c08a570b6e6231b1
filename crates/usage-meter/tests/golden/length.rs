//! Haiku 5.5 around the prompt length above which every token is dearer: 0.10, 0.50, write
//! 0.125 and 0.20, read 0.01; above 100,000, five times each.

use crate::case::Case;

const ENDED: &str = "claude-haiku-5-5 end_turn complete exact";

/// A prompt of 100,000: 40,000, of which none is cached, 15,000 written for five minutes,
/// 10,000 for an hour, 35,000 read; and 700 of output.
fn long() -> Case {
    let samples = &["message-haiku-long.json", "stream-haiku-long.sse"];
    Case::of("claude-haiku-5-5", samples)
}

/// The same, all of it not cached, and so much of it.
fn uncached(input: &str) -> Case {
    long()
        .but("input_tokens:40000", input)
        .but("cache_creation_input_tokens:25000", "0")
        .but("ephemeral_5m_input_tokens:15000", "0")
        .but("ephemeral_1h_input_tokens:10000", "0")
        .but("cache_read_input_tokens:35000", "0")
}

#[tokio::test]
async fn a_prompt_without_a_cache_is_dearer_from_the_first_token_above() {
    for (input, cost) in [
        // 99,999 x 0.10 + 700 x 0.50 = 9,999.9 + 350
        ("99999", "0.0103499"),
        // 100,000 x 0.10 + 700 x 0.50 = 10,000 + 350
        ("100000", "0.01035"),
        // 100,001 x 0.50 + 700 x 2.50 = 50,000.5 + 1,750
        ("100001", "0.0517505"),
    ] {
        let used = format!("in {input} out 700 read 0 write 0 0 search - standard standard");
        uncached(input).gives(ENDED, &used, cost).await;
    }
}

#[tokio::test]
async fn what_is_not_cached_counts_to_the_length() {
    for (input, cost) in [
        // 39,999 x 0.10 + 15,000 x 0.125 + 10,000 x 0.20 + 35,000 x 0.01 + 700 x 0.50
        // = 3,999.9 + 1,875 + 2,000 + 350 + 350
        ("39999", "0.0085749"),
        // 40,000 x 0.10 = 4,000 instead
        ("40000", "0.008575"),
        // 40,001 x 0.50 + 15,000 x 0.625 + 10,000 x 1 + 35,000 x 0.05 + 700 x 2.50
        // = 20,000.5 + 9,375 + 10,000 + 1,750 + 1,750
        ("40001", "0.0428755"),
    ] {
        let used =
            format!("in {input} out 700 read 35000 write 15000 10000 search - standard standard");
        let case = long().but("input_tokens:40000", input);
        case.gives(ENDED, &used, cost).await;
    }
}

#[tokio::test]
async fn what_is_read_from_the_cache_counts_to_the_length() {
    for (read, cost) in [
        // 8,575 as above, less 0.01
        ("34999", "0.00857499"),
        // 20,000 + 9,375 + 10,000 + 35,001 x 0.05 + 1,750
        // = 20,000 + 9,375 + 10,000 + 1,750.05 + 1,750
        ("35001", "0.04287505"),
    ] {
        let used =
            format!("in 40000 out 700 read {read} write 15000 10000 search - standard standard");
        let case = long().but("cache_read_input_tokens:35000", read);
        case.gives(ENDED, &used, cost).await;
    }
}

#[tokio::test]
async fn what_is_written_to_the_cache_counts_to_the_length() {
    // 20,000 + 15,001 x 0.625 + 10,000 + 1,750 + 1,750 = 20,000 + 9,375.625 + 13,500
    long()
        .but("cache_creation_input_tokens:25000", "25001")
        .but("ephemeral_5m_input_tokens:15000", "15001")
        .gives(
            ENDED,
            "in 40000 out 700 read 35000 write 15001 10000 search - standard standard",
            "0.042875625",
        )
        .await;
    // 20,000 + 9,375 + 10,001 x 1 + 1,750 + 1,750
    long()
        .but("cache_creation_input_tokens:25000", "25001")
        .but("ephemeral_1h_input_tokens:10000", "10001")
        .gives(
            ENDED,
            "in 40000 out 700 read 35000 write 15000 10001 search - standard standard",
            "0.042876",
        )
        .await;
}

#[tokio::test]
async fn output_does_not_count_to_the_length() {
    // 8,225 of the prompt as above, and 700,000 x 0.50 = 350,000
    long()
        .but("output_tokens:700", "700000")
        .gives(
            ENDED,
            "in 40000 out 700000 read 35000 write 15000 10000 search - standard standard",
            "0.358225",
        )
        .await;
}

#[tokio::test]
async fn the_batch_tier_and_the_place_multiply_with_the_length() {
    // 42,875.5 as above, halved
    long()
        .but("input_tokens:40000", "40001")
        .but("service_tier:\"standard\"", "\"batch\"")
        .gives(
            ENDED,
            "in 40001 out 700 read 35000 write 15000 10000 search - batch standard",
            "0.02143775",
        )
        .await;
    // 42,875.5 x 1.1
    long()
        .but("input_tokens:40000", "40001")
        .but("inference_geo:\"global\"", "\"us\"")
        .gives(
            ENDED,
            "in 40001 out 700 read 35000 write 15000 10000 search - standard standard",
            "0.04716305",
        )
        .await;
}
