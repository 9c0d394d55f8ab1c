//! Tokens, and what is made for them.
use crate::Engine;
use crate::cluster::Cluster;
use crate::objects::{GRANT, Kind, MOUNT, Marks, NAMESPACE, Object, bound};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_engine::{Context, Credential, Dynamic, Error, Grant, MadeObject, Result, Secret, Terms, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

/// Objects that a lease makes, in the order of their making, and what they say.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Making {
    pub(crate) objects: Vec<Object>,
    /// Of a generated role.
    pub(crate) rules: Option<Value>,
    /// The role that is bound.
    pub(crate) bound_kind: Kind,
    pub(crate) bound: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What an intent keeps of a token; a lease keeps the objects that were made, with their uids, instead of how to make them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) role: String,
    pub(crate) namespace: String,
    /// Whose token it is.
    pub(crate) account: String,
    /// By which this lease's objects are told from others of the same names.
    pub(crate) mark: String,
    pub(crate) seconds: u64,
    pub(crate) audiences: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) making: Option<Making>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) made: Vec<Object>,
}

fn uid(object: &Value) -> Result<String> {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    uid.map(str::to_owned).ok_or_else(|| Error::Unavailable("the API server answered without a uid".to_owned()))
}

fn label<'a>(object: &'a Value, name: &str) -> &'a str {
    let labels = object.pointer("/metadata/labels").and_then(|labels| labels.get(name));
    labels.and_then(Value::as_str).unwrap_or_default()
}

/// Makes everything that the account needs; every object but the first is owned by it, so that a cluster that collects
/// garbage does so.
async fn make(cluster: &Cluster, making: &Making, marks: &Marks) -> Result<Vec<Object>> {
    let mut made: Vec<Object> = Vec::new();
    for object in &making.objects {
        let more = match object.kind {
            Kind::ServiceAccount => Map::new(),
            Kind::RoleBinding | Kind::ClusterRoleBinding => bound(object, making.bound_kind, &making.bound),
            Kind::Role | Kind::ClusterRole => Map::from_iter([("rules".to_owned(), json!(making.rules))]),
        };
        let body = object.body(marks, made.first(), more);
        let answer = cluster.create(&object.kind.collection(&object.namespace), &body).await?;
        made.push(Object { uid: uid(&answer)?, ..object.clone() });
    }
    Ok(made)
}

/// The uid of an object that may have been made for this very lease.
async fn own_uid(cluster: &Cluster, object: &Object, mount: &str, mark: &str) -> Result<Option<String>> {
    let Some(found) = cluster.get(&object.path()).await? else { return Ok(None) };
    if label(&found, MOUNT) != mount || (!mark.is_empty() && label(&found, GRANT) != mark) {
        return Ok(None);
    }
    uid(&found).map(Some)
}

/// Deletes the account first (its tokens end with it), then the binding, then the role, whether or not the cluster
/// collects garbage. A failure does not keep the rest.
async fn remove(cluster: &Cluster, mut objects: Vec<Object>, mount: &str, mark: &str) -> Result<()> {
    objects.sort_by_key(|object| object.kind);
    let mut failures = Vec::new();
    for object in &objects {
        let removed = async {
            let uid = match object.uid.as_str() {
                "" => own_uid(cluster, object, mount, mark).await?,
                known => Some(known.to_owned()),
            };
            match uid {
                Some(uid) => cluster.delete(&object.path(), &uid).await,
                None => Ok(()),
            }
        };
        match removed.await {
            Ok(()) => {}
            // Nobody answers: the others would wait as long for nothing.
            Err(error) if error.target_is_down() => return Err(error),
            Err(error) => failures.push(format!("{} {}: {error}", object.kind.word(), object.name)),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Error::Refused { status: 500, message: failures.join("; ") }) }
}

/// How long a token lives by its own claims.
fn lifetime(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let at = |name: &str| claims.get(name).and_then(Value::as_u64);
    Some(Duration::from_secs(at("exp")?.checked_sub(at("iat")?)?))
}

