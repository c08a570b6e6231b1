use http::Method;

/// The part of the Claude API that a call is for, told by method and path alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `POST /v1/messages`: costs tokens.
    Messages,
    /// `POST /v1/messages/count_tokens`: free, counts as a request.
    CountTokens,
    /// `GET /v1/models` and `/v1/models/{id}`: free.
    Models,
    /// `/v1/messages/batches` and below.
    Batches,
    /// `/v1/files` and below; bodies are streamed, never buffered.
    Files,
    /// `HEAD /api/hello`, with which clients look whether anybody is there.
    Hello,
    /// A path that the configuration lets through unread and unmetered.
    Passthrough,
    /// None of the above; always refused.
    Unknown,
}

/// Why a request is for no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEndpoint {
    UnknownPath,
    WrongMethod,
}

// === impl Endpoint ===

impl Endpoint {
    /// The word for it in configuration and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Models => "models",
            Self::Batches => "batches",
            Self::Files => "files",
            Self::Hello => "hello",
            Self::Passthrough => "passthrough",
            Self::Unknown => "unknown",
        }
    }

    /// The endpoint of a word, as [`Endpoint::as_str`] writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Messages,
            Self::CountTokens,
            Self::Models,
            Self::Batches,
            Self::Files,
            Self::Hello,
            Self::Passthrough,
        ]
        .into_iter()
        .find(|endpoint| endpoint.as_str() == word)
    }

    /// Whether a call counts against limits of requests, as a model is asked.
    #[must_use]
    pub const fn counts_as_request(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }

    /// Whether the body of a request is JSON that names a model.
    pub(crate) const fn has_facts(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }

    /// Whether the body is to be buffered at all.
    pub(crate) const fn is_buffered(self) -> bool {
        !matches!(self, Self::Files | Self::Passthrough)
    }

    /// Finds the endpoint of a path as it stands: `http` does not normalise paths, and
    /// neither does this, so `/v1/../x` and `/v1/messages/` are unknown.
    pub(crate) fn find(method: &Method, path: &str) -> Result<Self, NoEndpoint> {
        let (endpoint, methods): (Self, &[Method]) = match path {
            "/v1/messages" => (Self::Messages, &[Method::POST]),
            "/v1/messages/count_tokens" => (Self::CountTokens, &[Method::POST]),
            "/v1/models" => (Self::Models, &[Method::GET]),
            "/v1/messages/batches" => (Self::Batches, &[Method::GET, Method::POST]),
            "/v1/files" => (Self::Files, &[Method::GET, Method::POST]),
            "/api/hello" => (Self::Hello, &[Method::HEAD]),
            _ => {
                let rest = |prefix| path.strip_prefix(prefix).filter(|rest| is_plain(rest));
                if rest("/v1/models/").is_some() {
                    (Self::Models, &[Method::GET])
                } else if rest("/v1/messages/batches/").is_some() {
                    (Self::Batches, &[Method::GET, Method::POST, Method::DELETE])
                } else if rest("/v1/files/").is_some() {
                    (Self::Files, &[Method::GET, Method::DELETE])
                } else {
                    return Err(NoEndpoint::UnknownPath);
                }
            }
        };
        if methods.contains(method) {
            Ok(endpoint)
        } else {
            Err(NoEndpoint::WrongMethod)
        }
    }
}

/// Whether the rest of a path is one to two segments of plain characters.
fn is_plain(rest: &str) -> bool {
    rest.len() <= 256
        && rest.split('/').count() <= 2
        && rest.split('/').all(|segment| {
            !segment.is_empty()
                && segment.bytes().any(|byte| byte != b'.')
                && segment
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_api_serves() {
        let find = |method: Method, path| Endpoint::find(&method, path);
        assert_eq!(find(Method::POST, "/v1/messages"), Ok(Endpoint::Messages));
        assert_eq!(
            find(Method::POST, "/v1/messages/count_tokens"),
            Ok(Endpoint::CountTokens)
        );
        assert_eq!(find(Method::GET, "/v1/models"), Ok(Endpoint::Models));
        assert_eq!(
            find(Method::GET, "/v1/models/claude-opus-5-5"),
            Ok(Endpoint::Models)
        );
        assert_eq!(
            find(Method::GET, "/v1/messages/batches/msgbatch_1/results"),
            Ok(Endpoint::Batches)
        );
        assert_eq!(find(Method::HEAD, "/api/hello"), Ok(Endpoint::Hello));
    }

    #[test]
    fn paths_that_only_look_alike_are_unknown() {
        for path in [
            "/v1/messages/",
            "/v1//messages",
            "/v1/messages/../admin",
            "/v1/models/..",
            "/v1/models/%2e%2e",
            "/v1/models/a/b/c",
            "/v1/models/a;b",
            "/V1/messages",
            "//v1/messages",
            "",
            "*",
        ] {
            assert_eq!(
                Endpoint::find(&Method::POST, path),
                Err(NoEndpoint::UnknownPath),
                "{path}"
            );
        }
        assert_eq!(
            Endpoint::find(&Method::GET, "/v1/messages"),
            Err(NoEndpoint::WrongMethod)
        );
    }

    #[test]
    fn words_read_back() {
        for word in ["messages", "count_tokens", "models", "batches", "files"] {
            assert_eq!(Endpoint::from_word(word).unwrap().as_str(), word);
        }
    }
}
