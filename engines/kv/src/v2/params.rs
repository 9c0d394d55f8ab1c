//! Parameters whose rules the derive does not know.
use lessor_engine::field::take;
use lessor_engine::{CommaList, Error, FieldError, FieldKind, FieldSpec, Fields, Object, Params, Result, Seconds};
use serde_json::{Map, Value};

/// A path and nothing else.
#[derive(Params)]
pub(crate) struct At {
    /// Location of the secret.
    pub(crate) path: String,
}

/// A path and a version.
#[derive(Params)]
pub(crate) struct AtVersion {
    /// Location of the secret.
    pub(crate) path: String,
    /// Version to read; the latest if 0 or absent.
    pub(crate) version: i64,
}

/// A path and several versions.
#[derive(Params)]
pub(crate) struct AtVersions {
    /// Location of the secret.
    pub(crate) path: String,
    /// Numbers of the versions to change.
    versions: CommaList,
}

impl AtVersions {
    /// The version numbers; `none` is said when there are none.
    pub(crate) fn numbers(&self, none: &str) -> Result<Vec<u64>> {
        if self.versions.is_empty() {
            return Err(Error::invalid(none));
        }
        let number = |text: &String| {
            text.parse::<i64>().map_err(|_| {
                let reason = format!("expected version numbers, got '{text}'");
                Error::from(FieldError::Conversion { name: "versions".to_owned(), reason })
            })
        };
        // A version below one does not exist, and unknown versions are passed over.
        Ok(self
            .versions
            .iter()
            .map(number)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .map(|n| n.max(0).unsigned_abs())
            .collect())
    }
}

/// A new version of a secret. Parsed by hand, because `"data": null` is not the same as no `data`.
pub(crate) struct Write {
    pub(crate) path: String,
    data: Option<Value>,
    options: Object,
}

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> FieldSpec {
    FieldSpec { name, kind, doc, default: None, secret: false, required: false }
}

impl Params for Write {
    const FIELDS: &'static [FieldSpec] = &[
        field("path", FieldKind::String, "Location of the secret."),
        FieldSpec { secret: true, ..field("data", FieldKind::Object, "The contents of the new version.") },
        field("options", FieldKind::Object, "Options of the write: `cas`, the version that must be current (0: none)."),
        field("version", FieldKind::Integer, "Ignored when writing."),
    ];
    fn parse(raw: &mut Fields) -> Result<Self, FieldError> {
        let data = raw.remove("data");
        if let Some(value) = &data
            && !value.is_null()
            && !value.is_object()
        {
            let reason = "expected type 'map[string]interface {}': give an object".to_owned();
            return Err(FieldError::Conversion { name: "data".to_owned(), reason });
        }
        raw.remove("version");
        Ok(Self { path: take(raw, "path", None, false)?, data, options: take(raw, "options", None, false)? })
    }
}

impl Write {
    /// The new contents: an object, or null.
    pub(crate) fn data(&self) -> Result<&Value> {
        self.data.as_ref().ok_or_else(|| Error::invalid("no data provided"))
    }

    /// The version that must be current.
    pub(crate) fn cas(&self) -> Result<Option<i64>> {
        let bad = || Error::invalid("error parsing check-and-set parameter");
        match self.options.0.get("cas") {
            None => Ok(None),
            // Go's weak conversion of what is no number.
            Some(Value::Null) => Ok(Some(0)),
            Some(Value::Bool(flag)) => Ok(Some(i64::from(*flag))),
            Some(Value::Number(number)) => number.as_i64().map(Some).ok_or_else(bad),
            Some(Value::String(text)) => text.trim().parse().map(Some).map_err(|_| bad()),
            Some(_) => Err(bad()),
        }
    }
}

/// Settings of one path.
#[derive(Params)]
pub(crate) struct Settings {
    /// Location of the secret.
    pub(crate) path: String,
    /// How many versions are kept; the mount's setting if 0.
    pub(crate) max_versions: Option<i64>,
    /// Whether every write must name the version that is current.
    pub(crate) cas_required: Option<bool>,
    /// How long a version lives before it is deleted; the mount's setting if 0.
    pub(crate) delete_version_after: Option<Seconds>,
    /// Names and values for people, at most 64.
    pub(crate) custom_metadata: Option<Object>,
    /// Whether every write of these settings must name the version of them that is current.
    pub(crate) metadata_cas_required: Option<bool>,
    /// The version of the settings that must be current (0: none).
    pub(crate) metadata_cas: Option<i64>,
}

impl Settings {
    /// Whether nothing is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.max_versions.is_none()
            && self.cas_required.is_none()
            && self.delete_version_after.is_none()
            && self.custom_metadata.is_none()
            && self.metadata_cas_required.is_none()
    }
}

/// Changed settings of one path: `null` puts a setting back.
pub(crate) struct SettingsPatch(pub(crate) Settings);

impl Params for SettingsPatch {
    const FIELDS: &'static [FieldSpec] = Settings::FIELDS;
    fn parse(raw: &mut Fields) -> Result<Self, FieldError> {
        let nulls: Vec<String> =
            raw.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()).collect();
        let mut settings = Settings::parse(raw)?;
        for name in nulls {
            match name.as_str() {
                "max_versions" => settings.max_versions = Some(0),
                "cas_required" => settings.cas_required = Some(false),
                "metadata_cas_required" => settings.metadata_cas_required = Some(false),
                "delete_version_after" => settings.delete_version_after = Some(Seconds(0)),
                "custom_metadata" => settings.custom_metadata = Some(Object(Map::new())),
                _ => {}
            }
        }
        Ok(Self(settings))
    }
}

/// A count that must not be negative.
pub(crate) fn count(name: &str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::Invalid(format!("{name} must not be negative, got {value}: use 0 or more")))
}
