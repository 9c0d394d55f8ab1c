//! What a document is made of.

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// Counted from one.
    pub line: usize,
    /// Counted from one, in characters.
    pub column: usize,
}

/// A document, or what stands between the braces of an object.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Body {
    /// In the order they were written; a key may occur more than once.
    pub items: Vec<Item>,
    /// Where it begins.
    pub span: Span,
}

/// `key = value`, `key { … }` or `key "label" { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The key and, behind it, the labels. Never empty.
    pub keys: Vec<Key>,
    /// Whether there was an `=` (in JSON: always).
    pub assigned: bool,
    /// What it holds; an object if there are labels.
    pub value: Node,
}

impl Item {
    /// The first key.
    pub fn name(&self) -> &str {
        self.keys.first().map_or("", |key| key.text.as_str())
    }
    /// Where the item begins.
    pub fn span(&self) -> Span {
        self.keys.first().map_or(self.value.span, |key| key.span)
    }
}

/// A key or label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Without its quotes.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Where it stands.
    pub span: Span,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub span: Span,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Only JSON has it.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Decimal, `0x10` or `010`.
    Int(i64),
    /// `1.5` or `1e3`; always finite.
    Float(f64),
    /// Escapes resolved, `${…}` as it was written; heredocs too.
    String(String),
    /// `[ … ]`.
    List(Vec<Node>),
    /// `{ … }`.
    Object(Body),
}

impl Value {
    /// What to call it in a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        }
    }
}
