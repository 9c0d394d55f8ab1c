//! Label selectors of Kubernetes, in JSON or YAML
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>).
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which labels fit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        // JSON is YAML, too. What is empty in YAML would be a selector that lets everything through.
        let value: serde_norway::Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
        if !value.is_mapping() {
            return Err("a selector is a mapping with matchLabels or matchExpressions".to_owned());
        }
        serde_norway::from_value(value).map_err(|error| error.to_string())
    }
    /// Whether it lets something with these labels through.
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let fits = |requirement: &Requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => listed,
                Operator::NotIn => !listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        };
        self.match_labels.iter().all(|(name, value)| labels.get(name) == Some(value))
            && self.match_expressions.iter().all(fits)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_in_both_forms_and_every_part_has_to_fit() {
        let labels: BTreeMap<String, String> = [("a", "1"), ("b", "2")].map(|(n, v)| (n.into(), v.into())).into();
        let fits = |text: &str| Selector::parse(text).unwrap().fits(&labels);
        assert!(fits(r#"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"c","operator":"DoesNotExist"}]}"#));
        assert!(fits("matchExpressions:\n- key: b\n  operator: In\n  values: ['2', '3']\n"));
        assert!(!fits("matchLabels:\n  a: '2'\n"));
        assert!(!fits(r#"{"matchExpressions":[{"key":"a","operator":"NotIn","values":["1"]}]}"#));
        assert!(fits("{}"));
        assert!(!fits(r#"{"matchLabels":{"a":"1","c":"3"}}"#));
        for wrong in [
            "zz",
            "",
            " ",
            "~",
            "null",
            "# none",
            "[",
            "[]",
            "matchLabel: {}",
            "matchExpressions:\n- key: a\n  operator: Is\n",
        ] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
    }
}
