use http::{HeaderName, HeaderValue, Response};

/// Says that another model answered than the one that was asked: an extension of responses.
///
/// Failover puts it there, with the header `x-claude-degraded`, when it had to ask a model that
/// stands in. Whoever takes the headers of upstream off an answer writes this one again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded(HeaderValue);

// === impl Degraded ===

impl Degraded {
    /// The header that tells the caller.
    pub const HEADER: HeaderName = HeaderName::from_static("x-claude-degraded");

    /// This model answered instead; `None` if its name is more than visible ASCII, which not
    /// every client reads in a header.
    #[must_use]
    pub fn to(model: &str) -> Option<Self> {
        let value = HeaderValue::from_str(model).ok();
        value.filter(|value| value.to_str().is_ok()).map(Self)
    }

    /// Marks an answer, in its extensions and for the caller.
    pub fn mark<B>(self, response: &mut Response<B>) {
        self.tell(response);
        response.extensions_mut().insert(self);
    }

    /// Tells the caller of an answer that is marked, if it is.
    pub fn tell_again<B>(response: &mut Response<B>) {
        if let Some(degraded) = response.extensions().get::<Self>().cloned() {
            degraded.tell(response);
        }
    }

    /// The model that answered.
    #[must_use]
    pub fn model(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    fn tell<B>(&self, response: &mut Response<B>) {
        let value = self.0.clone();
        response.headers_mut().insert(Self::HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_marked_can_be_told_again_and_another_is_not() {
        let mut response = Response::new(());
        Degraded::tell_again(&mut response);
        assert!(response.headers().is_empty());
        Degraded::to("claude-haiku-5-5")
            .unwrap()
            .mark(&mut response);
        assert_eq!(response.headers()[Degraded::HEADER], "claude-haiku-5-5");
        response.headers_mut().clear();
        Degraded::tell_again(&mut response);
        assert_eq!(response.headers()[Degraded::HEADER], "claude-haiku-5-5");
        let marked = response.extensions().get().map(Degraded::model);
        assert_eq!(marked, Some("claude-haiku-5-5"));
    }

    #[test]
    fn a_name_that_no_header_can_hold_marks_nothing() {
        for name in ["a\nb", "mod\u{e9}le"] {
            assert_eq!(Degraded::to(name), None, "{name:?}");
        }
    }
}
