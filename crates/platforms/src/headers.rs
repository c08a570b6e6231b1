//! Which headers travel, and in which direction: all the lists are here.

use std::cell::Cell;

use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};

/// The header in which Anthropic's API takes the key of an account.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The version of the API a request is written for; upstream wants one.
pub(crate) const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// What a request without a version is taken for: what all versions have in common.
pub(crate) const OLDEST_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// No coding of answers: a compressed one could not be read along.
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Whether a header of a request travels upstream.
///
/// NOTE: `accept-encoding`, `anthropic-version` and the key are set by the adapter.
fn is_forwarded(name: &str) -> bool {
    match name {
        "accept" | "anthropic-beta" | "anthropic-version" | "content-type" | "traceparent"
        | "tracestate" | "user-agent" => true,
        _ => name.starts_with("x-stainless-"),
    }
}

/// Whether a header is about one connection, whatever is asked over it.
fn is_hop_by_hop(name: &str) -> bool {
    match name {
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" => true,
        _ => name.starts_with("proxy-"),
    }
}

/// Whether a header of an answer is about the account behind the key.
fn is_about_the_account(name: &str) -> bool {
    name.strip_prefix("anthropic-").is_some_and(|name| {
        matches!(name, "organization-id" | "workspace-id")
            || ["ratelimit-", "priority-", "fast-"]
                .iter()
                .any(|family| name.starts_with(family))
    })
}

/// Removes what an answer says of the account: limits, organization, workspace.
///
/// For the outer edge of a gateway. The adapters leave these headers in place, because a
/// layer that waits for a limit to reset has to read them.
pub fn strip_account_headers(headers: &mut HeaderMap) {
    // `x-claude-…` is ours to say.
    retain(headers, |name| {
        !is_about_the_account(name) && !name.starts_with("x-claude-")
    });
}

/// Removes the headers that are about one connection, and those that `connection` names.
///
/// The adapters have done so with the answers they return.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    // Beside chunks a length counts for nothing (RFC 9112, 6.3), and is wrong without them.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    retain(headers, |name| !is_hop_by_hop(name));
}

/// Removes what does not travel upstream; says whether a version of the API does.
pub(crate) fn keep_forwarded(headers: &mut HeaderMap) -> bool {
    remove_named_by_connection(headers);
    // Noted on the way: to look it up would cost a hash.
    let has_version = Cell::new(false);
    retain(headers, |name| {
        if name == "anthropic-version" {
            has_version.set(true);
        }
        is_forwarded(name)
    });
    has_version.get()
}

fn remove_named_by_connection(headers: &mut HeaderMap) {
    let is_usual = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
    };
    if headers.get_all(CONNECTION).iter().all(is_usual) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for name in values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
    {
        headers.remove(name);
    }
}

/// Removes in place, without a new map: most requests lose a handful of headers.
fn retain(headers: &mut HeaderMap, is_kept: impl Fn(&str) -> bool) {
    loop {
        let mut names = headers.keys().filter(|name| !is_kept(name.as_str()));
        let Some(first) = names.next().cloned() else {
            return;
        };
        let more: [Option<HeaderName>; 7] = std::array::from_fn(|_| names.next().cloned());
        let is_last_round = names.next().is_none();
        headers.remove(first);
        for name in more.iter().map_while(Option::as_ref) {
            headers.remove(name);
        }
        if is_last_round {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_what_is_listed_travels_upstream() {
        let mut headers = map(&[
            ("accept", "application/json"),
            ("anthropic-beta", "one"),
            ("anthropic-beta", "two,three"),
            ("anthropic-dangerous-direct-browser-access", "true"),
            ("anthropic-version", "2026-10-21"),
            ("authorization", "Bearer tenant"),
            ("cookie", "a=b"),
            ("content-length", "5"),
            ("content-type", "application/json"),
            ("expect", "100-continue"),
            ("forwarded", "for=1.2.3.4"),
            ("host", "gateway"),
            ("traceparent", "00-1-2-01"),
            ("tracestate", "a=b"),
            ("user-agent", "test"),
            ("x-api-key", "tenant"),
            ("x-claude-code-session-id", "s"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-stainless-lang", "python"),
            ("x-stainless-retry-count", "0"),
            ("x-tenant", "web"),
        ]);
        keep_forwarded(&mut headers);
        assert_eq!(
            names(&headers),
            [
                "accept",
                "anthropic-beta",
                "anthropic-version",
                "content-type",
                "traceparent",
                "tracestate",
                "user-agent",
                "x-stainless-lang",
                "x-stainless-retry-count",
            ]
        );
        let betas: Vec<_> = headers.get_all("anthropic-beta").iter().collect();
        assert_eq!(betas, ["one", "two,three"]);
    }

    #[test]
    fn what_connection_names_does_not_travel_even_if_listed() {
        let mut headers = map(&[
            ("accept", "*/*"),
            ("connection", "keep-alive, X-Stainless-Lang"),
            ("connection", " user-agent ,, not a name"),
            ("user-agent", "test"),
            ("x-stainless-lang", "python"),
        ]);
        keep_forwarded(&mut headers);
        assert_eq!(names(&headers), ["accept"]);
    }

    #[test]
    fn any_number_of_headers_is_filtered() {
        let mut headers = HeaderMap::new();
        for number in 0..100 {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            headers.insert(name, HeaderValue::from_static("1"));
        }
        headers.insert("accept", HeaderValue::from_static("*/*"));
        keep_forwarded(&mut headers);
        assert_eq!(names(&headers), ["accept"]);
    }

    #[test]
    fn the_account_stays_unknown_and_the_rest_stays() {
        let mut headers = map(&[
            ("anthropic-fast-output-tokens-limit", "1"),
            ("anthropic-organization-id", "org"),
            ("anthropic-priority-input-tokens-limit", "1"),
            ("anthropic-ratelimit-requests-remaining", "1"),
            ("anthropic-workspace-id", "wrkspc"),
            ("content-type", "application/json"),
            ("request-id", "req_1"),
            ("retry-after", "3"),
            ("x-should-retry", "true"),
        ]);
        strip_account_headers(&mut headers);
        assert_eq!(
            names(&headers),
            [
                "content-type",
                "request-id",
                "retry-after",
                "x-should-retry"
            ]
        );
    }

    #[test]
    fn headers_of_a_connection_end_with_it() {
        let mut headers = map(&[
            ("connection", "close, x-hop"),
            ("content-length", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-hop", "1"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }
}
