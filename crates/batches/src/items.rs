use std::borrow::Cow;

use bytes::Bytes;
use tower_claude_core::{JsonWalk, Refusal, RefusalKind, Tenant, TenantId};

use crate::around::{begin, end, malformed};
use crate::custom_ids::CustomIds;
use crate::item::{Item, field, invalid};
use crate::rules::Rules;

/// Reads the items of a batch that is to be made, some at a time, and copies none.
///
/// A body may be large: whoever polls others as well is not to wait for all of it.
#[derive(Debug)]
pub(crate) struct Items {
    body: Bytes,
    tenant: Tenant,
    /// Where it goes on: behind an item, or at the beginning.
    at: usize,
    /// How many items it has read.
    count: usize,
    is_begun: bool,
    custom_ids: CustomIds,
    /// The last model that was found to be allowed: most batches have one.
    allowed: String,
}

/// The most items of a batch, as the API has it.
const MOST: usize = 100_000;
/// The most characters of a model's name that are given back.
const LONGEST: usize = 200;

// === impl Items ===

impl Items {
    pub(crate) fn new(body: Bytes, tenant: Tenant) -> Self {
        Self {
            body,
            tenant,
            at: 0,
            count: 0,
            is_begun: false,
            custom_ids: CustomIds::default(),
            allowed: String::new(),
        }
    }

    /// Reads on for about so many bytes; whether that was all, and all of it is allowed.
    pub(crate) fn read(&mut self, rules: &Rules, bytes: usize) -> Result<bool, Refusal> {
        // A reference count, so that what is found can be noted meanwhile.
        let body = self.body.clone();
        let from = self.at;
        let mut walk = JsonWalk::new(&body[from..]);
        if !self.is_begun {
            begin(&mut walk)?;
            self.is_begun = true;
        }
        while walk.next_value() {
            let item = Item::read(&mut walk, self.count);
            if walk.is_broken() {
                return Err(malformed(from + walk.at()));
            }
            self.judge(&item?, rules)?;
            self.count += 1;
            if walk.at() >= bytes {
                self.at = from + walk.at();
                return Ok(false);
            }
        }
        end(&mut walk).map_err(|why| why.unwrap_or_else(|| malformed(from + walk.at())))?;
        if self.count == 0 {
            return Err(invalid("requests", "must not be empty"));
        }
        Ok(true)
    }

    fn judge(&mut self, item: &Item<'_>, rules: &Rules) -> Result<(), Refusal> {
        if self.count == MOST {
            return Err(invalid(
                "requests",
                &format!("must have at most {MOST} items"),
            ));
        }
        let id_field = || self.field("custom_id");
        let raw_id = item
            .custom_id
            .ok_or_else(|| invalid(&id_field(), "Field required"))?;
        let id =
            JsonWalk::text_of(raw_id).ok_or_else(|| invalid(&id_field(), "must be a string"))?;
        if !is_custom_id(&id) {
            return Err(invalid(&id_field(), "must be 1 to 64 of A-Z a-z 0-9 _ -"));
        }
        let place = JsonWalk::new(&self.body).place(raw_id).start;
        if !self.custom_ids.insert(&self.body, place) {
            return Err(invalid(&self.field("custom_id"), "must not be given twice"));
        }
        if !item.params {
            return Err(invalid(&self.field("params"), "Field required"));
        }
        let model_field = || self.field("params.model");
        let model = item
            .model
            .ok_or_else(|| invalid(&model_field(), "Field required"))?;
        let model =
            JsonWalk::text_of(model).ok_or_else(|| invalid(&model_field(), "must be a string"))?;
        if model.is_empty() {
            return Err(invalid(&model_field(), "must not be empty"));
        }
        if self.allowed == *model {
            return Ok(());
        }
        if !rules.allow(&self.tenant, &model) {
            return Err(forbidden(self.tenant.id(), &model, &model_field(), &id));
        }
        self.allowed.clear();
        self.allowed.push_str(&model);
        Ok(())
    }

    fn field(&self, name: &str) -> String {
        field(self.count, name)
    }
}

fn is_custom_id(id: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(is_of)
}

