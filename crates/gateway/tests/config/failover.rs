//! What becomes of calls whose target is closed: `[failover]`, and what targets say of themselves.

use std::time::Duration;

use claude_gateway::config::{Fallback, Wait};

use super::*;

/// The only error of a small file that goes on so.
fn only_problem(more: &str) -> String {
    let printed = printed_after_small(more);
    let mut errors = printed.lines().filter(|line| line.contains(": error: "));
    let error = errors.next().unwrap_or_default().to_owned();
    assert_eq!(errors.next(), None, "{printed}");
    error
}

fn failover(line: &str) -> String {
    only_problem(&format!("[failover]\n{line}\n"))
}

fn target(line: &str) -> String {
    let head = "name = \"other\"\ncredential = { env = \"ANTHROPIC_API_KEY\" }";
    only_problem(&format!("[[targets]]\n{head}\n{line}\n"))
}

fn listed(fallbacks: &[Fallback]) -> Vec<(&str, &[String])> {
    let listed = fallbacks.iter().map(|one| (&*one.asked, &*one.models));
    listed.collect()
}

#[test]
fn every_key_is_read() {
    let failover = config(FULL).failover;
    let Wait {
        calls,
        longest,
        stay,
        ..
    } = failover.wait.unwrap();
    assert_eq!(calls.get(), 512);
    assert_eq!(
        (longest, stay),
        (Duration::from_secs(4), Duration::from_secs(1))
    );
    let hedge = failover.hedge.unwrap();
    assert_eq!(hedge.percentile.get(), 90);
    assert_eq!(hedge.at_least, Duration::from_secs(2));
    assert_eq!(hedge.budget_percent.get(), 3);
    assert!(failover.continue_text);
}

#[test]
fn calls_wait_by_default_and_nothing_else_is_on() {
    let failover = config(SMALL).failover;
    let wait = failover.wait.unwrap();
    assert_eq!(wait.calls.get(), 1_024);
    assert_eq!(
        (wait.longest, wait.stay),
        (Duration::from_secs(5), Duration::from_secs(2))
    );
    assert_eq!(failover.hedge, None);
    assert!(failover.fallbacks.is_empty() && !failover.continue_text);
    let more = "[failover]\nwait = \"never\"\nhedge = \"never\"\n";
    let failover = config(&format!("{SMALL}{more}")).failover;
    assert_eq!((failover.wait, failover.hedge), (None, None));
}

/// What is odd about a small file that goes on so.
fn warnings(more: &str) -> String {
    loaded(&format!("{SMALL}{more}")).warnings.to_string()
}

#[test]
fn a_call_that_stays_longer_than_any_may_wait_is_odd() {
    let wait = |wait: &str| warnings(&format!("[failover]\nwait = {{ {wait} }}\n"));
    assert_eq!(
        wait("longest = \"1s\", stay = \"2s\""),
        "gateway.toml:11: warning: `failover.wait.stay` is more than `longest`; \
         no call waits longer than that"
    );
    assert_eq!(wait("longest = \"1s\", stay = \"1s\""), "");
    assert_eq!(wait("longest = \"1s\""), "", "nobody wrote the other");
}

#[test]
fn a_hedge_with_one_target_is_odd() {
    let hedge = "[failover]\nhedge = { percentile = 95 }\n";
    assert_eq!(
        warnings(hedge),
        "gateway.toml:11: warning: `failover.hedge` needs a second target to ask; \
         add one, or remove it"
    );
    let second = "[[targets]]\nname = \"b\"\ncredential = { env = \"ANTHROPIC_API_KEY\" }\n";
    assert_eq!(warnings(&format!("{hedge}{second}")), "");
    assert_eq!(warnings("[failover]\nhedge = \"never\"\n"), "");
}

#[test]
fn a_residency_that_no_target_has_is_odd() {
    let target = "[[targets]]\nname = \"b\"\nresidency = \"eu-west\"\n\
                  credential = { env = \"ANTHROPIC_API_KEY\" }\n";
    assert_eq!(
        warnings(&format!(
            "residency = [\"eu-west\", \"eu-wets\", \"us\"]\n{target}"
        )),
        "gateway.toml:10: warning: no target has the residency `eu-wets`; \
         did you mean `eu-west`?\n\
         gateway.toml:10: warning: no target has the residency `us`; \
         without one that a target has, calls are refused"
    );
}

#[test]
fn a_name_goes_before_a_pattern_and_a_long_pattern_before_a_short_one() {
    let more = "[failover.fallbacks]\n\"*-opus-5-5\" = [\"claude-haiku-5-5\"]\n\
                \"claude-opus-5-5\" = [\"claude-haiku-5-5\"]\n\
                \"claude-opus-*\" = [\"claude-sonnet-5-5\"]\n";
    let fallbacks = config(&format!("{SMALL}{more}")).failover.fallbacks;
    let asked: Vec<_> = listed(&fallbacks).iter().map(|(asked, _)| *asked).collect();
    assert_eq!(asked, ["claude-opus-5-5", "claude-opus-*", "*-opus-5-5"]);
    let fallbacks = config(FULL).failover.fallbacks;
    let (asked, models) = listed(&fallbacks)[0];
    assert_eq!(asked, "claude-opus-5-5");
    assert_eq!(models, ["claude-sonnet-5-5", "claude-haiku-5-5"]);
}

