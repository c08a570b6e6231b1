use std::sync::Arc;

use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderMap, Uri};

use crate::ConfigError;
use crate::route::Route;

/// Where callers find us: what the urls that we hand out begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublicBase {
    /// What is configured, without a slash at its end.
    url: Option<Arc<str>>,
    believes_forwarded_proto: bool,
}

// === impl PublicBase ===

impl PublicBase {
    pub(crate) fn url(&mut self, url: &str) -> Result<(), ConfigError> {
        let refused = || ConfigError::public_url(url);
        let parsed: Uri = url.parse().map_err(|_| refused())?;
        let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&parsed.scheme());
        let has_user = parsed
            .authority()
            .is_none_or(|host| host.as_str().contains('@'));
        if !is_http || has_user || parsed.query().is_some() || url.contains('#') {
            return Err(refused());
        }
        self.url = Some(url.trim_end_matches('/').into());
        Ok(())
    }

    pub(crate) const fn forwarded_proto(&mut self) {
        self.believes_forwarded_proto = true;
    }

    /// The base for the caller of this request; a mere path if the caller did not say by which
    /// name it has found us.
    pub(crate) fn of(&self, uri: &Uri, headers: &HeaderMap) -> String {
        if let Some(url) = &self.url {
            return (**url).to_owned();
        }
        let prefix = Route::prefix(uri.path());
        // Over HTTP/2, and where a proxy is asked, the request line has it.
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()),
        };
        match host.filter(|host| is_host(host)) {
            Some(host) => format!("{}://{host}{prefix}", self.scheme(uri, headers)),
            None => prefix.to_owned(),
        }
    }

    fn scheme(&self, uri: &Uri, headers: &HeaderMap) -> &'static str {
        let forwarded = forwarded_proto(headers).filter(|_| self.believes_forwarded_proto);
        let scheme = forwarded.or_else(|| uri.scheme_str());
        match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            _ => "http",
        }
    }
}

/// What the proxy that is farthest out says, where several do.
fn forwarded_proto(headers: &HeaderMap) -> Option<&str> {
    let words = headers.get("x-forwarded-proto")?.to_str().ok()?;
    words.split(',').next().map(str::trim)
}

/// Whether it is nothing but a host and perhaps a port.
fn is_host(text: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn base(base: &PublicBase, uri: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        base.of(request.uri(), request.headers())
    }

    #[test]
    fn the_caller_s_name_for_us_is_used_unless_one_is_configured() {
        let mut own = PublicBase::default();
        let path = "/v1/messages/batches/b";
        assert_eq!(
            base(&own, path, &[("host", "gate:8080")]),
            "http://gate:8080"
        );
        let nested = "/claude/v1/messages/batches/b";
        assert_eq!(
            base(&own, nested, &[("host", "[::1]:1")]),
            "http://[::1]:1/claude"
        );
        let full = "https://other/v1/messages/batches";
        assert_eq!(base(&own, full, &[("host", "gate")]), "https://other");
        own.url("https://claude.example.org/api/").unwrap();
        let public = "https://claude.example.org/api";
        assert_eq!(base(&own, nested, &[("host", "gate")]), public);
    }

    #[test]
    fn what_is_no_host_is_not_given_back() {
        let own = PublicBase::default();
        let path = "/claude/v1/messages/batches";
        for host in ["", "a b", "u@h", "h/x", "h\"", &"h".repeat(256)] {
            assert_eq!(base(&own, path, &[("host", host)]), "/claude", "{host}");
        }
        assert_eq!(base(&own, path, &[]), "/claude");
        let user = "http://u:p@h/v1/messages/batches";
        assert_eq!(base(&own, user, &[]), "");
    }

    #[test]
    fn a_forwarded_protocol_is_believed_only_if_that_is_asked_for() {
        let mut own = PublicBase::default();
        let path = "/v1/messages/batches";
        let proxied = [("host", "gate"), ("x-forwarded-proto", "HTTPS, http")];
        assert_eq!(base(&own, path, &proxied), "http://gate");
        own.forwarded_proto();
        assert_eq!(base(&own, path, &proxied), "https://gate");
        let odd = [("host", "gate"), ("x-forwarded-proto", "javascript")];
        assert_eq!(base(&own, path, &odd), "http://gate");
    }

    #[test]
    fn a_public_url_is_a_place_and_nothing_more() {
        for url in [
            "",
            "/v1",
            "gate",
            "gate:80",
            "ftp://gate",
            "http://",
            "http://u:p@gate",
            "http://gate/?a=b",
            "http://gate/#a",
        ] {
            assert!(PublicBase::default().url(url).is_err(), "{url}");
        }
    }
}