fn forbidden(tenant: &TenantId, model: &str, field: &str, custom_id: &str) -> Refusal {
    let model = match model.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(model),
        Some((end, _)) => Cow::Owned(format!("{}…", &model[..end])),
    };
    let message =
        format!("tenant {tenant} may not use model {model} ({field}, custom id {custom_id})");
    Refusal::new(RefusalKind::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant::new(TenantId::new("web").unwrap()).models(["claude-*".into()])
    }

    /// Reads in steps of so many bytes.
    fn read_by(body: &str, step: usize) -> Result<usize, String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let mut items = Items::new(body, tenant());
        loop {
            match items.read(&Rules::default(), step) {
                Ok(true) => return Ok(items.count),
                Ok(false) => {}
                Err(refusal) => {
                    let status = refusal.kind().status();
                    return Err(format!("{status} {}", refusal.message()));
                }
            }
        }
    }

    fn read(body: &str) -> Result<usize, String> {
        let whole = read_by(body, usize::MAX);
        assert_eq!(read_by(body, 0), whole, "item by item: {body}");
        whole
    }

    const GOOD: &str = r#"{"custom_id":"a","params":{"model":"claude-x"}}"#;

    #[test]
    fn takes_what_is_well_formed_whatever_stands_around_it() {
        assert_eq!(read(&format!(r#"{{"requests":[{GOOD}]}}"#)), Ok(1));
        let body = r#" {"a":[{"requests":[]}], "requests" : [
            {"params":{"messages":[{"model":1}],"model":"claude-x"},"x":{},"custom_id":"a"} ,
            { "custom_id":"b", "params":{"model":"cl\u0061ude-y","model_":"gpt"} } ] ,"z":null } "#;
        assert_eq!(read(body), Ok(2));
    }

    #[test]
    fn names_the_field_and_the_item() {
        for (items, expected) in [
            (r#"1"#, "400 requests.1: must be an object"),
            (
                r#"{"params":{"model":"claude-x"}}"#,
                "400 requests.1.custom_id: Field required",
            ),
            (
                r#"{"custom_id":null,"params":{"model":"claude-x"}}"#,
                "400 requests.1.custom_id: Field required",
            ),
            (
                r#"{"custom_id":7,"params":{}}"#,
                "400 requests.1.custom_id: must be a string",
            ),
            (
                r#"{"custom_id":"a b","params":{}}"#,
                "400 requests.1.custom_id: must be 1 to 64 of A-Z a-z 0-9 _ -",
            ),
            (
                r#"{"custom_id":"","params":{}}"#,
                "400 requests.1.custom_id: must be 1 to 64 of A-Z a-z 0-9 _ -",
            ),
            (
                r#"{"custom_id":"\u0061","params":{}}"#,
                "400 requests.1.custom_id: must not be given twice",
            ),
            (
                r#"{"custom_id":"b","custom_id":"c","params":{}}"#,
                "400 requests.1.custom_id: must not be given twice",
            ),
            (
                r#"{"custom_id":"b"}"#,
                "400 requests.1.params: Field required",
            ),
            (
                r#"{"custom_id":"b","params":null}"#,
                "400 requests.1.params: Field required",
            ),
            (
                r#"{"custom_id":"b","params":[]}"#,
                "400 requests.1.params: must be an object",
            ),
            (
                r#"{"custom_id":"b","params":{"model":"claude-x"},"p\u0061rams":{"model":"gpt"}}"#,
                "400 requests.1.params: must not be given twice",
            ),
            (
                r#"{"custom_id":"b","params":{}}"#,
                "400 requests.1.params.model: Field required",
            ),
            (
                r#"{"custom_id":"b","params":{"model":["claude-x"]}}"#,
                "400 requests.1.params.model: must be a string",
            ),
            (
                r#"{"custom_id":"b","params":{"model":""}}"#,
                "400 requests.1.params.model: must not be empty",
            ),
            (
                r#"{"custom_id":"b","params":{"model":"claude-x","mod\u0065l":"gpt"}}"#,
                "400 requests.1.params.model: must not be given twice",
            ),
            (
                r#"{"custom_id":"b","params":{"model":"gpt"}}"#,
                "403 tenant web may not use model gpt (requests.1.params.model, custom id b)",
            ),
            (
                r#"{"params":{"model":"gp\u0074"},"custom_id":"b"}"#,
                "403 tenant web may not use model gpt (requests.1.params.model, custom id b)",
            ),
        ] {
            let body = format!(r#"{{"requests":[{GOOD},{items}]}}"#);
            assert_eq!(read(&body), Err(expected.to_owned()), "{items}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_the_whole() {
        for (body, expected) in [
            ("[]", "400 the request body must be a JSON object"),
            ("{}", "400 requests: Field required"),
            (r#"{"requests":null}"#, "400 requests: Field required"),
            (r#"{"requests":{}}"#, "400 requests: must be an array"),
            (r#"{"requests":[]}"#, "400 requests: must not be empty"),
        ] {
            assert_eq!(read(body), Err(expected.to_owned()), "{body}");
        }
        let twice = format!(r#"{{"requests":[{GOOD}],"r\u0065quests":[]}}"#);
        let expected = "400 requests: must not be given twice";
        assert_eq!(read(&twice), Err(expected.to_owned()));
    }

    #[test]
    fn what_is_no_json_is_refused_wherever_it_breaks_off() {
        let body = format!(r#"{{"a":[1],"requests":[{GOOD}],"b":{{"c":"d"}}}}"#);
        assert_eq!(read(&body), Ok(1));
        for end in 0..body.len() {
            let said = read(&body[..end]).unwrap_err();
            assert!(said.contains("not valid JSON"), "{}: {said}", &body[..end]);
        }
        for text in [" ", "}", "{}}", "\u{feff}{}", &format!("{body} x")] {
            let said = read(text).unwrap_err();
            assert!(said.contains("not valid JSON"), "{text}: {said}");
        }
    }

    #[test]
    fn a_model_is_asked_about_once_as_long_as_it_is_the_same() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let rules = Rules {
            priced: Some(Arc::new(move |model| {
                count.fetch_add(1, Relaxed);
                model != "claude-free"
            })),
        };
        let item = |id, model| format!(r#"{{"custom_id":"{id}","params":{{"model":"{model}"}}}}"#);
        let items = [
            item("a", "claude-x"),
            item("b", "claude-x"),
            item("c", "claude-free"),
        ];
        let body = format!(r#"{{"requests":[{}]}}"#, items.join(","));
        let refused = Items::new(body.into(), tenant()).read(&rules, usize::MAX);
        assert!(refused.unwrap_err().message().contains("claude-free"));
        assert_eq!(asked.load(Relaxed), 2);
    }
}