#[test]
fn chains_that_never_end_are_refused() {
    assert_eq!(
        failover("fallbacks = { claude-opus-5-5 = [\"claude-opus-5-5\"] }"),
        "gateway.toml:11: error: model \"claude-opus-5-5\" would stand in for itself; \
         leave it out of one of the lists"
    );
    let more = "[failover.fallbacks]\nclaude-opus-5-5 = [\"claude-sonnet-5-5\"]\n\
                claude-sonnet-5-5 = [\"claude-opus-5-5\"]\n";
    let printed = only_problem(more);
    assert!(printed.contains("would stand in for itself"), "{printed}");
}

#[test]
fn lists_that_say_nothing_or_twice_are_refused() {
    assert_eq!(
        failover("fallbacks = { claude-opus-5-5 = [] }"),
        "gateway.toml:11: error: no model stands in for `claude-opus-5-5`; \
         remove it, or name models"
    );
    assert_eq!(
        failover("fallbacks = { claude-opus-5-5 = [\"claude-haiku-5-5\", \"claude-haiku-5-5\"] }"),
        "gateway.toml:11: error: `claude-haiku-5-5` stands in for `claude-opus-5-5` twice; \
         leave one out"
    );
}

#[test]
fn models_that_nobody_knows_are_named_with_the_nearest() {
    assert_eq!(
        failover("fallbacks = { claude-opus-5-5 = [\"claude-sonet-5-5\"] }"),
        "gateway.toml:11: error: unknown model `claude-sonet-5-5` in \
         `failover.fallbacks.claude-opus-5-5`; did you mean `claude-sonnet-5-5`?"
    );
    let asked = failover("fallbacks = { claude-opsu-5-5 = [\"claude-haiku-5-5\"] }");
    assert!(asked.contains("did you mean `claude-opus-5-5`?"), "{asked}");
    let asked = failover("fallbacks = { \"gpt-*\" = [\"claude-haiku-5-5\"] }");
    assert!(asked.contains("unknown model `gpt-*`"), "{asked}");
    assert_eq!(
        target("models = { claude-opsu-5-5 = \"mine\" }"),
        "gateway.toml:13: error: unknown model `claude-opsu-5-5` in \
         `targets.models.claude-opsu-5-5`; did you mean `claude-opus-5-5`?"
    );
}

#[test]
fn a_price_or_a_tenant_makes_a_model_known() {
    let own = "[failover]\nfallbacks = { claude-opus-5-5 = [\"mine\"] }\n\
               [prices.mine]\ninput = 1\noutput = 2\n";
    let fallbacks = config(&format!("{SMALL}{own}")).failover.fallbacks;
    assert_eq!(fallbacks[0].models, ["mine"]);
    let renamed = "models = [\"theirs\"]\n[[targets]]\nname = \"b\"\nmodels = { theirs = \"x\" }\n\
                   credential = { env = \"ANTHROPIC_API_KEY\" }\n";
    let targets = config(&format!("{SMALL}{renamed}")).targets;
    assert_eq!(targets[1].models["theirs"], "x");
}

#[test]
fn a_tenant_that_cannot_be_read_makes_no_second_problem() {
    let (before, _) = SMALL.split_once("[[tenants]]").unwrap();
    let text = format!(
        "{before}[[tenants]]\nid = \"a b\"\nplan = \"standard\"\nmodels = [\"theirs\"]\n\
         [[targets]]\nname = \"b\"\ncredential = {{ env = \"ANTHROPIC_API_KEY\" }}\n\
         models = {{ theirs = \"x\" }}\n"
    );
    let printed = printed(&text);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(printed.contains("is no id"), "{printed}");
}

#[test]
fn capabilities_are_words_of_a_list() {
    assert_eq!(
        target("without = [\"web_serch\"]"),
        "gateway.toml:13: error: unknown value `web_serch` of `targets.without`; \
         did you mean \"web_search\"?"
    );
    assert_eq!(
        target("with = [\"files\"]\nwithout = [\"files\"]"),
        "gateway.toml:14: error: `files` is in `with` too; leave it out of one of them"
    );
    assert_eq!(
        target("context_window = 0"),
        "gateway.toml:13: error: `targets.context_window` is zero; write 1 or more"
    );
    let more = target("betas = [\"a,b\"]");
    assert!(more.contains("is more than one name"), "{more}");
}

#[test]
fn numbers_out_of_their_bounds_are_refused() {
    for (line, what) in [
        (
            "wait = { calls = 0 }",
            "is zero; write 1 or more, or `wait = \"never\"`",
        ),
        (
            "wait = { longest = \"0s\" }",
            "`failover.wait.longest` is zero",
        ),
        ("wait = { stai = \"1s\" }", "did you mean `stay`?"),
        ("wait = false", "`failover.wait` must be a string"),
        (
            "hedge = { percentile = 101 }",
            "is no percentage; write 1 to 100",
        ),
        ("hedge = { budget_percent = 0 }", "is no percentage"),
        ("hedge = \"always\"", "write \"never\""),
    ] {
        let printed = failover(line);
        assert!(printed.contains(what), "{line}: {printed}");
    }
    for urgency in ["8", "-1", "9999999999"] {
        let printed = only_problem(&format!("[plans.other]\nurgency = {urgency}\n"));
        let what = "`plans.urgency` is out of range; write 0, the most urgent, to 7";
        assert!(printed.contains(what), "{printed}");
    }
}
