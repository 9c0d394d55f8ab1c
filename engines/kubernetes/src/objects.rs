//! What is made for a lease: where it lies, and how it is written
//! (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const RBAC: &str = "rbac.authorization.k8s.io";
/// By which mount an object was made.
pub(crate) const MOUNT: &str = "lessor.io/mount";
/// For which lease: two leases of one name are told apart.
pub(crate) const GRANT: &str = "lessor.io/grant";

/// The namespace of the lease, on objects of the cluster too.
pub(crate) const NAMESPACE: &str = "lessor.io/namespace";

/// Kinds of objects, in the order of their deletion: the account's end is the token's end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    ServiceAccount,
    RoleBinding,
    ClusterRoleBinding,
    Role,
    ClusterRole,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::ServiceAccount, Self::RoleBinding, Self::ClusterRoleBinding, Self::Role, Self::ClusterRole];

    /// As it is written in objects.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
        }
    }
    fn version(self) -> String {
        if self == Self::ServiceAccount { "v1".to_owned() } else { format!("{RBAC}/v1") }
    }
    /// Where all objects of the kind lie, in one namespace or (empty) everywhere.
    pub(crate) fn collection(self, namespace: &str) -> String {
        let base = if self == Self::ServiceAccount { "/api/v1".to_owned() } else { format!("/apis/{RBAC}/v1") };
        let plural = format!("{}s", self.word().to_lowercase());
        if namespace.is_empty() || matches!(self, Self::ClusterRole | Self::ClusterRoleBinding) {
            return format!("{base}/{plural}");
        }
        format!("{base}/namespaces/{namespace}/{plural}")
    }
}

/// One object of a lease.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    /// Of the account, for objects of the cluster too.
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Assigned by the cluster; empty until the object is known to be made.
    #[serde(default)]
    pub(crate) uid: String,
}

impl Object {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.kind.collection(&self.namespace), self.name)
    }
    pub(crate) fn owner(&self) -> Value {
        json!({ "apiVersion": self.kind.version(), "kind": self.kind.word(), "name": self.name, "uid": self.uid })
    }
    /// The object as it is sent, with what only its kind has in `more`.
    pub(crate) fn body(&self, marks: &Marks, owner: Option<&Self>, more: Map<String, Value>) -> Value {
        let mut metadata = json!({ "name": self.name, "labels": marks.labels });
        if !matches!(self.kind, Kind::ClusterRole | Kind::ClusterRoleBinding) {
            metadata["namespace"] = json!(self.namespace);
        }
        if !marks.annotations.is_empty() {
            metadata["annotations"] = json!(marks.annotations);
        }
        if let Some(owner) = owner {
            metadata["ownerReferences"] = json!([owner.owner()]);
        }
        let mut body = json!({ "apiVersion": self.kind.version(), "kind": self.kind.word(), "metadata": metadata });
        if let Value::Object(body) = &mut body {
            body.extend(more);
        }
        body
    }
}

/// What a binding says beside its metadata.
pub(crate) fn bound(account: &Object, role: Kind, name: &str) -> Map<String, Value> {
    let said = json!({
        "roleRef": { "apiGroup": RBAC, "kind": role.word(), "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": account.name, "namespace": account.namespace }],
    });
    if let Value::Object(said) = said { said } else { Map::new() }
}

/// Labels and annotations of everything a lease makes.
pub(crate) struct Marks {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Marks {
    /// The role's own, with the fixed ones over them. The first two are those that Vault's users select by.
    pub(crate) fn new(
        [mount, grant, namespace]: [&str; 3],
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Self {
        let mut labels = labels.clone();
        for (name, value) in [
            ("app.kubernetes.io/managed-by", "HashiCorp-Vault"),
            ("app.kubernetes.io/created-by", "vault-plugin-secrets-kubernetes"),
            (MOUNT, mount),
            (GRANT, grant),
            (NAMESPACE, namespace),
        ] {
            labels.insert(name.to_owned(), value.to_owned());
        }
        Self { labels, annotations: annotations.clone() }
    }
}
