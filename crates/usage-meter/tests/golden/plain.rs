//! Text, thinking, cached prompts.

use crate::case::Case;

#[tokio::test]
async fn a_plain_answer_costs_its_input_and_its_output() {
    // Sonnet 4.6, 3 and 15: 1,200 x 3 + 85 x 15 = 3,600 + 1,275 = 4,875
    Case::of(
        "claude-sonnet-4-6",
        &["message-plain.json", "stream-plain.sse"],
    )
    .gives(
        "claude-sonnet-4-6 end_turn complete exact",
        "in 1200 out 85 read 0 write 0 0 search - standard standard",
        "0.004875",
    )
    .await;
}

#[tokio::test]
async fn thinking_is_output_already_and_is_not_added_to_it() {
    // Fable 5.2, 8, 40 and 0.20 to read: 640 x 8 + 1,310 x 40 + 20,480 x 0.20
    // = 5,120 + 52,400 + 4,096 = 61,616; the 1,204 thinking tokens are among the 1,310
    Case::of(
        "claude-fable-5-2",
        &["message-thinking.json", "stream-thinking-omitted.sse"],
    )
    .gives(
        "claude-fable-5-2 end_turn complete exact",
        "in 640 out 1310 read 20480 write 0 0 search - standard standard",
        "0.061616",
    )
    .await;
}

#[tokio::test]
async fn cache_writes_of_both_lifetimes_in_one_answer_have_each_their_price() {
    // Opus 5.5, 4, 20, write 5 and 8, read 0.20:
    // 37 x 4 + 118 x 20 + 1,800 x 5 + 500 x 8 + 10,240 x 0.20
    // = 148 + 2,360 + 9,000 + 4,000 + 2,048 = 17,556
    Case::of(
        "claude-opus-5-5",
        &["message-nonstream.json", "stream-cache-writes.sse"],
    )
    .gives(
        "claude-opus-5-5 end_turn complete exact",
        "in 37 out 118 read 10240 write 1800 500 search - standard standard",
        "0.017556",
    )
    .await;
}

#[tokio::test]
async fn line_ends_comments_and_unheard_of_events_cost_nothing() {
    // Haiku 5.5, 0.10 and 0.50: 9 x 0.10 + 4 x 0.50 = 0.9 + 2 = 2.9
    Case::of("claude-haiku-5-5", &["stream-crlf-comments.sse"])
        .gives(
            "claude-haiku-5-5 end_turn complete exact",
            "in 9 out 4 read 0 write 0 0 search - standard standard",
            "0.0000029",
        )
        .await;
}

#[tokio::test]
async fn the_model_that_answered_is_billed_and_not_the_one_that_was_asked() {
    // Asked at 8 and 40, answered at 3 and 15, as above
    Case::of(
        "claude-fable-5-2",
        &["message-plain.json", "stream-plain.sse"],
    )
    .gives(
        "claude-sonnet-4-6 end_turn complete exact",
        "in 1200 out 85 read 0 write 0 0 search - standard standard",
        "0.004875",
    )
    .await;
}
