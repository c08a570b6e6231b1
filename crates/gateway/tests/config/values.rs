//! What a good file becomes.

use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use claude_gateway::config::{AuthMode, OnDisconnect, Platform, Rotation, SecretSource, Store};
use tower_claude::core::{Capability, Endpoint, Timestamp};
use tower_claude::token_budget::{
    Algorithm, Limit, LimitMode, LimitScope, Meter, Per, ReserveOutput, WhenStoreIsDown,
};

use super::*;

#[test]
fn every_key_of_a_section_is_read() {
    let config = config(FULL);
    let server = config.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(server.admin_listen.unwrap().to_string(), "[::1]:9091");
    let public = server.public_url.unwrap();
    assert_eq!(public, "https://claude.example.org/gate");
    assert_eq!(server.body_limit, 16 << 20);
    assert_eq!(server.buffer_limit, 1 << 20);
    assert_eq!(server.header_timeout, Duration::from_secs(11));
    assert_eq!(server.body_timeout, Duration::from_secs(31));
    assert_eq!(server.request_timeout, Duration::from_secs(600));
    assert_eq!(server.stream_idle_timeout, Duration::from_secs(3_600));
    assert_eq!(server.shutdown_grace, Duration::from_millis(1_500));
    assert_eq!(server.passthrough, ["/v1/skills"]);
    assert_eq!(config.auth.mode, AuthMode::Keys);
    assert_eq!(config.budget.when_store_is_down, WhenStoreIsDown::Refuse);
    assert_eq!(config.retry.attempts.get(), 4);
    assert_eq!(config.retry.base, Duration::from_millis(250));
    assert_eq!(config.retry.max_delay, Duration::from_secs(9));
    assert_eq!(config.retry.total_timeout, Duration::from_secs(61));
    assert!(config.retry.retry_possibly_billed);
    assert!(!config.retry.hold_head);
    assert_eq!(config.failover.breaker.failures.get(), 6);
    assert_eq!(config.failover.breaker.window, Duration::from_secs(31));
    assert_eq!(config.failover.breaker.open, Duration::from_secs(16));
    assert_eq!(config.usage.ledger, Path::new("ledger/usage.jsonl"));
}

#[test]
fn every_key_of_a_target_is_read() {
    let targets = config(FULL).targets;
    let target = &targets[0];
    assert_eq!(target.name, "anthropic");
    assert_eq!(target.platform, Platform::Anthropic);
    assert_eq!(target.base_url, "https://api.anthropic.com/base");
    assert_eq!(target.credential.secret.expose(), "sk-ant-hidden");
    let source = SecretSource::Env("ANTHROPIC_API_KEY".to_owned());
    assert_eq!(target.credential.source, source);
    assert_eq!((target.priority, target.weight.get()), (1, 2));
    assert_eq!(target.residency.as_deref(), Some("us"));
    assert_eq!(target.models["claude-opus-5-5"], "my-deployment");
    assert_eq!(target.with, [Capability::InferenceGeo]);
    let without = [Capability::WebSearch, Capability::McpServers];
    assert_eq!(target.without, without);
    assert_eq!(target.context_window.unwrap().get(), 1_000_000);
    assert_eq!(target.betas.as_ref().unwrap(), &["files-api-2025-04-14"]);
    assert_eq!(targets[1].name, "second");
    assert_eq!(targets[1].base_url, "https://api.anthropic.com");
    assert_eq!((targets[1].priority, targets[1].weight.get()), (0, 1));
}

#[test]
fn every_key_of_a_plan_is_read() {
    let plans = config(FULL).plans;
    assert!(plans["free"].limits.is_empty());
    assert_eq!((plans["free"].urgency, plans["standard"].urgency), (3, 1));
    let plan = &plans["standard"];
    assert_eq!(plan.reserve_output, ReserveOutput::Strict);
    let meters = plan.limits.iter().map(|limit| limit.meter);
    let expected = [
        Meter::Requests,
        Meter::InputTokens,
        Meter::OutputTokens,
        Meter::Tokens,
    ];
    assert!(meters.eq(expected));
    let tokens = plan.limits[3];
    assert_eq!(tokens.to_string(), "200k tokens/min");
    assert_eq!(tokens.amount.get(), 200_000);
    assert_eq!(tokens.per, Some(Per::Minute));
    assert_eq!(tokens.algorithm, Algorithm::Sliding);
    assert_eq!(
        (tokens.scope, tokens.mode),
        (LimitScope::Tenant, LimitMode::Enforce)
    );
}

