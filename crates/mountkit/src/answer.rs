//! What a handler answered, as tests look at it.
use lessor_engine::{Outcome, Reply};
use serde_json::Value;

/// An answer that neither issues, rotates nor lets anybody in.
pub enum Answer {
    /// 204.
    Empty,
    /// `data`.
    Data(Value),
    /// `data.keys`.
    Keys(Vec<String>),
    /// 404, with or without data.
    Missing(Option<Value>),
}

impl Answer {
    pub(crate) fn of(reply: Reply) -> Self {
        match reply.outcome {
            Outcome::Empty => Self::Empty,
            Outcome::Data(map) => Self::Data(Value::Object(map)),
            Outcome::List(keys) => Self::Keys(keys),
            Outcome::Missing(map) => Self::Missing(map.map(Value::Object)),
            _ => panic!("no plain answer"),
        }
    }
    /// The data, which has to be there.
    pub fn data(self) -> Value {
        match self {
            Self::Data(value) => value,
            Self::Empty => panic!("empty answer"),
            Self::Keys(keys) => panic!("list: {keys:?}"),
            Self::Missing(value) => panic!("missing: {value:?}"),
        }
    }
    /// The data, or null where there is none.
    pub fn value(self) -> Value {
        match self {
            Self::Data(value) => value,
            Self::Empty | Self::Missing(_) => Value::Null,
            Self::Keys(keys) => panic!("list: {keys:?}"),
        }
    }
    /// Whether it is a 204.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
    /// The data of a 404, which it has to be.
    pub fn missing(self) -> Option<Value> {
        match self {
            Self::Missing(value) => value,
            _ => panic!("not missing"),
        }
    }
}
