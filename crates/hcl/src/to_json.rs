//! A document as plain JSON.
use crate::{Body, Item, Node, Value};
use serde_json::Value as Json;
use serde_json::map::{Entry, Map};

impl Body {
    /// The document as a JSON object. Labels become nested keys; a block that repeats one of the same labels
    /// turns both into a list; an attribute that repeats overwrites.
    ///
    /// ```
    /// let text = r#"rule { a = 1 } rule { a = 2 } path "x" { b = true } path "y" {}"#;
    /// let json = lessor_hcl::parse(text)?.to_json();
    /// assert_eq!(json["rule"], serde_json::json!([{"a": 1}, {"a": 2}]));
    /// assert_eq!(json["path"], serde_json::json!({"x": {"b": true}, "y": {}}));
    /// # Ok::<(), lessor_hcl::Error>(())
    /// ```
    pub fn to_json(&self) -> Json {
        let mut map = Map::new();
        for item in &self.items {
            add(&mut map, item);
        }
        Json::Object(map)
    }
}

impl Node {
    /// The value as JSON.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::String(text) => Json::String(text.clone()),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Object(body) => body.to_json(),
        }
    }
}

fn add(map: &mut Map<String, Json>, item: &Item) {
    let Some((last, outer)) = item.keys.split_last() else {
        return;
    };
    let mut map = map;
    for key in outer {
        let slot = map.entry(key.text.clone()).or_insert_with(|| Json::Object(Map::new()));
        // What stands here already may be an attribute or a list of blocks: labels go into a fresh object,
        // which replaces the first and joins the second.
        if let Json::Array(list) = slot {
            list.push(Json::Object(Map::new()));
        } else if !slot.is_object() {
            *slot = Json::Object(Map::new());
        }
        let inner = match slot {
            Json::Object(inner) => inner,
            Json::Array(list) => match list.last_mut() {
                Some(Json::Object(inner)) => inner,
                _ => return,
            },
            _ => return,
        };
        map = inner;
    }
    let value = item.value.to_json();
    match map.entry(last.text.clone()) {
        Entry::Vacant(slot) => {
            slot.insert(value);
        }
        Entry::Occupied(mut slot) if item.assigned => {
            slot.insert(value);
        }
        Entry::Occupied(mut slot) => match slot.get_mut() {
            Json::Array(list) => list.push(value),
            first => *first = Json::Array(vec![first.take(), value]),
        },
    }
}
