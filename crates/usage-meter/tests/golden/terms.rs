//! Speed, place and tier, as usage reports them.

use crate::case::Case;

const FAST: &[&str] = &["message-fast.json", "stream-fast.sse"];
const GEO: &[&str] = &["message-geo-us.json", "stream-geo-us.sse"];
const PLAIN: &[&str] = &["message-plain.json", "stream-plain.sse"];
const FAST_USED: &str = "in 2400 out 350 read 5000 write 0 600 search - standard fast";
const GEO_USED: &str = "in 3000 out 250 read 0 write 1000 0 search 1 standard standard";

#[tokio::test]
async fn fast_mode_costs_twice_in_every_class() {
    // Opus 5.5 fast, 8, 40, write 16 for an hour, read 0.40:
    // 2,400 x 8 + 350 x 40 + 600 x 16 + 5,000 x 0.40
    // = 19,200 + 14,000 + 9,600 + 2,000 = 44,800
    Case::of("claude-opus-5-5", FAST)
        .gives(
            "claude-opus-5-5 end_turn complete exact",
            FAST_USED,
            "0.0448",
        )
        .await;
}

#[tokio::test]
async fn fast_mode_in_the_united_states_costs_both() {
    // 44,800 as above, x 1.1 = 49,280
    Case::of("claude-opus-5-5", FAST)
        .but("inference_geo:\"global\"", "\"us\"")
        .gives(
            "claude-opus-5-5 end_turn complete exact",
            FAST_USED,
            "0.04928",
        )
        .await;
}

#[tokio::test]
async fn inference_in_the_united_states_costs_a_tenth_more_on_tokens_and_not_on_searches() {
    // Sonnet 5.5, 2, 10, write 2.50: 3,000 x 2 + 250 x 10 + 1,000 x 2.50
    // = 6,000 + 2,500 + 2,500 = 11,000, x 1.1 = 12,100; one search 10,000
    Case::of("claude-sonnet-5-5", GEO)
        .gives(
            "claude-sonnet-5-5 end_turn complete exact",
            GEO_USED,
            "0.0221",
        )
        .await;
}

#[tokio::test]
async fn the_place_costs_nothing_on_a_model_before_4_6() {
    // Sonnet 4.5, 3, 15, write 3.75: 3,000 x 3 + 250 x 15 + 1,000 x 3.75
    // = 9,000 + 3,750 + 3,750 = 16,500; one search 10,000
    Case::of("claude-sonnet-4-5", GEO)
        .but("model:\"claude-sonnet-5-5\"", "\"claude-sonnet-4-5\"")
        .gives(
            "claude-sonnet-4-5 end_turn complete exact",
            GEO_USED,
            "0.0265",
        )
        .await;
}

#[tokio::test]
async fn the_batch_tier_costs_half_on_tokens_and_not_on_searches() {
    // Haiku 4.5, 1, 5, write 1.25 and 2, read 0.10:
    // 10,000 x 1 + 1,000 x 5 + 400 x 1.25 + 600 x 2 + 2,000 x 0.10
    // = 10,000 + 5,000 + 500 + 1,200 + 200 = 16,900, halved 8,450; two searches 20,000
    Case::of("claude-haiku-4-5", &["message-batch.json"])
        .gives(
            "claude-haiku-4-5-20251001 end_turn complete exact",
            "in 10000 out 1000 read 2000 write 400 600 search 2 batch standard",
            "0.02845",
        )
        .await;
}

#[tokio::test]
async fn committed_capacity_is_priced_as_the_standard_tier() {
    // Sonnet 4.6, 3 and 15: 1,200 x 3 + 85 x 15 = 4,875
    Case::of("claude-sonnet-4-6", PLAIN)
        .but("service_tier:\"standard\"", "\"priority\"")
        .gives(
            "claude-sonnet-4-6 end_turn complete exact",
            "in 1200 out 85 read 0 write 0 0 search - priority standard",
            "0.004875",
        )
        .await;
}
