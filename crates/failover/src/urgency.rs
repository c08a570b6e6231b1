//! How urgent a call is, among those that wait.

use http::{HeaderMap, HeaderName};
use tower_claude_core::Tenant;

/// The urgency of a call: 0 first, 7 last.
///
/// That of its tenant, unless the caller says that it is less urgent, with HTTP's `priority`
/// header (RFC 9218): `u=5`, say. Calls of nobody are as urgent as they say.
pub(crate) fn urgency(headers: &HeaderMap, tenant: Option<&Tenant>) -> u8 {
    const DEFAULT: u8 = 3;
    let said = said(headers);
    match tenant.map(Tenant::most_urgent) {
        Some(most) => said.map_or(most, |said| said.max(most)),
        None => said.unwrap_or(DEFAULT),
    }
}

/// The `u` of the header, if it has one that makes sense.
fn said(headers: &HeaderMap) -> Option<u8> {
    const PRIORITY: HeaderName = HeaderName::from_static("priority");
    let members = headers.get_all(PRIORITY).into_iter();
    let members = members.filter_map(|value| value.to_str().ok());
    let members = members.flat_map(|value| value.split(','));
    // Of several, the last one counts, as in any dictionary of the kind.
    let mut said = members.filter_map(|member| member.trim().strip_prefix("u="));
    let said = said.next_back()?.split(';').next()?.trim_end();
    said.parse().ok().filter(|urgency| *urgency <= 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use tower_claude_core::TenantId;

    fn of(value: &str, tenant: Option<&Tenant>) -> u8 {
        let mut headers = HeaderMap::new();
        headers.insert("priority", HeaderValue::from_str(value).unwrap());
        urgency(&headers, tenant)
    }

    #[test]
    fn the_header_is_read_as_the_standard_says() {
        for (value, urgency) in [
            ("u=5", 5),
            ("u=0, i", 0),
            ("i, u=7", 7),
            ("u=1, u=6", 6),
            ("u=2;x=1", 2),
            ("u=8", 3),
            ("u=-1", 3),
            ("u=high", 3),
            ("i", 3),
            ("", 3),
        ] {
            assert_eq!(of(value, None), urgency, "{value}");
        }
        assert_eq!(urgency(&HeaderMap::new(), None), 3);
    }

    #[test]
    fn a_caller_is_never_more_urgent_than_its_tenant() {
        let tenant = Tenant::new(TenantId::new("web").unwrap());
        assert_eq!(of("u=0", Some(&tenant)), 3);
        assert_eq!(of("u=6", Some(&tenant)), 6);
        let urgent = tenant.clone().urgency(1);
        assert_eq!(of("u=0", Some(&urgent)), 1);
        assert_eq!(urgency(&HeaderMap::new(), Some(&urgent)), 1);
        let background = tenant.urgency(6);
        assert_eq!(urgency(&HeaderMap::new(), Some(&background)), 6);
    }
}
