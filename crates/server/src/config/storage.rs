//! `storage` stanzas: which kind, and its fields as they stand. What they mean is the kind's own business.
use super::value::text_of;
use super::{ConfigError, Fault, Places};
use lessor_hcl::{Block, Node, Value};
use lessor_storage::{Kinds, Stanza};
use std::path::PathBuf;

/// One stanza, with the places its fields stand at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSetup {
    /// Kind and fields.
    pub stanza: Stanza,
    file: PathBuf,
    /// Each field, with the warning in case its kind does not know it.
    fields: Vec<(String, String)>,
}

impl From<Stanza> for StorageSetup {
    fn from(stanza: Stanza) -> Self {
        Self { stanza, file: PathBuf::new(), fields: Vec::new() }
    }
}

impl StorageSetup {
    pub(super) fn read(block: &Block<'_>, places: &Places<'_>) -> Result<Self, Fault> {
        let mut stanza = Stanza::new(block.label(0).unwrap_or_default());
        let mut fields = Vec::new();
        for item in &block.body.items {
            stanza = stanza.with(item.name(), field(item.name(), &item.value)?);
            fields.push((item.name().to_owned(), places.unsupported_text(item)));
        }
        Ok(Self { stanza, file: places.file().to_owned(), fields })
    }

    /// Checks the fields by the kind; fields it does not know are warned of.
    ///
    /// # Errors
    /// When the kind is unknown, or a field makes no sense to it.
    pub fn check(&self, kinds: &Kinds) -> Result<Vec<String>, ConfigError> {
        let wrong = |reason| ConfigError::Value { path: self.file.clone(), reason };
        let known = kinds.find(&self.stanza.kind).map_err(wrong)?.fields();
        kinds.check(&self.stanza).map_err(wrong)?;
        let unknown = self.fields.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        Ok(unknown.map(|(_, warning)| warning.clone()).collect())
    }
}

/// Lists are joined by commas; of a block only that it is there is kept.
fn field(name: &str, node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::List(_) => Ok(node.strings(name).map_or_else(|_| String::new(), |texts| texts.join(","))),
        Value::Object(_) | Value::Null => Ok(String::new()),
        _ => text_of(name, node),
    }
}