#[test]
fn every_key_of_a_tenant_is_read() {
    let tenants = config(FULL).tenants;
    let tenant = &tenants[0];
    assert_eq!((&*tenant.id, &*tenant.plan), ("web", "standard"));
    let key = &tenant.keys[0];
    assert!(key.digest.as_bytes().iter().copied().eq(0..32));
    let start = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    assert_eq!(key.not_before, Some(Timestamp::from(start)));
    let end = UNIX_EPOCH + Duration::from_secs(1_798_761_600);
    assert_eq!(key.not_after, Some(Timestamp::from(end)));
    let models = tenant.models.as_ref().unwrap();
    assert!(models[0].fits("claude-opus-5-5") && !models[0].is_exactly("claude-*"));
    assert!(models[1].is_exactly("my-deployment"));
    let endpoints = [Endpoint::Messages, Endpoint::CountTokens];
    assert_eq!(tenant.endpoints, endpoints);
    assert_eq!(tenant.residency.as_ref().unwrap(), &["us", "eu"]);
}

#[test]
fn a_tenant_without_lists_may_do_all_that_is_implemented() {
    let tenant = &config(FULL).tenants[1];
    assert_eq!(tenant.id, "batch_2-night");
    assert!(tenant.keys.is_empty());
    assert_eq!((&tenant.models, &tenant.residency), (&None, &None));
    let endpoints = [
        Endpoint::Messages,
        Endpoint::CountTokens,
        Endpoint::Models,
        Endpoint::Batches,
    ];
    assert_eq!(tenant.endpoints, endpoints);
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_contract() {
    let config = config(SMALL);
    let server = config.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(server.admin_listen, None);
    assert_eq!(server.body_limit, 32 << 20);
    assert_eq!(server.buffer_limit, 512 << 20);
    assert_eq!(server.header_timeout, Duration::from_secs(10));
    assert_eq!(server.body_timeout, Duration::from_secs(30));
    assert_eq!(server.request_timeout, Duration::from_secs(600));
    assert_eq!(server.stream_idle_timeout, Duration::from_secs(300));
    assert_eq!(server.shutdown_grace, Duration::from_secs(30));
    assert!(server.passthrough.is_empty());
    assert_eq!(config.budget.store, Store::Memory);
    assert_eq!(config.budget.store_timeout, Duration::from_millis(50));
    assert_eq!(config.budget.when_store_is_down, WhenStoreIsDown::Lease);
    assert_eq!(config.budget.replicas.get(), 1);
    assert_eq!(config.retry.attempts.get(), 3);
    assert_eq!(config.retry.base, Duration::from_millis(500));
    assert_eq!(config.retry.max_delay, Duration::from_secs(8));
    assert_eq!(config.retry.total_timeout, Duration::from_secs(60));
    assert!(config.retry.hold_head && !config.retry.retry_possibly_billed);
    assert_eq!(config.failover.breaker.failures.get(), 5);
    assert_eq!(config.failover.breaker.window, Duration::from_secs(30));
    assert_eq!(config.failover.breaker.open, Duration::from_secs(15));
    assert_eq!(config.usage.ledger, Path::new("usage.jsonl"));
    assert_eq!(
        config.usage.on_disconnect,
        OnDisconnect::Drain {
            tokens: NonZeroU64::new(2_000).unwrap(),
            time: Duration::from_secs(30),
        }
    );
    assert!(config.usage.capture.is_none());
    assert!(config.usage.durable);
    assert_eq!(config.usage.rotation, Rotation::default());
    let reserve = config.plans["standard"].reserve_output;
    assert_eq!(reserve, ReserveOutput::Balanced);
}

#[test]
fn decimals_are_exact_as_numbers_and_in_quotes() {
    let price = config(FULL).prices["my-deployment"];
    assert_eq!(price.input.pico(), 100_000_000_000);
    assert_eq!(price.output.pico(), 15_000_000_000_000);
    for (written, pico) in [
        ("1_000.25", 1_000_250_000_000_000),
        ("3", 3_000_000_000_000),
    ] {
        let text = format!("{SMALL}[prices.m]\ninput = {written}\noutput = 0\n");
        assert_eq!(config(&text).prices["m"].input.pico(), pico);
    }
}

#[test]
fn paths_start_from_the_directory_of_the_file() {
    let loaded = Config::parse_in(SMALL, "/etc/gateway/main.toml", &surroundings());
    let ledger = loaded.unwrap().config.usage.ledger;
    assert_eq!(ledger, Path::new("/etc/gateway/usage.jsonl"));
    let text = format!("{SMALL}[usage]\nledger = \"/var/usage.jsonl\"\n");
    let loaded = Config::parse_in(&text, "/etc/gateway/main.toml", &surroundings());
    let ledger = loaded.unwrap().config.usage.ledger;
    assert_eq!(ledger, Path::new("/var/usage.jsonl"));
}

#[test]
fn a_secret_can_be_in_a_file_beside_it() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("secret_beside");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("key"), "sk-in-a-file\n").unwrap();
    let text = SMALL.replace("env = \"ANTHROPIC_API_KEY\"", "file = \"key\"");
    let path = directory.join("gateway.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap().config;
    let credential = &config.targets[0].credential;
    assert_eq!(credential.secret.expose(), "sk-in-a-file");
    assert_eq!(credential.source, SecretSource::File(directory.join("key")));
}

