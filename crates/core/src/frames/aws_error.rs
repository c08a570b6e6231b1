/// Anthropic's `error.type` for an error that AWS names.
///
/// The name is as an exception frame, an `:error-code` or an `x-amzn-errortype` header gives
/// it: upper or lower case, with or without `Exception` behind it, a namespace before a `#` or
/// an address behind a `:`. A name nobody knows is an `api_error`.
#[must_use]
pub fn error_type_of_aws(name: &str) -> &'static str {
    known_error_type_of_aws(name).unwrap_or("api_error")
}

/// The same, or `None` for a name nobody knows.
pub(crate) fn known_error_type_of_aws(name: &str) -> Option<&'static str> {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name).trim();
    let base = without_suffix(name, "Exception");
    let is_it = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(base);
    TABLE.iter().find(is_it).map(|(_, error_type)| *error_type)
}

/// By the meaning the service's reference gives to each of its errors.
const TABLE: [(&str, &str); 27] = [
    ("Validation", "invalid_request_error"),
    ("Serialization", "invalid_request_error"),
    ("ServiceQuotaExceeded", "rate_limit_error"),
    ("LimitExceeded", "rate_limit_error"),
    ("Throttling", "rate_limit_error"),
    ("TooManyRequests", "rate_limit_error"),
    ("ModelNotReady", "overloaded_error"),
    ("ServiceUnavailable", "overloaded_error"),
    ("ModelTimeout", "timeout_error"),
    ("Conflict", "conflict_error"),
    ("RequestEntityTooLarge", "request_too_large"),
    ("ModelError", "api_error"),
    ("ModelStreamError", "api_error"),
    ("InternalServer", "api_error"),
    ("InternalFailure", "api_error"),
    ("ResourceNotFound", "not_found_error"),
    ("AccessDenied", "permission_error"),
    ("NotAuthorized", "permission_error"),
    ("OptInRequired", "permission_error"),
    ("UnrecognizedClient", "authentication_error"),
    ("ExpiredToken", "authentication_error"),
    ("RequestExpired", "authentication_error"),
    ("InvalidClientTokenId", "authentication_error"),
    ("InvalidSignature", "authentication_error"),
    ("IncompleteSignature", "authentication_error"),
    ("MissingAuthenticationToken", "authentication_error"),
    ("SignatureDoesNotMatch", "authentication_error"),
];

fn without_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    match name.len().checked_sub(suffix.len()) {
        Some(at) if name.as_bytes()[at..].eq_ignore_ascii_case(suffix.as_bytes()) => &name[..at],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_of_a_stream_have_their_types() {
        for (name, expected) in [
            ("throttlingException", "rate_limit_error"),
            ("serviceUnavailableException", "overloaded_error"),
            ("modelStreamErrorException", "api_error"),
            ("internalServerException", "api_error"),
            ("modelTimeoutException", "timeout_error"),
            ("validationException", "invalid_request_error"),
        ] {
            assert_eq!(error_type_of_aws(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_is_known_in_every_form_in_which_it_is_sent() {
        for name in [
            "ThrottlingException",
            "Throttling",
            "ThrottlingException:http://internal.example/coral/",
            "com.amazon.coral.service#ThrottlingException",
            "THROTTLINGEXCEPTION ",
        ] {
            assert_eq!(error_type_of_aws(name), "rate_limit_error", "{name}");
        }
    }

    #[test]
    fn a_name_nobody_knows_is_an_api_error() {
        for name in [
            "",
            "Exception",
            "é",
            "čExceptioň",
            "#",
            ":",
            "NonesuchException",
        ] {
            assert_eq!(error_type_of_aws(name), "api_error", "{name}");
            assert_eq!(known_error_type_of_aws(name), None, "{name}");
        }
    }
}
