//! The model declines: before it has said anything, or in the middle.

use crate::case::Case;

#[tokio::test]
async fn a_refusal_before_any_output_is_counted_and_not_billed() {
    Case::of(
        "claude-fable-5-2",
        &[
            "message-nonstream-refusal.json",
            "stream-refusal-before-output.sse",
        ],
    )
    .gives(
        "claude-fable-5-2 refusal complete exact",
        "in 420 out 0 read 0 write 0 0 search - standard standard",
        "0",
    )
    .await;
}

#[tokio::test]
async fn an_answer_without_output_that_is_no_refusal_is_billed() {
    // Fable 5.2, 8: a prompt that only warms the cache, 420 x 8 = 3,360
    Case::of(
        "claude-fable-5-2",
        &[
            "message-nonstream-refusal.json",
            "stream-refusal-before-output.sse",
        ],
    )
    .but("stop_reason:\"refusal\"", "\"max_tokens\"")
    .gives(
        "claude-fable-5-2 max_tokens complete exact",
        "in 420 out 0 read 0 write 0 0 search - standard standard",
        "0.00336",
    )
    .await;
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_answer_is_billed() {
    // Fable 5.2, 8 and 40: 300 x 8 + 12 x 40 = 2,400 + 480 = 2,880
    Case::of(
        "claude-fable-5-2",
        &["message-refusal-midway.json", "stream-refusal-midway.sse"],
    )
    .gives(
        "claude-fable-5-2 refusal complete exact",
        "in 300 out 12 read 0 write 0 0 search - standard standard",
        "0.00288",
    )
    .await;
}
