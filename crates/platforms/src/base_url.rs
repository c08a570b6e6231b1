use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::ConfigError;

/// Where the paths of an API begin: scheme, host, port, and a path before all others.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at its end; empty for most.
    prefix: Box<str>,
}

// === impl BaseUrl ===

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        const NOT_ONE: ConfigError = ConfigError::new("the base url is not a url");
        // `Uri` drops a fragment without a word.
        if text.contains('#') {
            return Err(ConfigError::new("the base url has a fragment"));
        }
        let url = text.parse::<Uri>().map_err(|_| NOT_ONE)?.into_parts();
        let (Some(scheme), Some(authority)) = (url.scheme, url.authority) else {
            return Err(ConfigError::new("the base url has no scheme or no host"));
        };
        if authority.as_str().contains('@') {
            return Err(ConfigError::new("the base url holds credentials"));
        }
        if authority.host().is_empty() {
            return Err(NOT_ONE);
        }
        if scheme == Scheme::HTTPS {
            if cfg!(not(feature = "tls")) {
                return Err(ConfigError::new("https needs the feature `tls`"));
            }
        } else if scheme != Scheme::HTTP {
            return Err(ConfigError::new("the base url is neither http nor https"));
        }
        let path = url.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(ConfigError::new("the base url has a query"));
        }
        Ok(Self {
            scheme,
            authority,
            prefix: path.path().trim_end_matches('/').into(),
        })
    }

    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The path and query of a request, here; nothing else of its URI counts.
    pub(crate) fn join(&self, asked: &mut Uri) -> Option<Uri> {
        let mut asked = std::mem::take(asked).into_parts();
        let path = asked.path_and_query.take()?;
        if !path.as_str().starts_with('/') {
            return None;
        }
        let path = if self.prefix.is_empty() {
            path
        } else {
            let joined = [&*self.prefix, path.as_str()].concat();
            PathAndQuery::from_maybe_shared(Bytes::from(joined)).ok()?
        };
        asked.scheme = Some(self.scheme.clone());
        asked.authority = Some(self.authority.clone());
        asked.path_and_query = Some(path);
        Uri::from_parts(asked).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, path: &'static str) -> String {
        let base = BaseUrl::parse(base).unwrap();
        let joined = base.join(&mut Uri::from_static(path));
        joined.unwrap().to_string()
    }

    #[test]
    fn path_and_query_follow_the_prefix() {
        for base in ["http://host:1", "http://host:1/"] {
            let joined = joined(base, "/v1/messages?beta=true");
            assert_eq!(joined, "http://host:1/v1/messages?beta=true");
        }
        for base in ["http://host/a/b", "http://host/a/b/"] {
            let joined = joined(base, "/v1/messages?beta=true&x=%20");
            assert_eq!(joined, "http://host/a/b/v1/messages?beta=true&x=%20");
        }
    }

    #[test]
    fn the_host_a_caller_names_does_not_count() {
        let joined = joined("http://host/a", "https://user@evil:9/v1/models?q");
        assert_eq!(joined, "http://host/a/v1/models?q");
    }

    #[test]
    fn what_is_no_path_is_not_joined() {
        for base in ["http://host", "http://host/a"] {
            let base = BaseUrl::parse(base).unwrap();
            for odd in ["*", "host:443"] {
                assert_eq!(base.join(&mut Uri::from_static(odd)), None);
            }
        }
    }

    #[test]
    fn a_base_that_says_more_or_less_is_refused() {
        for base in [
            "",
            "/v1",
            "host",
            "host:443",
            "ftp://host",
            "http://",
            "http:///path",
            "http://user:secret@host",
            "http://host/?secret=1",
            "http://host/#secret",
            "http://ho st/",
        ] {
            let error = BaseUrl::parse(base).expect_err(base);
            assert!(
                !format!("{error} {error:?}").contains("secret"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn https_takes_the_feature() {
        let base = BaseUrl::parse("https://host");
        assert_eq!(base.is_ok(), cfg!(feature = "tls"));
    }
}
