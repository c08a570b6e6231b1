//! What calls need of the place where they are served, and what places offer.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use http::{Method, Request};
use tower_claude_core::{
    Call, CallBody, Capabilities, Capability, Intake, Platform, Prepare, Target,
};

async fn call(method: Method, path: &str, body: &str) -> Call {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(CallBody::from(body.to_owned()))
        .unwrap();
    match Prepare::new(request, &Intake::new().passthrough(["/v1/skills"])).await {
        Ok(prepared) => prepared.call,
        Err(unprepared) => unprepared.call,
    }
}

/// A call for a message with some members more.
async fn with(members: &str) -> Call {
    let body = format!(r#"{{"model":"m","max_tokens":9,{members}}}"#);
    call(Method::POST, "/v1/messages", &body).await
}

/// A call whose user says these blocks, after some others.
async fn saying(blocks: &str) -> Call {
    with(&format!(
        r#""messages":[{{"role":"user","content":"hi"}},{{"content":[{blocks}],"role":"user"}}]"#
    ))
    .await
}

fn words(call: &Call) -> String {
    let words: Vec<_> = call.needs().iter().map(Capability::as_str).collect();
    let bound = if call.is_bound_to_account() {
        " bound"
    } else {
        ""
    };
    words.join(" ") + bound
}

#[tokio::test]
async fn members_of_the_top_level_say_what_is_needed() {
    for (member, needs) in [
        (r#""system":"be kind","stream":true"#, ""),
        (
            r#""cache_control":{"type":"ephemeral"}"#,
            "top_level_caching",
        ),
        (r#""container":"container_1""#, "containers bound"),
        (r#""container":{"id":"container_1"}"#, "containers bound"),
        (r#""container":{"id":null,"skills":[]}"#, "containers"),
        (
            r#""container":{"skills":[{"type":"anthropic","skill_id":"pptx","version":"latest"}]}"#,
            "containers skills",
        ),
        (
            r#""container":{"skills":[{"type":"custom","skill_id":"skill_1","version":"latest"}]}"#,
            "containers skills bound",
        ),
        (r#""container":null"#, ""),
        (r#""thread":{"type":"create"}"#, "threads"),
        (
            r#""thread":{"type":"continue","previous_message_id":"msg_1"}"#,
            "threads bound",
        ),
        (r#""diagnostics":{"previous_message_id":"msg_1"}"#, " bound"),
        (r#""diagnostics":{"previous_message_id":null}"#, ""),
        (
            r#""mcp_servers":[{"type":"url","url":"https://mcp.test","name":"a"}]"#,
            "mcp_servers",
        ),
        (r#""mcp_servers":[ ]"#, ""),
        (r#""inference_geo":"us""#, "inference_geo"),
        (r#""service_tier":"standard_only""#, "service_tier"),
        (r#""speed":"fast""#, "fast_mode"),
        (r#""speed":"standard""#, ""),
        (r#""fallbacks":"default""#, "fallbacks"),
        (r#""fallbacks":[]"#, ""),
        (r#""fallback_credit_token":"t""#, "fallbacks bound"),
        (r#""user_profile_id":"uprof_1""#, " bound"),
        (
            r#""output_config":{"format":{"type":"json_schema","schema":{}}}"#,
            "structured_outputs",
        ),
        (r#""output_config":{"effort":"low"}"#, ""),
        (r#""s\u0065rvice_tier":"auto""#, "service_tier"),
        (r#""metadata":{"container":"c","thread":{}}"#, ""),
        (
            r#""inference_geo":"us","speed":"fast","service_tier":"auto""#,
            "inference_geo service_tier fast_mode",
        ),
    ] {
        let call = with(&format!(r#"{member},"messages":[]"#)).await;
        assert_eq!(words(&call), needs, "{member}");
    }
}

#[tokio::test]
async fn tools_that_the_server_runs_are_known_by_their_type() {
    for (tool, needs) in [
        (
            r#"{"name":"web_search","type":"web_search_20250305"}"#,
            "web_search",
        ),
        (
            r#"{"type" : "web_fetch_20260209","name":"f"}"#,
            "server_tools",
        ),
        (r#"{"type":"code_execution_20250825"}"#, "server_tools"),
        (
            r#"{"type":"tool_search_tool_bm25_20251119"}"#,
            "tool_search",
        ),
        (r#"{"type":"tool_search_tool_regex"}"#, "tool_search"),
        (r#"{"type":"advisor_20260301","model":"m"}"#, "advisor"),
        (r#"{"type":"yet_to_come_20991231"}"#, "server_tools"),
        // These the caller runs.
        (r#"{"type":"bash_20250124","name":"bash"}"#, ""),
        (r#"{"type":"text_editor_20250728"}"#, ""),
        (r#"{"type":"computer_20251124"}"#, ""),
        (r#"{"type":"memory_20250818"}"#, ""),
        (r#"{"type":"custom","name":"web_search_20250305"}"#, ""),
        (
            r#"{"name":"a","description":"\"type\":\"web_search_20250305\" and web_search_20250305"}"#,
            "",
        ),
        (
            r#"{"name":"a","input_schema":{"enum":["web_search_20250305","type"]}}"#,
            "",
        ),
    ] {
        let call = with(&format!(r#""tools":[{{"name":"t"}},{tool}],"messages":[]"#)).await;
        assert_eq!(words(&call), needs, "{tool}");
    }
}

#[tokio::test]
async fn blocks_say_what_is_needed() {
    for (block, needs) in [
        (r#"{"type":"text","text":"hi"}"#, ""),
        (
            r#"{"type":"document","source":{"type":"file","file_id":"file_1"}}"#,
            "files bound",
        ),
        (
            r#"{"type":"image","source":{ "file_id" : "file_1" , "type" : "file" }}"#,
            "files bound",
        ),
        (
            r#"{"type":"container_upload","file_id":"file_1"}"#,
            "files bound",
        ),
        (
            r#"{"file_id":"file_1","type":"container_upload"}"#,
            "files bound",
        ),
        (
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"file_id":"f","type":"file"}}]}"#,
            "files bound",
        ),
        // Any tool may have an argument of that name.
        (
            r#"{"type":"tool_use","id":"t","name":"drive","input":{"file_id":"1A","a":{"file_id":2}}}"#,
            "",
        ),
        (
            r#"{"type":"tool_use","id":"t","name":"drive","input":{"file_id":"1A"}},{"type":"container_upload", "cache_control":{"type":"ephemeral"},"file_id":"f"}"#,
            "files bound",
        ),
        (
            r#"{"type":"text","text":"set \"file_id\": \"file_1\" there"}"#,
            "",
        ),
        (
            r#"{"type":"text","text":"it ends in \"file_id"},{"type":"text","text":":"}"#,
            "",
        ),
        (
            r#"{"type":"text","text":"\"type\":\"file\",\"file_id\":\"file_1\""}"#,
            "",
        ),
        (
            r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#,
            "server_tools",
        ),
        (
            r#"{"type":"mcp_tool_use","id":"m","name":"n","input":{}}"#,
            "mcp_servers",
        ),
        (
            r#"{"type":"text","text":"a \"type\":\"server_tool_use\" in words"}"#,
            "",
        ),
        (r#"{"type":"text","text":"server_tool_use"}"#, ""),
    ] {
        assert_eq!(words(&saying(block).await), needs, "{block}");
    }
}

#[tokio::test]
async fn what_a_known_tool_did_needs_no_more_than_the_tool() {
    let call = with(
        r#""tools":[{"type":"web_search_20250305"}],"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]}]"#,
    )
    .await;
    assert_eq!(words(&call), "web_search");
}

#[tokio::test]
async fn thinking_that_came_back_is_seen_and_talk_of_it_is_not() {
    for (block, expected) in [
        (
            r#"{"type":"thinking","thinking":"hm","signature":"s"}"#,
            true,
        ),
        (r#"{"thinking":"hm", "type" :"thinking"}"#, true),
        (r#"{"type":"redacted_thinking","data":"x"}"#, true),
        (r#"{"type":"text","text":"thinking"}"#, false),
        (r#"{"type":"text","text":"\"type\":\"thinking\""}"#, false),
        (
            r#"{"type":"text","text":"it was \"type\":\"thinking"}"#,
            false,
        ),
        (r#"{"type":"not_thinking"}"#, false),
    ] {
        assert_eq!(saying(block).await.has_thinking(), expected, "{block}");
    }
    let asked = with(r#""thinking":{"type":"adaptive"},"messages":[]"#).await;
    assert!(!asked.has_thinking(), "asking for it is no block of it");
}

#[tokio::test]
async fn endpoints_need_themselves() {
    let batch =
        r#"{"requests":[{"custom_id":"a","params":{"model":"m","max_tokens":1,"messages":[]}}]}"#;
    let with_file = batch.replace(
        r#""messages":[]"#,
        r#""messages":[{"content":[{"type":"container_upload","file_id":"f"}]}]"#,
    );
    for (method, path, body, needs) in [
        (Method::GET, "/v1/models", "", "models"),
        (Method::GET, "/v1/files/file_1", "", "files bound"),
        (Method::POST, "/v1/messages/batches", batch, "batches"),
        (
            Method::POST,
            "/v1/messages/batches",
            &with_file,
            "batches bound",
        ),
        (Method::GET, "/v1/messages/batches", "", "batches bound"),
        (
            Method::GET,
            "/v1/messages/batches/msgbatch_1",
            "",
            "batches bound",
        ),
        (
            Method::POST,
            "/v1/messages/batches/msgbatch_1/cancel",
            "{}",
            "batches bound",
        ),
        (Method::GET, "/v1/skills/skill_1", "", " bound"),
        (Method::HEAD, "/api/hello", "", ""),
        (
            Method::POST,
            "/v1/messages/count_tokens",
            r#"{"model":"m","messages":[{"content":[{"type":"container_upload","file_id":"f"}]}]}"#,
            "files bound",
        ),
    ] {
        assert_eq!(
            words(&call(method, path, body).await),
            needs,
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn text_that_is_no_json_never_panics() {
    let whole = r#"{"model":"m","max_tokens":9,"container":{"skills":[{"type":"custom"}]},"thread":{"type":"create"},
        "tools":[{"type":"web_search_20250305"},{"type":"tool_search_tool_regex"},"_20","_20250101\""],
        "messages":[3,{"content":{"file_id":1}},{"content":["a",{"source":{"file_id" :"f"}},{"type":"thinking"},{"type":"mcp_tool_use"}]}]}"#;
    for end in 0..=whole.len() {
        for tail in ["", "\"", "}", "]}", "\u{e9}"] {
            for path in ["/v1/messages", "/v1/messages/batches"] {
                let body = whole[..end].to_owned() + tail;
                let call = call(Method::POST, path, &body).await;
                let _ = (words(&call), call.has_thinking(), call.conversation());
            }
        }
    }
}

#[tokio::test]
async fn messages_that_cannot_be_followed_are_taken_to_refer_to_a_file() {
    for messages in [
        r#"[{"content":[{"file_id":"f"}x]}]"#,
        r#"[{"content":[{"a":1}{"file_id":"f"}]}]"#,
    ] {
        let call = with(&format!(r#""messages":{messages}"#)).await;
        assert!(call.is_bound_to_account(), "{messages}");
    }
}

#[test]
fn a_target_offers_what_its_platform_does_and_what_was_said_of_it() {
    let target = |platform| Target::new("a").platform(platform);
    for capability in Capability::ALL {
        assert!(target(Platform::Anthropic).offers(*capability));
    }
    let offers = |platform, word| target(platform).offers(Capability::named(word).unwrap());
    for (word, bedrock, vertex, foundry) in [
        ("batches", false, false, false),
        ("files", false, false, true),
        ("containers", false, false, true),
        ("threads", false, false, false),
        ("server_tools", false, false, true),
        ("web_search", false, true, true),
        ("tool_search", true, true, true),
        ("mcp_servers", false, false, true),
        ("inference_geo", false, false, false),
        ("service_tier", false, true, true),
        ("top_level_caching", false, true, true),
        ("fallbacks", false, false, false),
        ("structured_outputs", true, true, true),
    ] {
        let found = [Platform::Bedrock, Platform::Vertex, Platform::Foundry]
            .map(|platform| offers(platform, word));
        assert_eq!(found, [bedrock, vertex, foundry], "{word}");
    }
    // In whatever order it is said.
    let said = Target::new("a")
        .with(Capability::Files)
        .without(Capability::ToolSearch)
        .platform(Platform::Bedrock);
    assert!(said.offers(Capability::Files) && !said.offers(Capability::ToolSearch));
    let undone = said.without(Capability::Files).with(Capability::ToolSearch);
    assert_eq!(undone.capabilities(), Platform::Bedrock.capabilities());
}

#[test]
fn what_is_lacking_can_be_named() {
    let needs: Capabilities = [Capability::Files, Capability::StructuredOutputs]
        .into_iter()
        .collect();
    let offered = Platform::Bedrock.capabilities();
    assert!(!needs.is_subset(offered));
    assert_eq!(format!("{:?}", needs.difference(offered)), r#"["files"]"#);
}

#[test]
fn betas_go_with_what_is_offered_unless_they_are_listed() {
    let bedrock = Target::new("a").platform(Platform::Bedrock);
    assert!(Target::new("a").takes_beta("files-api-2025-04-14"));
    assert!(!bedrock.takes_beta(" files-api-2025-04-14"));
    assert!(bedrock.takes_beta("interleaved-thinking-2025-05-14"));
    let with_files = bedrock.clone().with(Capability::Files);
    assert!(with_files.takes_beta("files-api-2025-04-14"));
    let listed = bedrock.betas(["one"]);
    assert!(listed.takes_beta("one") && listed.takes_beta(" one "));
    assert!(
        !listed.takes_beta("one-more") && !listed.takes_beta("interleaved-thinking-2025-05-14")
    );
}

#[test]
fn a_window_is_known_where_it_was_said() {
    assert_eq!(Target::new("a").window(), None);
    assert_eq!(
        Target::new("a").context_window(200_000).window(),
        Some(200_000)
    );
}
