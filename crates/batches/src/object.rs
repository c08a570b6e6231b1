use std::borrow::Cow;
use std::ops::Range;

use tower_claude_core::JsonWalk;

use crate::route::BATCHES;

/// A batch as upstream shows it, as far as it is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object<'a> {
    pub(crate) id: Cow<'a, str>,
    /// Where the url of its results stands, and what it is; `None` if it has none yet.
    pub(crate) results_url: Option<(Range<usize>, Cow<'a, str>)>,
}

// === impl Object ===

impl<'a> Object<'a> {
    /// Reads one; `None` if it is no object, or none whose id and url are certain.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        let mut walk = JsonWalk::new(json);
        let (mut id, mut results_url) = (None, None);
        if !walk.enter_object() {
            return None;
        }
        while let Some(key) = walk.next_key() {
            let value = walk.skip();
            let slot = match &*key {
                "id" => &mut id,
                "results_url" => &mut results_url,
                _ => continue,
            };
            // Of two, callers may read another one than we do.
            if slot.replace(value).is_some() {
                return None;
            }
        }
        if !walk.is_at_end() {
            return None;
        }
        let results_url = match results_url {
            None | Some(b"null") => None,
            Some(value) => Some((walk.place(value), JsonWalk::text_of(value)?)),
        };
        let id = JsonWalk::text_of(id?).filter(|id| is_id(id))?;
        Some(Self { id, results_url })
    }

    /// The url of its results as it leads through us, as a JSON string, and what it is to
    /// replace.
    pub(crate) fn url_through(&self, base: &str) -> Option<(Range<usize>, String)> {
        let (place, url) = self.results_url.as_ref()?;
        let through = match url.find(BATCHES) {
            Some(at) => format!("{base}{}", &url[at..]),
            // Wherever that would lead, these are served here.
            None => format!("{base}{BATCHES}/{}/results", self.id),
        };
        Some((place.clone(), serde_json::Value::from(through).to_string()))
    }
}

/// Whether it may be the id of a batch: what a path and a key of a book can hold.
fn is_id(id: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:@-".contains(&byte);
    (1..=200).contains(&id.len()) && id.bytes().all(is_of) && id.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(json: &str) -> Option<String> {
        let object = Object::read(json.as_bytes())?;
        let Some((place, by)) = object.url_through("http://gate") else {
            return Some(json.to_owned());
        };
        Some(format!(
            "{}{by}{}",
            &json[..place.start],
            &json[place.end..]
        ))
    }

    #[test]
    fn only_the_url_changes_wherever_it_stands() {
        const URL: &str = r#""https://api.example.com/x/v1/messages/batches/b_1/results?a=1""#;
        const OWN: &str = r#""http://gate/v1/messages/batches/b_1/results?a=1""#;
        for shape in [
            r#"{"results_url":URL,"id":"b_1"}"#,
            r#" { "id" : "b_1" , "x":{"results_url":"https://api"} , "results_url" : URL } "#,
            r#"{"a":[{"id":1}],"results\u005furl":URL,"i\u0064":"b\u005f1","z":"results_url"}"#,
        ] {
            let json = shape.replace("URL", URL);
            assert_eq!(rewritten(&json), Some(shape.replace("URL", OWN)), "{json}");
        }
    }

    #[test]
    fn a_url_that_is_escaped_or_of_elsewhere_leads_through_us_too() {
        for (url, expected) in [
            (
                r#"https:\/\/api\/v1\/messages\/batches\/b_1\/results"#,
                "http://gate/v1/messages/batches/b_1/results",
            ),
            (
                "https://store/signed?b_1",
                "http://gate/v1/messages/batches/b_1/results",
            ),
            ("", "http://gate/v1/messages/batches/b_1/results"),
            (
                r#"https://api/v1/messages/batches/b_1/results?\"\n"#,
                r#"http://gate/v1/messages/batches/b_1/results?\"\n"#,
            ),
        ] {
            let json = format!(r#"{{"id":"b_1","results_url":"{url}"}}"#);
            let expected = format!(r#"{{"id":"b_1","results_url":"{expected}"}}"#);
            assert_eq!(rewritten(&json), Some(expected));
        }
    }

    #[test]
    fn without_results_nothing_changes() {
        for json in [r#"{"id":"b_1"}"#, r#"{"id":"b_1","results_url": null }"#] {
            assert_eq!(rewritten(json).as_deref(), Some(json));
        }
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        for json in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"id":null}"#,
            r#"{"id":1}"#,
            r#"{"id":""}"#,
            r#"{"id":".."}"#,
            r#"{"id":"a/b"}"#,
            r#"{"id":"{a}"}"#,
            r#"{"id":"a","id":"b"}"#,
            r#"{"id":"a","\u0069d":"b"}"#,
            r#"{"id":"a","results_url":1}"#,
            r#"{"id":"a","results_url":"x","results_url":null}"#,
            r#"{"id":"a"} x"#,
            r#"{"id":"a""#,
        ] {
            assert_eq!(Object::read(json.as_bytes()), None, "{json}");
        }
    }
}
