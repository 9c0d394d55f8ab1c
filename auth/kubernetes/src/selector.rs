//! Label selectors, as Kubernetes writes them in JSON
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>).
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which labels fit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<Requirement>,
}

#[derive(Deserialize)]
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
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
    pub(crate) fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(name, value)| labels.get(name) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.fits(labels))
    }
}

impl Requirement {
    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_selector_has_to_fit() {
        let labels: BTreeMap<String, String> = [("a", "1"), ("b", "2")].map(|(n, v)| (n.into(), v.into())).into();
        let fits = |text: &str| Selector::parse(text).unwrap().fits(&labels);
        assert!(fits("{}"));
        assert!(fits(r#"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"b","operator":"In","values":["2"]}]}"#));
        assert!(fits(
            r#"{"matchExpressions":[{"key":"c","operator":"DoesNotExist"},{"key":"a","operator":"Exists"}]}"#
        ));
        assert!(!fits(r#"{"matchLabels":{"a":"1","c":"3"}}"#));
        assert!(!fits(
            r#"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"b","operator":"NotIn","values":["2"]}]}"#
        ));
        for wrong in ["zz", "", r#"{"matchLabel":{}}"#, r#"{"matchExpressions":[{"key":"a","operator":"Is"}]}"#] {
            assert!(Selector::parse(wrong).is_none(), "{wrong}");
        }
    }
}
