use http::{Request, Uri, request};
use tower_claude_core::CallBody;

use crate::page::Page;

/// Goes on to the next page of a list, where one has nothing that is the tenant's.
///
/// Clients that go through a list page by page stop at the first that is empty, and would not
/// find what comes after the batches of others.
#[derive(Debug)]
pub(crate) struct Listing {
    head: request::Parts,
    /// How many pages more are asked for.
    left: u32,
    /// Whether the caller goes towards newer ones.
    is_backward: bool,
    /// Where the last page began.
    cursor: String,
}

/// How many more pages are asked for in one call.
pub(crate) const MORE_PAGES: u32 = 20;

// === impl Listing ===

impl Listing {
    pub(crate) fn new(request: &Request<CallBody>) -> Self {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = request.method().clone();
        head.uri = request.uri().clone();
        head.version = request.version();
        head.headers = request.headers().clone();
        head.extensions = request.extensions().clone();
        let has = |name| pairs(request.uri()).any(|pair| is_of(pair, name));
        Self {
            left: MORE_PAGES,
            is_backward: has("before_id") && !has("after_id"),
            cursor: String::new(),
            head,
        }
    }

    /// The request for the page after this one; `None` if there is none, or it is enough.
    pub(crate) fn go_on(&mut self, page: &Page<'_>) -> Option<Request<CallBody>> {
        let cursor = page.onward(self.is_backward)?;
        // Of one that leads back to where it was there is no end.
        if cursor == self.cursor {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        cursor.clone_into(&mut self.cursor);
        let name = match self.is_backward {
            true => "before_id",
            false => "after_id",
        };
        let uri = &self.head.uri;
        let others =
            pairs(uri).filter(|pair| !is_of(pair, "before_id") && !is_of(pair, "after_id"));
        let own = format!("{name}={cursor}");
        let query: Vec<&str> = others.chain([own.as_str()]).collect();
        let path = format!("{}?{}", uri.path(), query.join("&"));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        let mut head = self.head.clone();
        head.uri = Uri::from_parts(parts).ok()?;
        Some(Request::from_parts(head, CallBody::empty()))
    }
}

fn pairs(uri: &Uri) -> impl Iterator<Item = &str> {
    let query = uri.query().unwrap_or_default();
    query.split('&').filter(|pair| !pair.is_empty())
}

/// Whether a pair of a query has this name.
fn is_of(pair: &str, name: &str) -> bool {
    pair.split('=').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(has_more: bool, ids: &[&str]) -> String {
        let data: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        format!(r#"{{"data":[{}],"has_more":{has_more}}}"#, data.join(","))
    }

    fn next(listing: &mut Listing, json: &str) -> Option<String> {
        let page = Page::read(json.as_bytes()).unwrap();
        let request = listing.go_on(&page)?;
        assert_eq!(request.headers()["x-odd"], "kept");
        assert_eq!(request.extensions().get(), Some(&7));
        Some(request.uri().to_string())
    }

    fn listing(uri: &str) -> Listing {
        let request = Request::get(uri).header("x-odd", "kept").extension(7);
        Listing::new(&request.body(CallBody::empty()).unwrap())
    }

    #[test]
    fn goes_on_behind_the_last_and_before_the_first_of_a_page() {
        let page = json(true, &["a", "b"]);
        for (uri, expected) in [
            ("/b", "/b?after_id=b"),
            ("/b?limit=2&beta=true", "/b?limit=2&beta=true&after_id=b"),
            ("/b?after_id=x&limit=2", "/b?limit=2&after_id=b"),
            ("/b?before_id=x&limit=2", "/b?limit=2&before_id=a"),
            ("http://gate/b?before_id=x", "http://gate/b?before_id=a"),
        ] {
            assert_eq!(next(&mut listing(uri), &page).as_deref(), Some(expected));
        }
    }

    #[test]
    fn ends_where_upstream_does_or_goes_in_circles_or_it_is_enough() {
        assert_eq!(next(&mut listing("/b"), &json(false, &["a"])), None);
        assert_eq!(next(&mut listing("/b"), &json(true, &[])), None);
        assert_eq!(next(&mut listing("/b"), r#"{"data":[{"id":"a"}]}"#), None);
        let mut circle = listing("/b");
        assert!(next(&mut circle, &json(true, &["a", "b"])).is_some());
        assert_eq!(next(&mut circle, &json(true, &["x", "b"])), None);
        let mut long = listing("/b");
        let mut pages = (0..).map(|number| json(true, &[&format!("b{number}")]));
        let asked = pages
            .by_ref()
            .take_while(|page| next(&mut long, page).is_some());
        assert_eq!(asked.count(), 20);
    }
}
