//! Tools of the caller's, and tools that the server runs.

use crate::case::Case;

#[tokio::test]
async fn calls_of_tools_are_output_like_any() {
    // Opus 5.5, 4, 20, write 5, read 0.20: 512 x 4 + 163 x 20 + 1,400 x 5 + 8,192 x 0.20
    // = 2,048 + 3,260 + 7,000 + 1,638.4 = 13,946.4
    Case::of(
        "claude-opus-5-5",
        &[
            "message-thinking-tooluse.json",
            "stream-thinking-tooluse.sse",
        ],
    )
    .gives(
        "claude-opus-5-5 tool_use complete exact",
        "in 512 out 163 read 8192 write 1400 0 search - standard standard",
        "0.0139464",
    )
    .await;
}

#[tokio::test]
async fn a_later_report_replaces_the_earlier_and_a_search_costs_a_cent() {
    // Sonnet 5.5, 2 and 10: 10,682 x 2 + 97 x 10 = 21,364 + 970 = 22,334; one search 10,000
    Case::of(
        "claude-sonnet-5-5",
        &[
            "message-servertool.json",
            "stream-servertool-cumulative.sse",
        ],
    )
    .gives(
        "claude-sonnet-5-5 end_turn complete exact",
        "in 10682 out 97 read 0 write 0 0 search 1 standard standard",
        "0.032334",
    )
    .await;
}

#[tokio::test]
async fn cache_writes_and_searches_that_grow_on_the_way_are_billed_as_last_reported() {
    // Opus 5, 5, 25, write 6.25 and 10, read 0.50. Of 3,300 written, 500 are for an hour; the
    // stream says so only at its beginning, and what came after it is for five minutes.
    // 6,900 x 5 + 158 x 25 + 2,800 x 6.25 + 500 x 10 + 2,900 x 0.50
    // = 34,500 + 3,950 + 17,500 + 5,000 + 1,450 = 62,400; three searches 30,000, fetches free
    Case::of(
        "claude-opus-5",
        &[
            "message-servertool-growing.json",
            "stream-servertool-growing.sse",
        ],
    )
    .gives(
        "claude-opus-5 end_turn complete exact",
        "in 6900 out 158 read 2900 write 2800 500 search 3 standard standard",
        "0.0924",
    )
    .await;
}
