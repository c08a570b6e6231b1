use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Role;
use crate::block::Block;
use crate::loose::Loose;
use crate::texts::Texts;

/// Reads the texts out of a JSON document of the Messages API, in one pass.
///
/// Values of other types than they should be are passed over. What is data, and not text, is
/// only measured.
pub(crate) struct Reader<'t> {
    texts: &'t mut Texts,
    at: At,
}

/// What is read.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// A request: an object with `messages`.
    Body,
    Messages,
    /// A message, which an answer is as well; or the object around an error.
    Message,
    /// A text, a block of content, or a list of them.
    Content(Option<Role>),
    Error,
}

// === impl Reader ===

impl<'t> Reader<'t> {
    /// Reads all of a document; false if it is not JSON to its end.
    pub(crate) fn read(texts: &'t mut Texts, at: At, json: &[u8]) -> bool {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let reader = Self { texts, at };
        reader.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
    }

    fn inner(&mut self, at: At) -> Reader<'_> {
        Reader {
            texts: self.texts,
            at,
        }
    }

    fn read_block<'de, A>(mut self, role: Option<Role>, mut map: A) -> Result<(), A::Error>
    where
        A: MapAccess<'de>,
    {
        let mut block = Block::default();
        let is_result = role == Some(Role::ToolResult);
        while let Some(key) = map.next_key::<Loose<'de>>()? {
            match key.as_str() {
                "type" => block.kind = map.next_value()?,
                "name" => block.name = map.next_value()?,
                "input" => block.input = Some(map.next_value::<&RawValue>()?),
                "data" => block.data = map.next_value()?,
                "source" => block.source = map.next_value()?,
                "text" => map.next_value_seed(self.inner(At::Content(role)))?,
                "thinking" => map.next_value_seed(self.inner(At::Content(Some(Role::Thinking))))?,
                "content" => {
                    let role = if block.kind.as_str() == "compaction" {
                        role
                    } else {
                        Some(Role::ToolResult)
                    };
                    map.next_value_seed(self.inner(At::Content(role)))?;
                }
                "stdout" | "stderr" | "title" | "url" if is_result => {
                    map.next_value_seed(self.inner(At::Content(role)))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        block.push(role, self.texts);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let At::Content(role) = self.at {
            self.texts.push(role, None, text);
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let at = match self.at {
            At::Messages => At::Message,
            At::Content(role) => At::Content(role),
            At::Body | At::Message | At::Error => {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
        };
        while seq.next_element_seed(self.inner(at))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if let At::Content(role) = self.at {
            return self.read_block(role, map);
        }
        let mut role = Loose::default();
        while let Some(key) = map.next_key::<Loose<'de>>()? {
            match (self.at, key.as_str()) {
                (At::Body, "messages") => map.next_value_seed(self.inner(At::Messages))?,
                (At::Message, "role") => role = map.next_value()?,
                (At::Message, "content") => {
                    map.next_value_seed(self.inner(At::Content(None)))?;
                }
                (At::Message, "error") => map.next_value_seed(self.inner(At::Error))?,
                (At::Error, "message") => {
                    map.next_value_seed(self.inner(At::Content(Some(Role::Error))))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if matches!(self.at, At::Message) {
            self.texts.adopt(Role::of_message(role.as_str()));
        }
        Ok(())
    }
}
