//! Requests with many items: how items are read, and what is answered when some of them fail.
use crate::kind::Kind;
use crate::store::beside;
use lessor_engine::{Any, Error, Outcome, Reply, Result};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// So many items keep nobody waiting.
const QUICK: usize = 64;

/// One thing to do. Fields that were not sent are `None`.
#[derive(Default)]
pub(crate) struct Item {
    fields: Map<String, Value>,
}

impl Item {
    /// An item of the request's own fields; empty ones count as not sent.
    pub(crate) fn single(fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().filter(|(_, text)| !text.is_empty());
        Self { fields: fields.map(|(name, text)| ((*name).to_owned(), json!(text))).collect() }
    }

    /// Adds a field, an empty one too.
    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        self.fields.insert(name.to_owned(), json!(text));
        self
    }

    /// Asks for a version.
    pub(crate) fn at_version(mut self, version: i64) -> Self {
        self.fields.insert("key_version".to_owned(), json!(version));
        self
    }

    /// A field as text, if it was sent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// A field as text; empty where it was not sent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The version asked for; 0 is the latest.
    pub(crate) fn key_version(&self) -> i64 {
        self.fields.get("key_version").and_then(Value::as_i64).unwrap_or_default()
    }

    /// A field's bytes.
    ///
    /// # Errors
    /// When it is no base64.
    pub(crate) fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(crate::encoding::decode(self.text(name))?))
    }
}

/// What is asked for: one item, or several.
pub(crate) struct Items {
    pub(crate) items: Vec<Item>,
    pub(crate) many: bool,
}

/// Go's name of a JSON value's type, as its errors show it.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "json.Number",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

const TEXTS: [&str; 9] =
    ["plaintext", "ciphertext", "context", "nonce", "associated_data", "reference", "input", "hmac", "signature"];

impl Items {
    /// The request's own fields where there is no batch.
    ///
    /// # Errors
    /// When the batch is empty or holds anything but objects of texts.
    pub(crate) fn of(batch: &Any, single: impl FnOnce() -> Result<Item>) -> Result<Self> {
        match &batch.0 {
            Value::Null => Ok(Self { items: vec![single()?], many: false }),
            Value::Array(items) if items.is_empty() => Err(Error::invalid("missing batch input to process")),
            Value::Array(items) => {
                let items = items.iter().enumerate().map(|(at, item)| read(at, item));
                Ok(Self { items: items.collect::<Result<_>>()?, many: true })
            }
            // Command lines send JSON as text.
            Value::String(text) => match serde_json::from_str::<Value>(text) {
                Ok(value @ Value::Array(_)) => Self::of(&Any(value), single),
                _ => Err(not_a_list("string")),
            },
            other => Err(not_a_list(go_type(other))),
        }
    }

    /// Refuses a batch in which an item lacks a field that every item needs.
    ///
    /// # Errors
    /// Names every such item.
    pub(crate) fn require(&self, name: &str, missing: &str) -> Result<()> {
        let lacking: Vec<String> = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.get(name).is_none())
            .map(|(at, _)| format!("'[{at}].{name}' {missing}"))
            .collect();
        if self.many && !lacking.is_empty() {
            return Err(Error::Invalid(format!("failed to parse batch input: {}", lacking.join("\n"))));
        }
        Ok(())
    }

    /// Refuses a batch in which some items have a context and some have none.
    ///
    /// # Errors
    /// When that is so.
    pub(crate) fn same_context(&self) -> Result<()> {
        let set = self.has_context();
        if self.items.iter().any(|item| item.text("context").is_empty() == set) {
            return Err(Error::invalid("context should be set either in all the request blocks or in none"));
        }
        Ok(())
    }

    /// Whether the first item has a context.
    pub(crate) fn has_context(&self) -> bool {
        self.items.first().is_some_and(|item| !item.text("context").is_empty())
    }

    /// Does the work for every item, outside the runtime's threads where that takes long.
    ///
    /// # Errors
    /// When the work broke off; what an item says is in the results.
    pub(crate) async fn run(
        self,
        kind: Kind,
        work: impl FnMut(usize, &Item) -> Result<Map<String, Value>> + Send + 'static,
    ) -> Result<Results> {
        let slow = kind.is_slow() || self.items.len() > QUICK;
        beside(slow, move || Ok(self.run_here(work))).await
    }

    fn run_here(&self, mut work: impl FnMut(usize, &Item) -> Result<Map<String, Value>>) -> Results {
        let results = self.items.iter().enumerate().map(|(at, item)| work(at, item)).collect();
        let references = self.items.iter().map(|item| item.text("reference").to_owned()).collect();
        Results { results, references, many: self.many }
    }
}

