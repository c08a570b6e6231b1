//! What the contract promises and this build does not implement yet: one case for each row of the table.

use super::*;

/// The only problem of a small file that goes on so is that this is not implemented.
fn assert_refused(more: &str, what: &str) {
    let printed = printed_after_small(more);
    let expected = format!("error: {what} is not implemented in this build; ");
    assert!(printed.contains(&expected), "{what}: {printed}");
    assert_eq!(printed.lines().count(), 1, "{printed}");
}

#[test]
fn keys_of_sections() {
    for (section, key, value) in [
        ("auth", "jwt", "{ issuer = \"i\", audience = \"a\" }"),
        ("auth", "trusted_peers", "[\"127.0.0.0/8\"]"),
        ("auth", "pepper", "{ env = \"UNSET\" }"),
    ] {
        let more = format!("[{section}]\n{key} = {value}\n");
        assert_refused(&more, &format!("`{section}.{key}`"));
    }
}

#[test]
fn values_of_sections() {
    for (section, key, value) in [
        ("auth", "mode", "\"jwt\""),
        ("auth", "mode", "\"trusted-header\""),
    ] {
        let more = format!("[{section}]\n{key} = {value}\n");
        assert_refused(&more, &format!("`{section}.{key} = {value}`"));
    }
}

#[test]
fn tenants_in_a_file_of_their_own() {
    let (targets, _) = SMALL.split_once("[[tenants]]").unwrap();
    let printed = printed(&format!("tenants_file = \"tenants.toml\"\n{targets}"));
    assert_eq!(
        printed,
        "gateway.toml:1: error: `tenants_file` is not implemented in this build; \
         write [[tenants]] in this file"
    );
}

#[test]
fn other_platforms_and_their_keys() {
    let target = "[[targets]]\nname = \"other\"\n";
    let credential = "credential = { env = \"ANTHROPIC_API_KEY\" }\n";
    for platform in ["bedrock", "vertex", "foundry"] {
        let more = format!("{target}{credential}platform = \"{platform}\"\n");
        assert_refused(&more, &format!("`targets.platform = \"{platform}\"`"));
    }
    for key in ["region", "project", "location"] {
        let more = format!("{target}{credential}{key} = \"x\"\n");
        assert_refused(&more, &format!("`targets.{key}`"));
    }
    for key in ["aws", "google"] {
        let more = format!("{target}credential = {{ {key} = \"default\" }}\n");
        assert_refused(&more, &format!("`targets.credential.{key}`"));
    }
}

#[test]
fn files() {
    let more = "endpoints = [\"messages\", \"files\"]\n";
    assert_refused(more, "`tenants.endpoints = \"files\"`");
}

#[test]
fn a_typing_error_of_a_refused_name_is_still_a_typing_error() {
    assert_eq!(
        printed_after_small("[auth]\nmode = \"kesy\"\npeper = 1\n"),
        "gateway.toml:11: error: unknown value `kesy` of `auth.mode`; did you mean \"keys\"?\n\
         gateway.toml:12: error: unknown key `peper` in `auth`; did you mean `pepper`?"
    );
}
