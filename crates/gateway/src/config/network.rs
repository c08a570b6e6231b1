//! Addresses to listen on and URLs to call.

use std::net::SocketAddr;

use http::Uri;

use super::reader::Value;
use super::text::quoted;

/// Reads an address and a port.
pub(super) fn address(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.string()?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let message = format!("`{}` {} is not an address", value.name(), quoted(text));
            value.error(
                message,
                "write an IP address and a port, such as \"127.0.0.1:8080\"",
            )
        }
    }
}

/// Reads an http or https URL that paths can be appended to; never shows it, it may hold a password.
pub(super) fn base_url(value: &Value<'_>) -> Option<Uri> {
    let text = value.string()?;
    let problem = match text.parse::<Uri>() {
        Err(_) => "is not a URL",
        Ok(url) => match (url.scheme_str(), url.authority()) {
            (Some("http" | "https"), Some(authority)) => {
                if authority.as_str().contains('@') {
                    "holds a user name or password"
                } else if text.contains(['?', '#']) {
                    "holds a query or a fragment"
                } else if authority.host().is_empty() {
                    "names no host"
                } else if authority.as_str() != authority.host() && authority.port().is_none() {
                    "has an impossible port"
                } else {
                    return Some(url);
                }
            }
            _ => "is not an http or https URL",
        },
    };
    let suggestion = "write it such as \"https://api.anthropic.com\"";
    value.error(format!("`{}` {problem}", value.name()), suggestion)
}

/// Reads the beginning of a path.
pub(super) fn path_prefix(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    if text.starts_with('/') && text.bytes().all(plain) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` {} is not a path", value.name(), quoted(text));
    value.error(message, "write it such as \"/v1/skills\"")
}