fn not_a_list(got: &str) -> Error {
    Error::Invalid(format!("failed to parse batch input: source data must be an array or slice, got {got}"))
}

fn read(at: usize, item: &Value) -> Result<Item> {
    let refuse = |text: String| Error::Invalid(format!("failed to parse batch input: {text}"));
    let Value::Object(fields) = item else {
        return Err(refuse(format!("[{at}] expected a map, got '{}'", go_type(item))));
    };
    let mut fields = fields.clone();
    fields.retain(|_, value| !value.is_null());
    for name in TEXTS {
        if let Some(value) = fields.get(name).filter(|value| !value.is_string()) {
            let got = go_type(value);
            return Err(refuse(format!("'[{at}].{name}' expected type 'string', got unconvertible type '{got}'")));
        }
    }
    if let Some(value) = fields.get("key_version").filter(|value| value.as_i64().is_none()) {
        let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
        let Some(number) = number else {
            let got = go_type(value);
            return Err(refuse(format!("'[{at}].key_version' expected type 'int', got unconvertible type '{got}'")));
        };
        fields.insert("key_version".to_owned(), json!(number));
    }
    Ok(Item { fields })
}

/// What came of every item.
pub(crate) struct Results {
    results: Vec<Result<Map<String, Value>>>,
    references: Vec<String>,
    many: bool,
}

/// Which status a batch with failures has.
pub(crate) enum OnFailure {
    /// 200: the items tell.
    Ok,
    /// 400, or what the caller wants where some items went well.
    Refuse { partial: Option<i64> },
}

impl Results {
    /// The answer; `blank` is what a failed item shows beside its error.
    ///
    /// # Errors
    /// That of the only item of a request without a batch.
    pub(crate) fn reply(mut self, blank: &Value, on_failure: &OnFailure) -> Result<Reply> {
        if !self.many {
            // A request without a batch has exactly one item.
            return self.results.pop().unwrap_or_else(|| Ok(Map::new())).map(|map| Outcome::Data(map).into());
        }
        let failed = self.results.iter().filter(|result| result.is_err()).count();
        let some_good = failed < self.results.len();
        let code = self.results.iter().filter_map(|result| result.as_ref().err()).map(Error::status).min();
        let code = code.unwrap_or(400);
        let items: Vec<Value> = self.results.into_iter().zip(self.references).map(|item| show(item, blank)).collect();
        let mut reply = Reply::data(json!({ "batch_results": items }));
        if failed > 0
            && let OnFailure::Refuse { partial } = on_failure
        {
            reply.status = Some(code);
            match partial.filter(|_| some_good).map(u16::try_from) {
                Some(Ok(code @ 100..=599)) => reply.status = Some(code),
                Some(_) => {
                    reply = reply.warn(format!(
                        "invalid HTTP response code override from partial_failure_response_code, reverting to {code}"
                    ));
                }
                None => {}
            }
        }
        Ok(reply)
    }
}

fn show((result, reference): (Result<Map<String, Value>>, String), blank: &Value) -> Value {
    let mut item = match result {
        Ok(item) => item,
        Err(error) => {
            let mut item = blank.as_object().cloned().unwrap_or_default();
            item.insert("error".to_owned(), json!(error.to_string()));
            item
        }
    };
    item.insert("reference".to_owned(), json!(reference));
    Value::Object(item)
}