#[test]
fn debug_output_never_holds_a_secret() {
    let shown = format!("{:?}", loaded(FULL));
    assert!(shown.contains("Secret(..)"), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(!shown.contains("Digest([0"), "{shown}");
}

#[test]
fn the_example_is_accepted_and_says_the_defaults() {
    let loaded = loaded(EXAMPLE);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let (example, small) = (loaded.config, config(SMALL));
    let sections = |config: &Config| {
        let Config {
            server,
            auth,
            budget,
            retry,
            failover,
            usage,
            ..
        } = config;
        format!("{server:?} {auth:?} {budget:?} {retry:?} {failover:?} {usage:?}")
    };
    assert_eq!(sections(&example), sections(&small));
}

#[test]
fn every_key_the_example_leaves_out_of_use_can_be_written() {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        // Settings are commented out as `#name = …`, prose as `# …`.
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        text.push_str(setting.unwrap_or(line));
        text.push('\n');
    }
    let config = config(&text);
    assert!(config.server.admin_listen.is_some());
    assert!(config.targets[0].residency.is_some());
    assert!(config.tenants[0].models.is_some());
}

#[test]
fn the_example_names_every_key() {
    for line in FULL.lines() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        let key = key.trim_start_matches(['{', ' ']);
        assert!(EXAMPLE.contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn every_kind_of_limit_is_read() {
    let limits = |text: &str| {
        let more = format!("[plans.other]\nlimits = [{text}]\n");
        config(&format!("{SMALL}{more}")).plans["other"]
            .limits
            .clone()
    };
    let dollars = |nanos: u64, per| Limit::nano_dollars(nanos.try_into().unwrap(), per);
    for amount in ["0.1", "\"0.10\"", "1e-1"] {
        let limit = limits(&format!(
            "{{ meter = \"usd\", limit = {amount}, per = \"month\" }}"
        ));
        assert_eq!(limit, [dollars(100_000_000, Per::Month)]);
    }
    let limit = limits("{ meter = \"concurrency\", limit = 20 }");
    assert_eq!(limit, [Limit::concurrency(20.try_into().unwrap())]);
    let limit = limits(
        "{ meter = \"usd\", limit = 5, per = \"day\", scope = \"user\", mode = \"warn\", \
         when_store_is_down = \"allow\" }",
    );
    let expected = dollars(5_000_000_000, Per::Day)
        .scope(LimitScope::User)
        .mode(LimitMode::Warn)
        .when_store_is_down(WhenStoreIsDown::Allow);
    assert_eq!(limit, [expected]);
    for (burst, expected) in [("", 7), (", burst = 9", 9)] {
        let limit = limits(&format!(
            "{{ meter = \"tokens\", limit = 7, per = \"second\", algorithm = \"bucket\"{burst} }}"
        ));
        let algorithm = Algorithm::Bucket {
            burst: expected.try_into().unwrap(),
        };
        assert_eq!(limit[0].algorithm, algorithm);
    }
}

#[test]
fn a_shared_store_is_an_address_or_a_list_of_them() {
    for (store, is) in [
        ("\"redis://127.0.0.1:6379\"", "redis://127.0.0.1:6379"),
        (
            "[\"redis://10.0.0.1\", \"redis://10.0.0.2\"]",
            "redis://10.0.0.1,redis://10.0.0.2",
        ),
    ] {
        let budget = config(&format!("{SMALL}[budget]\nstore = {store}\nreplicas = 3\n")).budget;
        let Store::Redis(address) = &budget.store else {
            panic!("{budget:?}");
        };
        assert_eq!(address.expose(), is);
        assert_eq!(budget.replicas.get(), 3);
        assert!(!format!("{budget:?}").contains("redis://"), "{budget:?}");
    }
}

#[test]
fn the_ledger_goes_on_in_other_files_if_told_so() {
    let more = "[usage]\nrotate = \"day\"\nrotate_size = \"1MiB\"\ndurable = false\non_disconnect = \"abort\"\n";
    let usage = config(&format!("{SMALL}{more}")).usage;
    assert!(usage.rotation.is_daily && !usage.durable);
    assert_eq!(usage.rotation.size.unwrap().get(), 1 << 20);
    assert_eq!(usage.on_disconnect, OnDisconnect::Abort);
    let more = "[usage]\non_disconnect = { drain_tokens = 7, drain_time = \"2s\" }\n";
    let expected = OnDisconnect::Drain {
        tokens: NonZeroU64::new(7).unwrap(),
        time: Duration::from_secs(2),
    };
    assert_eq!(
        config(&format!("{SMALL}{more}")).usage.on_disconnect,
        expected
    );
}
