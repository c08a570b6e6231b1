use tower_claude_core::{JsonWalk, Refusal, RefusalKind};

/// An item of a batch, as far as it is looked at.
#[derive(Default)]
pub(crate) struct Item<'a> {
    pub(crate) custom_id: Option<&'a [u8]>,
    /// Whether it has any.
    pub(crate) params: bool,
    pub(crate) model: Option<&'a [u8]>,
}

// === impl Item ===

impl<'a> Item<'a> {
    /// Reads the item that the walk stands before. What it says means nothing if the walk is
    /// broken then.
    pub(crate) fn read(walk: &mut JsonWalk<'a>, number: usize) -> Result<Self, Refusal> {
        let mut item = Self::default();
        if !walk.enter_object() {
            // So that what is no JSON at all is told from what is no object.
            walk.skip();
            return Err(invalid(&format!("requests.{number}"), "must be an object"));
        }
        let mut has_params = false;
        while let Some(key) = walk.next_key() {
            match &*key {
                "custom_id" => {
                    let value = walk.skip();
                    if item.custom_id.replace(value).is_some() {
                        return Err(twice(number, "custom_id"));
                    }
                }
                "params" => {
                    if std::mem::replace(&mut has_params, true) {
                        return Err(twice(number, "params"));
                    }
                    item.read_params(walk, number)?;
                }
                _ => {
                    walk.skip();
                }
            }
        }
        // A null is as good as nothing.
        item.custom_id = item.custom_id.filter(|value| *value != b"null");
        item.model = item.model.filter(|value| *value != b"null");
        Ok(item)
    }

    fn read_params(&mut self, walk: &mut JsonWalk<'a>, number: usize) -> Result<(), Refusal> {
        if !walk.enter_object() {
            return match walk.skip() {
                b"null" => Ok(()),
                _ => Err(invalid(&field(number, "params"), "must be an object")),
            };
        }
        self.params = true;
        while let Some(key) = walk.next_key() {
            let value = walk.skip();
            if key == "model" && self.model.replace(value).is_some() {
                return Err(twice(number, "params.model"));
            }
        }
        Ok(())
    }
}

/// How a field of an item is named.
pub(crate) fn field(number: usize, name: &str) -> String {
    format!("requests.{number}.{name}")
}

fn twice(number: usize, name: &str) -> Refusal {
    invalid(&field(number, name), "must not be given twice")
}

pub(crate) fn invalid(field: &str, what: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, format!("{field}: {what}"))
}
