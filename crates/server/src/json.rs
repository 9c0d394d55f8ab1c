//! JSON of strangers, read within bounds.
use crate::config::JsonLimits;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Deeper values could be stored, but no record that holds them could be read back.
const DEEPEST: usize = 100;

/// The first value of a text; what follows it is ignored. `None` when there is none.
///
/// # Errors
/// What is wrong with it, or which bound it exceeds.
pub fn parse(bytes: &[u8], limits: &JsonLimits) -> serde_json::Result<Option<Value>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let tokens = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Limited { limits, tokens: &tokens, depth: 0 }.deserialize(&mut reader).map(Some)
}

#[derive(Clone, Copy)]
struct Limited<'a> {
    limits: &'a JsonLimits,
    tokens: &'a Cell<usize>,
    depth: usize,
}

impl Limited<'_> {
    fn token<E: Error>(&self) -> Result<(), E> {
        self.tokens.set(self.tokens.get() + 1);
        within(self.tokens.get(), self.limits.tokens, "tokens", "max_json_token_count")
    }
    fn text<E: Error>(&self, text: &str) -> Result<(), E> {
        within(text.len(), self.limits.string, "bytes in one string", "max_json_string_value_length")
    }
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        let limit = self.limits.depth.map_or(DEEPEST, |limit| limit.min(DEEPEST));
        within(depth, Some(limit), "levels of nesting", "max_json_depth")?;
        Ok(Self { depth, ..self })
    }
}

fn within<E: Error>(count: usize, limit: Option<usize>, what: &str, key: &str) -> Result<(), E> {
    match limit {
        Some(limit) if count > limit => Err(E::custom(format!("more than {limit} {what} ({key})"))),
        _ => Ok(()),
    }
}

impl<'de> DeserializeSeed<'de> for Limited<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Limited<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.token().map(|()| value.into())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.token().map(|()| value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.token().map(|()| value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.token().map(|()| Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.token().map(|()| Value::Null)
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.token()?;
        self.text(value).map(|()| value.into())
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.token()?;
        self.text(&value).map(|()| value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        self.token()?;
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = elements.next_element_seed(inner)? {
            list.push(value);
            within(list.len(), self.limits.elements, "elements in one array", "max_json_array_element_count")?;
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.token()?;
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            self.token()?;
            self.text(&name)?;
            map.insert(name, entries.next_value_seed(inner)?);
            within(map.len(), self.limits.entries, "entries in one object", "max_json_object_entry_count")?;
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_holds_and_names_its_key() {
        let limits =
            JsonLimits { depth: Some(3), string: Some(4), entries: Some(2), elements: Some(3), tokens: Some(9) };
        let refusal = |text: &str| parse(text.as_bytes(), &limits).unwrap_err().to_string();
        assert!(refusal("[[[[]]]]").contains("max_json_depth"));
        assert!(refusal("{\"a\":\"12345\"}").contains("max_json_string_value_length"));
        assert!(refusal("{\"a\":1,\"b\":1,\"c\":1}").contains("max_json_object_entry_count"));
        assert!(refusal("[1,2,3,4]").contains("max_json_array_element_count"));
        assert!(refusal("[[1,2,3],[1,2,3],[1]]").contains("max_json_token_count"));
        assert!(parse(b"{\"a\":[[1,2]],\"b\":\"1234\"} trailing", &limits).unwrap().is_some());
        assert!(parse(b" \n", &limits).unwrap().is_none());
    }

    #[test]
    fn without_bounds_no_text_overflows_the_stack_and_what_is_read_can_be_stored() {
        let limits = JsonLimits { depth: None, string: None, entries: None, elements: None, tokens: None };
        assert!(parse("[".repeat(1 << 20).as_bytes(), &limits).is_err());
        let deepest = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        let value = parse(deepest.as_bytes(), &limits).unwrap().unwrap();
        assert!(serde_json::from_slice::<Value>(value.to_string().as_bytes()).is_ok());
    }
}