/// What is told where the cluster gave the token another lifetime than it was asked for.
fn differing(lives: Duration, plan: &Plan) -> Option<String> {
    let (lives, asked) = (lives.as_secs(), plan.seconds);
    match lives.cmp(&asked) {
        Ordering::Equal => None,
        Ordering::Less => {
            Some(format!("the cluster lets the token live {lives} s, not {asked} s: the lease is as short"))
        }
        // A generated account's token ends with the account.
        Ordering::Greater if !plan.made.is_empty() => None,
        Ordering::Greater => Some(format!(
            "the cluster lets the token live {lives} s, longer than its lease of {asked} s: it works until then"
        )),
    }
}

/// A token of an account, by its namespace and name.
pub(crate) async fn token_of(
    cluster: &Cluster,
    (namespace, account): (&str, &str),
    audiences: &[String],
    seconds: u64,
) -> Result<Secret> {
    let path = format!("{}/{account}/token", Kind::ServiceAccount.collection(namespace));
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": { "audiences": audiences, "expirationSeconds": seconds },
    });
    let mut answer = cluster.create(&path, &body).await?;
    match answer.pointer_mut("/status/token").map(Value::take) {
        Some(Value::String(token)) => Ok(Secret::new(token)),
        _ => Err(Error::Unavailable("the API server answered without a token".to_owned())),
    }
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let mut plan: Plan = grant.read()?;
        let cluster = self.cluster(cx).await?;
        if let Some(making) = plan.making.take() {
            let marks = Marks::new([&cx.mount.uuid, &plan.mark, &plan.namespace], &making.labels, &making.annotations);
            plan.made = make(&cluster, &making, &marks).await?;
        }
        let account = (plan.namespace.as_str(), plan.account.as_str());
        let token = token_of(&cluster, account, &plan.audiences, plan.seconds).await?;
        let unread = || Error::Unavailable("the API server answered a token whose lifetime cannot be read".to_owned());
        let lives = lifetime(token.expose()).ok_or_else(unread)?;
        let data = Map::from_iter([
            ("service_account_name".to_owned(), json!(plan.account)),
            ("service_account_namespace".to_owned(), json!(plan.namespace)),
            ("service_account_token".to_owned(), json!(token.expose())),
        ]);
        // A lease never outlives its token.
        let ttl = Some(lives).filter(|lives| lives.as_secs() < plan.seconds);
        let warnings = differing(lives, &plan).into_iter().collect();
        Ok(Credential { grant_data: Some(serde_json::to_value(plan)?), ttl, warnings, ..Credential::new(data) })
    }

    async fn terms(&self, _: &Context, _: &Grant) -> Result<Terms> {
        Ok(Terms::default())
    }

    /// Leases of tokens are not renewable.
    async fn renew(&self, _: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        Err(Error::invalid("the token of an account cannot be prolonged: ask for another one"))
    }

    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let plan: Plan = grant.read()?;
        let objects = plan.making.map_or(plan.made, |making| making.objects);
        if objects.is_empty() {
            return Ok(());
        }
        remove(&self.cluster(cx).await?, objects, &cx.mount.uuid, &plan.mark).await
    }

    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let cluster = self.cluster(cx).await?;
        let mut names = std::collections::BTreeSet::new();
        for kind in Kind::ALL {
            for item in &cluster.list(&kind.collection(""), MOUNT, &cx.mount.uuid).await? {
                let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                // Objects of the cluster bear the namespace of their lease as a label.
                names.insert(format!("{}/{}", label(item, NAMESPACE), text("/metadata/name")));
            }
        }
        Ok(names.into_iter().map(|name| MadeObject { target: "cluster".to_owned(), name }).collect())
    }

    async fn grant_for(&self, _: &Context, object: &MadeObject) -> Result<Grant> {
        let (namespace, name) = object.name.split_once('/').unwrap_or_default();
        let of = |kind| Object { kind, namespace: namespace.to_owned(), name: name.to_owned(), uid: String::new() };
        let plan = Plan {
            role: String::new(),
            namespace: namespace.to_owned(),
            account: name.to_owned(),
            // Whatever bears the mount's label and this name.
            mark: String::new(),
            seconds: 0,
            audiences: Vec::new(),
            making: None,
            made: Kind::ALL.map(of).to_vec(),
        };
        let (target, name) = (object.target.clone(), object.name.clone());
        Ok(Grant { target, name, data: serde_json::to_value(plan)?, revocable: true })
    }

    async fn probe(&self, cx: &Context, _: &str) -> Result<()> {
        self.cluster(cx).await?.get("/version").await.map(drop)
    }
}
