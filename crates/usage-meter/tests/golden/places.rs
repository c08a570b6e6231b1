//! Clouds: their shapes of answers, their names of models, their factors.

use tower_claude_core::{Platform, Target};

use crate::case::Case;

/// A target that has another name for a model.
fn target(platform: Platform, asked: &str, here: &str) -> Target {
    Target::new("cloud").platform(platform).model(asked, here)
}

#[tokio::test]
async fn frames_of_bedrock_cost_by_the_prefix_of_the_models_name() {
    for (prefix, cost) in [
        // Sonnet 4.5, 3 and 15: 21 x 3 + 8 x 15 = 63 + 120 = 183
        ("", "0.000183"),
        ("global.", "0.000183"),
        // 183 x 1.1
        ("us.", "0.0002013"),
        ("eu.", "0.0002013"),
        ("jp.", "0.0002013"),
        ("apac.", "0.0002013"),
        ("au.", "0.0002013"),
        // 183 x 1.2
        ("us-gov.", "0.0002196"),
    ] {
        let here = format!("{prefix}anthropic.claude-sonnet-4-5-20250929-v1:0");
        Case::of("claude-sonnet-4-5", &["bedrock-stream.eventstream"])
            .at(target(Platform::Bedrock, "claude-sonnet-4-5", &here))
            .gives(
                "claude-sonnet-4-5-20250929 end_turn complete exact",
                "in 21 out 8 read 0 write 0 0 search - - -",
                cost,
            )
            .await;
    }
}

#[tokio::test]
async fn frames_with_thinking_tools_and_a_cache_cost_what_the_events_do() {
    // 13,946.4 as on Anthropic's own API, and x 1.1
    for (here, cost) in [
        ("global.anthropic.claude-opus-5-5", "0.0139464"),
        ("eu.anthropic.claude-opus-5-5", "0.01534104"),
    ] {
        Case::of("claude-opus-5-5", &["bedrock-stream-tooluse.eventstream"])
            .at(target(Platform::Bedrock, "claude-opus-5-5", here))
            .gives(
                "claude-opus-5-5 tool_use complete exact",
                "in 512 out 163 read 8192 write 1400 0 search - - -",
                cost,
            )
            .await;
    }
}

#[tokio::test]
async fn a_document_of_bedrocks_has_its_factor_too_and_no_place_besides() {
    // 4,875 as on Anthropic's own API, x 1.1 = 5,362.5; `us` is not charged again
    Case::of("claude-sonnet-4-6", &["message-plain.json"])
        .but("inference_geo:\"global\"", "\"us\"")
        .at(target(
            Platform::Bedrock,
            "claude-sonnet-4-6",
            "us.anthropic.claude-sonnet-4-6",
        ))
        .gives(
            "claude-sonnet-4-6 end_turn complete exact",
            "in 1200 out 85 read 0 write 0 0 search - standard standard",
            "0.0053625",
        )
        .await;
}

#[tokio::test]
async fn answers_of_vertex_are_read_without_tier_place_and_speed() {
    // Sonnet 4.5, 3, 15, read 0.30: 900 x 3 + 220 x 15 + 4,000 x 0.30
    // = 2,700 + 3,300 + 1,200 = 7,200
    Case::of(
        "claude-sonnet-4-5",
        &["message-vertex.json", "stream-vertex.sse"],
    )
    .at(target(
        Platform::Vertex,
        "claude-sonnet-4-5",
        "claude-sonnet-4-5@20250929",
    ))
    .gives(
        "claude-sonnet-4-5@20250929 end_turn complete exact",
        "in 900 out 220 read 4000 write 0 - search - - -",
        "0.0072",
    )
    .await;
}

#[tokio::test]
async fn a_deployment_of_foundrys_costs_what_the_asked_model_does() {
    // 4,875 as on Anthropic's own API
    Case::of(
        "claude-sonnet-4-6",
        &["message-plain.json", "stream-plain.sse"],
    )
    .but("model:\"claude-sonnet-4-6\"", "\"my-deployment\"")
    .at(target(
        Platform::Foundry,
        "claude-sonnet-4-6",
        "my-deployment",
    ))
    .gives(
        "my-deployment end_turn complete exact",
        "in 1200 out 85 read 0 write 0 0 search - standard standard",
        "0.004875",
    )
    .await;
}
