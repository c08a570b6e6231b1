//! Answers made of parts: compaction, advisors, fallbacks.

use crate::case::Case;

#[tokio::test]
async fn compaction_is_billed_although_the_top_level_does_not_count_it() {
    // Opus 5.5, 4 and 20: 182,000 x 4 + 3,400 x 20 = 728,000 + 68,000 = 796,000
    // and 3,600 x 4 + 210 x 20 = 14,400 + 4,200 = 18,600
    Case::of(
        "claude-opus-5-5",
        &["message-compaction.json", "stream-compaction.sse"],
    )
    .gives(
        "claude-opus-5-5 end_turn complete exact",
        "in 3600 out 210 read 0 write 0 0 search - standard standard",
        "0.8146",
    )
    .await;
}

#[tokio::test]
async fn an_advisor_is_billed_at_its_own_price() {
    // Haiku 5.5, 0.10 and 0.50: 2,000 x 0.10 + 120 x 0.50 = 200 + 60 = 260
    // Opus 5.5, 4 and 20: 2,300 x 4 + 900 x 20 = 9,200 + 18,000 = 27,200
    // Haiku 5.5, write 0.125: 3,100 x 0.10 + 400 x 0.50 + 2,000 x 0.125 = 310 + 200 + 250 = 760
    Case::of(
        "claude-haiku-5-5",
        &["message-advisor.json", "stream-advisor.sse"],
    )
    .gives(
        "claude-haiku-5-5 end_turn complete exact",
        "in 5100 out 520 read 0 write 2000 0 search - standard standard",
        "0.02822",
    )
    .await;
}

#[tokio::test]
async fn compaction_advisor_and_turns_add_up() {
    // Sonnet 5.5, 2, 10, read 0.10; Opus 5.5, 4 and 20.
    // compaction 152,300 x 2 + 2,100 x 10            = 325,600
    // message        900 x 2 +   140 x 10            =   3,200
    // advisor      1,210 x 4 + 1,520 x 20            =  35,240
    // message      1,610 x 2 +   500 x 10 + 900 x 0.10 = 8,310
    Case::of(
        "claude-sonnet-5-5",
        &["message-nonstream-iterations.json", "stream-iterations.sse"],
    )
    .gives(
        "claude-sonnet-5-5 end_turn complete exact",
        "in 2510 out 640 read 900 write 0 0 search - standard standard",
        "0.37235",
    )
    .await;
}

#[tokio::test]
async fn an_attempt_that_declined_costs_nothing_beside_the_fallback() {
    // Opus 4.8, 5 and 25: 388 x 5 + 205 x 25 = 1,940 + 5,125 = 7,065; nothing at Fable 5.2,
    // whose name the stream begins with
    Case::of(
        "claude-fable-5-2",
        &["message-nonstream-fallback.json", "stream-fallback.sse"],
    )
    .gives(
        "claude-opus-4-8 end_turn complete exact",
        "in 388 out 205 read 0 write 0 0 search - standard standard",
        "0.007065",
    )
    .await;
}

#[tokio::test]
async fn an_attempt_that_declined_after_some_output_is_billed() {
    // Fable 5.2, 8 and 40: 511 x 8 + 12 x 40 = 4,088 + 480 = 4,568; and the 7,065 as above
    Case::of(
        "claude-fable-5-2",
        &["message-nonstream-fallback.json", "stream-fallback.sse"],
    )
    .but("output_tokens:0", "12")
    .gives(
        "claude-opus-4-8 end_turn complete exact",
        "in 388 out 205 read 0 write 0 0 search - standard standard",
        "0.011633",
    )
    .await;
}

#[tokio::test]
async fn a_fallback_that_declined_too_leaves_nothing_to_pay() {
    Case::of(
        "claude-fable-5-2",
        &[
            "message-fallback-refused.json",
            "stream-fallback-refused.sse",
        ],
    )
    .gives(
        "claude-opus-4-8 refusal complete exact",
        "in 402 out 0 read 0 write 0 0 search - standard standard",
        "0",
    )
    .await;
}
