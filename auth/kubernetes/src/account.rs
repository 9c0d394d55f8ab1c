//! What a token says of its service account: in the form of today, or in that of clusters before 1.21.
use lessor_signed_token::Claims;
use serde_json::Value;

/// A service account.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Of tokens in the older form, which lie in a secret.
    pub(crate) secret: String,
}

impl Account {
    /// Reads what is there; what is missing stays empty, and fits nothing.
    pub(crate) fn of(claims: &Claims) -> Self {
        let now =
            |path: &str| claims.get("kubernetes.io").and_then(|claim| claim.pointer(path)).and_then(Value::as_str);
        let old = |name: &str| claims.get(&format!("kubernetes.io/serviceaccount/{name}")).and_then(Value::as_str);
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Self {
            namespace: text(now("/namespace").or_else(|| old("namespace"))),
            name: text(now("/serviceaccount/name").or_else(|| old("service-account.name"))),
            uid: text(now("/serviceaccount/uid").or_else(|| old("service-account.uid"))),
            secret: text(old("secret.name")),
        }
    }
    /// The name the cluster knows it by.
    pub(crate) fn user_name(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_name_the_same_account() {
        let account = |claims: Value| Account::of(claims.as_object().unwrap());
        let today = json!({ "kubernetes.io": { "namespace": "n", "serviceaccount": { "name": "s", "uid": "u" } } });
        let before = json!({
            "kubernetes.io/serviceaccount/namespace": "n", "kubernetes.io/serviceaccount/service-account.name": "s",
            "kubernetes.io/serviceaccount/service-account.uid": "u",
        });
        assert_eq!(account(today.clone()), account(before));
        assert_eq!(account(today).user_name(), "system:serviceaccount:n:s");
        assert_eq!(account(json!({ "kubernetes.io": 5 })), Account::default());
    }
}
