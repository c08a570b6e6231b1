//! The headers in which callers say who they are: read once, then gone.

use http::header::{AUTHORIZATION, COOKIE, FORWARDED, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use subtle::ConstantTimeEq;

use crate::{AuthFailure, Credential};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_KEY: HeaderName = HeaderName::from_static("api-key");
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const X_TENANT: HeaderName = HeaderName::from_static("x-tenant");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Takes the one credential out of the headers.
pub(crate) fn take_credential(headers: &mut HeaderMap) -> Result<Credential, AuthFailure> {
    let key = take_single(headers, X_API_KEY)?.map(Credential::whole);
    let token = take_single(headers, AUTHORIZATION)?.map(Credential::bearer);
    let credential = match (key, token) {
        (None, None | Some(Ok(None))) => return Err(AuthFailure::Missing),
        (None, Some(Err(failure))) => return Err(failure),
        (Some(key), None | Some(Ok(None))) => key,
        (None, Some(Ok(Some(token)))) => token,
        // Some helpers put the same key into both.
        (Some(key), Some(Ok(Some(token)))) if key == token => key,
        (Some(_), Some(_)) => return Err(AuthFailure::Conflicting),
    };
    credential.checked()
}

/// Removes every header by which a caller could pass for somebody inside.
///
/// NOTE: the table in the documentation of `TenantAuthLayer` is this one.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let mut found = headers.keys().filter_map(stripped).fuse();
    let Some(first) = found.next() else { return };
    // A few names are the rule and cost no allocation; many are an attack and must not cost
    // a walk over all headers each.
    let few: [Option<HeaderName>; 7] = std::array::from_fn(|_| found.next());
    let many: Vec<HeaderName> = found.collect();
    for name in std::iter::once(first)
        .chain(few.into_iter().flatten())
        .chain(many)
    {
        headers.remove(name);
    }
}

/// The value of a header, `None` if it is absent or empty.
fn take_single(
    headers: &mut HeaderMap,
    name: HeaderName,
) -> Result<Option<HeaderValue>, AuthFailure> {
    let mut values = headers.get_all(&name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|value| !bool::from(value.as_bytes().ct_eq(first.as_bytes()))) {
        return Err(AuthFailure::Conflicting);
    }
    // Taken, not cloned: the first clone of a header value may allocate.
    Ok(headers.remove(name).filter(|value| !value.is_empty()))
}

/// The name by which a header is to be removed, if it is.
fn stripped(name: &HeaderName) -> Option<HeaderName> {
    // A constant instead of a clone wherever there is one: the first clone of a name that is
    // not registered may allocate.
    match name.as_str() {
        "authorization" => Some(AUTHORIZATION),
        "proxy-authorization" => Some(PROXY_AUTHORIZATION),
        "cookie" => Some(COOKIE),
        "forwarded" => Some(FORWARDED),
        "x-api-key" => Some(X_API_KEY),
        "api-key" => Some(API_KEY),
        "x-goog-api-key" => Some(X_GOOG_API_KEY),
        "x-tenant" => Some(X_TENANT),
        "x-real-ip" => Some(X_REAL_IP),
        "x-forwarded-for" => Some(X_FORWARDED_FOR),
        "x-forwarded-host" => Some(X_FORWARDED_HOST),
        "x-forwarded-port" => Some(X_FORWARDED_PORT),
        "x-forwarded-proto" => Some(X_FORWARDED_PROTO),
        text if text.starts_with("x-tenant-") || text.starts_with("x-forwarded-") => {
            Some(name.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn take(pairs: &[(&'static str, &'static str)]) -> Result<Vec<u8>, AuthFailure> {
        take_credential(&mut headers(pairs)).map(|credential| credential.expose().to_vec())
    }

    #[test]
    fn finds_the_credential_in_either_header_or_in_both() {
        let key = || Ok(b"abc".to_vec());
        assert_eq!(take(&[("x-api-key", "abc")]), key());
        assert_eq!(take(&[("authorization", "Bearer abc")]), key());
        assert_eq!(
            take(&[("x-api-key", "abc"), ("authorization", "bearer abc")]),
            key()
        );
        assert_eq!(take(&[("x-api-key", "abc"), ("x-api-key", "abc")]), key());
    }

    #[test]
    fn an_empty_header_is_no_credential() {
        assert_eq!(take(&[]), Err(AuthFailure::Missing));
        assert_eq!(take(&[("x-api-key", "")]), Err(AuthFailure::Missing));
        assert_eq!(
            take(&[("authorization", "Bearer")]),
            Err(AuthFailure::Missing)
        );
        assert_eq!(
            take(&[("x-api-key", ""), ("authorization", "Bearer abc")]),
            Ok(b"abc".to_vec())
        );
    }

    #[test]
    fn what_differs_conflicts() {
        for pairs in [
            [("x-api-key", "abc"), ("authorization", "Bearer abd")],
            [("x-api-key", "abc"), ("authorization", "Basic abc")],
            [("x-api-key", "abc"), ("authorization", "abc")],
            [("x-api-key", "abc"), ("x-api-key", "abd")],
            [("x-api-key", "abc"), ("x-api-key", "")],
            [
                ("authorization", "Bearer abc"),
                ("authorization", "Basic abc"),
            ],
        ] {
            assert_eq!(take(&pairs), Err(AuthFailure::Conflicting), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_no_credential_is_malformed() {
        for pair in [
            ("authorization", "Basic abc"),
            ("authorization", "abc"),
            ("authorization", "Bearer a b"),
            ("x-api-key", "Bearer abc"),
        ] {
            assert_eq!(take(&[pair]), Err(AuthFailure::Malformed), "{pair:?}");
        }
    }

    #[test]
    fn strips_many_headers_as_well_as_few() {
        let mut headers = headers(&[("accept", "*/*"), ("x-tenants", "a"), ("x-feature", "f")]);
        for number in 0..100 {
            let name = HeaderName::try_from(format!("x-tenant-{number}")).unwrap();
            headers.append(name.clone(), HeaderValue::from_static("a"));
            headers.append(name, HeaderValue::from_static("b"));
        }
        strip(&mut headers);
        assert_eq!(headers.len(), 3);
    }
}
