use std::ops::Range;

use tower_claude_core::JsonWalk;

use crate::edits::Edits;
use crate::object::Object;

/// A page of a list of batches, as upstream shows it.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// The batches, each with where it stands.
    batches: Vec<(Range<usize>, Object<'a>)>,
    has_more: bool,
    /// Where the ids of the first and the last batch stand, once more.
    first_id: Option<Range<usize>>,
    last_id: Option<Range<usize>>,
}

// === impl Page ===

impl<'a> Page<'a> {
    /// Reads one; `None` if it is none, or one of which not every batch is certain.
    pub(crate) fn read(json: &'a [u8]) -> Option<Self> {
        let mut walk = JsonWalk::new(json);
        let (mut data, mut has_more) = (None, false);
        let (mut first_id, mut last_id) = (None, None);
        if !walk.enter_object() {
            return None;
        }
        while let Some(key) = walk.next_key() {
            let value = walk.skip();
            match &*key {
                "data" if data.replace(value).is_some() => return None,
                "has_more" => has_more = value == b"true",
                "first_id" if first_id.replace(walk.place(value)).is_some() => return None,
                "last_id" if last_id.replace(walk.place(value)).is_some() => return None,
                _ => {}
            }
        }
        let data = data.filter(|_| walk.is_at_end())?;
        let mut items = JsonWalk::new(data);
        let mut batches = Vec::new();
        if !items.enter_array() {
            return None;
        }
        while items.next_value() {
            let item = items.skip();
            batches.push((walk.place(item), Object::read(item)?));
        }
        items.is_at_end().then_some(Self {
            batches,
            has_more,
            first_id,
            last_id,
        })
    }

    /// The ids of the batches, in their order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.batches.iter().map(|(_, batch)| &*batch.id)
    }

    /// From which batch on the next page is to be asked for, if there is more.
    pub(crate) fn onward(&self, is_backward: bool) -> Option<&str> {
        let (_, batch) = match is_backward {
            true => self.batches.first(),
            false => self.batches.last(),
        }
        .filter(|_| self.has_more)?;
        Some(&batch.id)
    }

    /// What makes a page of it that has only those which `is_kept` says, their urls with this
    /// base.
    ///
    /// Paging goes on from the ids of those. Without any it goes on from upstream's, if there is
    /// more; that is the one case in which a tenant is told the id of another's batch.
    pub(crate) fn edits(&self, is_kept: &[bool], base: &str) -> Edits {
        let mut edits = Edits::default();
        let is_kept = |number: usize| is_kept.get(number).copied().unwrap_or(false);
        let first_kept = (0..self.batches.len()).position(is_kept);
        let mut end = self.batches.first().map_or(0, |(place, _)| place.start);
        for (number, (place, batch)) in self.batches.iter().enumerate() {
            if !is_kept(number) {
                // With the comma before it; those before the first that stays go together.
                if first_kept.is_some_and(|first| first < number) {
                    edits.replace(end..place.end, String::new());
                }
                end = place.end;
                continue;
            }
            if first_kept == Some(number) && number > 0 {
                let begin = self.batches.first().map_or(0, |(place, _)| place.start);
                edits.replace(begin..place.start, String::new());
            }
            if let Some((url, by)) = batch.url_through(base) {
                edits.replace(place.start + url.start..place.start + url.end, by);
            }
            end = place.end;
        }
        if let (None, Some((first, _)), Some((last, _))) =
            (first_kept, self.batches.first(), self.batches.last())
        {
            edits.replace(first.start..last.end, String::new());
        }
        let last_kept = (0..self.batches.len())
            .rev()
            .find(|number| is_kept(*number));
        if first_kept.is_some() || !self.has_more {
            for (place, shown, kept) in [
                (&self.first_id, 0, first_kept),
                (
                    &self.last_id,
                    self.batches.len().saturating_sub(1),
                    last_kept,
                ),
            ] {
                if let Some(place) = place.clone().filter(|_| kept != Some(shown)) {
                    edits.replace(place, self.id(kept));
                }
            }
        }
        edits
    }

    /// The id of a batch as JSON has it.
    fn id(&self, number: Option<usize>) -> String {
        let batch = number.and_then(|number| self.batches.get(number));
        let id = batch.map(|(_, batch)| &*batch.id);
        serde_json::to_string(&id).unwrap_or_else(|_| "null".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn kept(json: &str, ids: &[&str]) -> Option<String> {
        let page = Page::read(json.as_bytes())?;
        let is_kept: Vec<bool> = page.ids().map(|id| ids.contains(&id)).collect();
        let edits = page.edits(&is_kept, "http://gate");
        let edited = edits.apply(&Bytes::copy_from_slice(json.as_bytes()));
        Some(String::from_utf8(edited.to_vec()).unwrap())
    }

    const PAGE: &str = r#"{ "data" : [
  {"id":"a","results_url":null} ,
  {"id":"b","results_url":"https://api/v1/messages/batches/b/results"},
  {"id":"c"}
], "has_more":true,"first_id":"a","last_id":"c"}"#;

    #[test]
    fn only_what_is_kept_stays_and_all_around_it() {
        let url = |page: &str| page.replace("https://api/", "http://gate/");
        let page = |data: &str, first: &str, last: &str| {
            let (head, tail) = (r#"{ "data" : ["#, "\n], \"has_more\":true,");
            Some(url(&format!(
                "{head}{data}{tail}\"first_id\":\"{first}\",\"last_id\":\"{last}\"}}"
            )))
        };
        let a = r#"{"id":"a","results_url":null}"#;
        let b = r#"{"id":"b","results_url":"https://api/v1/messages/batches/b/results"}"#;
        let c = r#"{"id":"c"}"#;
        assert_eq!(kept(PAGE, &["a", "b", "c"]), Some(url(PAGE)));
        assert_eq!(
            kept(PAGE, &["a", "b"]),
            page(&format!("\n  {a} ,\n  {b}"), "a", "b")
        );
        assert_eq!(
            kept(PAGE, &["a", "c"]),
            page(&format!("\n  {a},\n  {c}"), "a", "c")
        );
        assert_eq!(
            kept(PAGE, &["b", "c"]),
            page(&format!("\n  {b},\n  {c}"), "b", "c")
        );
        assert_eq!(kept(PAGE, &["a"]), page(&format!("\n  {a}"), "a", "a"));
        assert_eq!(kept(PAGE, &["b"]), page(&format!("\n  {b}"), "b", "b"));
        assert_eq!(kept(PAGE, &["c"]), page(&format!("\n  {c}"), "c", "c"));
        assert_eq!(kept(PAGE, &[]), page("\n  ", "a", "c"), "paging goes on");
        let last = PAGE.replace("true", "false");
        let nothing = r#"{ "data" : [
  
], "has_more":false,"first_id":null,"last_id":null}"#;
        assert_eq!(kept(&last, &[]).as_deref(), Some(nothing));
    }

    #[test]
    fn an_empty_page_stays_as_it_is() {
        let json = r#"{"data":[ ],"has_more":false,"first_id":null,"last_id":null}"#;
        assert_eq!(kept(json, &["a"]).as_deref(), Some(json));
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"data":[1]}"#,
            r#"{"data":[{}]}"#,
            r#"{"data":[{"id":"a"},null]}"#,
            r#"{"data":[],"data":[{"id":"a"}]}"#,
            r#"{"data":[],"d\u0061ta":[{"id":"a"}]}"#,
            r#"{"data":[]} x"#,
            r#"{"data":["#,
        ] {
            assert_eq!(kept(json, &[]), None, "{json}");
        }
    }

    proptest::proptest! {
        /// Whatever is kept: what is left is JSON, has only that, and all else as it was.
        #[test]
        fn what_is_left_is_a_page_of_what_is_kept(
            picks in proptest::collection::vec((0..2_usize, 0..3_usize), 0..12),
        ) {
            const GAPS: [&str; 3] = ["", " ", "\n\t"];
            let items = |only_kept: bool| -> Vec<serde_json::Value> {
                let of = |(number, (is_kept, _)): (usize, &(usize, usize))| {
                    (!only_kept || *is_kept == 1).then(|| serde_json::json!({"id": number.to_string()}))
                };
                picks.iter().enumerate().filter_map(of).collect()
            };
            let text: Vec<String> = items(false).iter().zip(&picks)
                .map(|(item, (_, gap))| format!("{}{item}{}", GAPS[*gap], GAPS[2 - *gap]))
                .collect();
            let json = format!(r#"{{"data":[{}],"has_more":true}}"#, text.join(","));
            let ids: Vec<String> = (0..picks.len())
                .filter(|number| picks[*number].0 == 1)
                .map(|number| number.to_string())
                .collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let left = kept(&json, &ids).unwrap();
            let left: serde_json::Value = serde_json::from_str(&left).unwrap();
            proptest::prop_assert_eq!(left, serde_json::json!({"data": items(true), "has_more": true}));
        }
    }
}
