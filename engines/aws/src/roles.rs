//! `roles/<name>`: what kind of credential, and what it may do.
use crate::{Engine, legacy};
use lessor_engine::{CommaList, Context, Error, KeyValues, Params, Reply, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds of credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A fresh IAM user.
    IamUser,
    /// A session of a role.
    AssumedRole,
    /// A session with a policy of its own.
    FederationToken,
    /// A session of the root user itself.
    SessionToken,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::IamUser => "iam_user",
            Self::AssumedRole => "assumed_role",
            Self::FederationToken => "federation_token",
            Self::SessionToken => "session_token",
        }
    }
    fn parse(word: &str) -> Option<Self> {
        [Self::IamUser, Self::AssumedRole, Self::FederationToken, Self::SessionToken]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// What is kept of a role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Role {
    /// One, but for old roles that meant two.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) role_arns: Vec<String>,
    pub(crate) policy_arns: Vec<String>,
    pub(crate) policy_document: String,
    pub(crate) iam_groups: Vec<String>,
    pub(crate) iam_tags: BTreeMap<String, String>,
    pub(crate) session_tags: BTreeMap<String, String>,
    pub(crate) external_id: String,
    pub(crate) default_sts_ttl: u64,
    pub(crate) max_sts_ttl: u64,
    pub(crate) user_path: String,
    pub(crate) permissions_boundary_arn: String,
    pub(crate) mfa_serial_number: String,
    /// How often in a row a new key has to be accepted before it is handed out.
    pub(crate) wait_until_usable: u32,
    /// Seconds after which that is given up.
    pub(crate) wait_timeout: u64,
    /// Keeps old roles from issuing a stronger kind through the other path.
    pub(crate) legacy: bool,
}

/// Below the bound of a platform call.
const LONGEST_WAIT: u64 = 80;
const DEFAULT_WAIT: u64 = 60;

pub(crate) fn key(name: &str) -> String {
    format!("role/{name}")
}

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the role.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct Write {
    /// Name of the role.
    name: String,
    /// `iam_user`, `assumed_role`, `federation_token` or `session_token`.
    credential_type: Option<String>,
    /// Roles that may be assumed.
    role_arns: Option<CommaList>,
    /// Managed policies: attached to the user, or narrowing the session.
    policy_arns: Option<CommaList>,
    /// Inline policy: of the user, or narrowing the session.
    policy_document: Option<lessor_engine::Any>,
    /// Groups: joined by the user, or narrowing the session by their policies.
    iam_groups: Option<CommaList>,
    /// Tags of the user.
    iam_tags: Option<KeyValues>,
    /// Tags of the session.
    session_tags: Option<KeyValues>,
    /// External id of AssumeRole.
    external_id: Option<String>,
    /// TTL of sessions when the caller asks for none.
    default_sts_ttl: Option<Seconds>,
    /// Upper bound of sessions.
    max_sts_ttl: Option<Seconds>,
    /// Path of the user.
    user_path: Option<String>,
    /// Permissions boundary of the user.
    permissions_boundary_arn: Option<String>,
    /// MFA device of the root user.
    mfa_serial_number: Option<String>,
    /// Holds the answer back until AWS accepted the new key so often in a row; 0 hands it out at once.
    wait_until_usable: Option<i64>,
    /// Gives that up after this time, revokes the key and says so.
    wait_timeout: Option<Seconds>,
    /// Deprecated: ARN of a role or policy.
    arn: Option<String>,
    /// Deprecated: a policy.
    policy: Option<lessor_engine::Any>,
}

pub(crate) async fn exists(_: Arc<Engine>, cx: Context, at: Named) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn delete(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let list = |items: &Vec<String>| if items.is_empty() { Value::Null } else { json!(items) };
    let map = |items: &BTreeMap<String, String>| if items.is_empty() { Value::Null } else { json!(items) };
    let kinds: Vec<&str> = role.kinds.iter().map(|kind| kind.word()).collect();
    let mut data = json!({
        "credential_type": kinds.join(","),
        "policy_arns": list(&role.policy_arns),
        "role_arns": list(&role.role_arns),
        "iam_groups": list(&role.iam_groups),
        "policy_document": role.policy_document,
        "iam_tags": map(&role.iam_tags),
        "session_tags": map(&role.session_tags),
        "external_id": role.external_id,
        "user_path": role.user_path,
        "permissions_boundary_arn": role.permissions_boundary_arn,
        "mfa_serial_number": role.mfa_serial_number,
        "default_sts_ttl": role.default_sts_ttl,
        "max_sts_ttl": role.max_sts_ttl,
    });
    if role.wait_until_usable > 0 {
        data["wait_until_usable"] = json!(role.wait_until_usable);
        data["wait_timeout"] = json!(role.wait_timeout);
    }
    Ok(Reply::data(data))
}

/// JSON as text or as itself, compact, keys in the order given; empty stays empty.
fn document(value: &Value, field: &str) -> Result<String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) if text.trim().is_empty() => Ok(String::new()),
        Value::String(text) => serde_json::from_str::<Value>(text)
            .map(|document| document.to_string())
            .map_err(|error| Error::invalid(format!("cannot parse {field}: {error}"))),
        other => Ok(other.to_string()),
    }
}

/// Everything that is wrong with a role.
fn faults(role: &Role) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(kind) = role.kinds.first().copied() else {
        return vec!["did not supply credential_type".to_owned()];
    };
    let mut only = |set: bool, field: &str, allowed: &[Kind]| {
        if set && !allowed.contains(&kind) {
            faults.push(format!("{field} is not supported for credential_type {}", kind.word()));
        }
    };
    let sts = [Kind::AssumedRole, Kind::FederationToken, Kind::SessionToken];
    let policies = [Kind::IamUser, Kind::AssumedRole, Kind::FederationToken];
    only(!role.role_arns.is_empty(), "role_arns", &[Kind::AssumedRole]);
    only(!role.policy_arns.is_empty(), "policy_arns", &policies);
    only(!role.policy_document.is_empty(), "policy_document", &policies);
    only(!role.iam_groups.is_empty(), "iam_groups", &policies);
    only(!role.iam_tags.is_empty(), "iam_tags", &[Kind::IamUser]);
    only(!role.session_tags.is_empty(), "session_tags", &[Kind::AssumedRole]);
    only(!role.external_id.is_empty(), "external_id", &[Kind::AssumedRole]);
    only(role.default_sts_ttl > 0, "default_sts_ttl", &sts);
    only(role.max_sts_ttl > 0, "max_sts_ttl", &sts);
    only(!role.user_path.is_empty(), "user_path", &[Kind::IamUser]);
    only(!role.permissions_boundary_arn.is_empty(), "permissions_boundary_arn", &[Kind::IamUser]);
    only(!role.mfa_serial_number.is_empty(), "mfa_serial_number", &[Kind::SessionToken]);
    only(role.wait_until_usable > 0, "wait_until_usable", &[Kind::IamUser]);
    if role.max_sts_ttl > 0 && role.default_sts_ttl > role.max_sts_ttl {
        faults.push("default_sts_ttl must not be longer than max_sts_ttl".to_owned());
    }
    if kind == Kind::AssumedRole && role.role_arns.is_empty() {
        faults.push("role_arns: an assumed_role needs at least one role to assume".to_owned());
    }
    let path = &role.user_path;
    let printable = path.len() <= 512 && path.bytes().all(|byte| (0x21..=0x7f).contains(&byte));
    let well_formed = path.is_empty() || (printable && path.starts_with('/') && path.ends_with('/'));
    if !well_formed {
        faults.push(format!("user_path {path:?} must begin and end with / and hold printable characters only"));
    }
    let boundary: Vec<&str> = role.permissions_boundary_arn.splitn(6, ':').collect();
    let fits = matches!(boundary.as_slice(), ["arn", _, "iam", _, _, resource] if resource.starts_with("policy/"));
    if !role.permissions_boundary_arn.is_empty() && !fits {
        faults.push("permissions_boundary_arn must be the ARN of an IAM policy".to_owned());
    }
    faults
}

fn take(list: Option<CommaList>, place: &mut Vec<String>) {
    if let Some(list) = list {
        *place = list.0;
    }
}

fn merge(role: &mut Role, write: Write) -> Result<()> {
    if let Some(word) = write.credential_type.filter(|word| !word.is_empty()) {
        let kind = Kind::parse(&word).ok_or_else(|| {
            Error::invalid(format!(
                "unrecognized credential_type: {word:?}: use iam_user, assumed_role, federation_token or session_token"
            ))
        })?;
        role.kinds = vec![kind];
    }
    take(write.role_arns, &mut role.role_arns);
    take(write.policy_arns, &mut role.policy_arns);
    take(write.iam_groups, &mut role.iam_groups);
    if let Some(document_) = write.policy_document {
        role.policy_document = document(&document_.0, "policy_document")?;
    }
    for (new, place) in [(write.iam_tags, &mut role.iam_tags), (write.session_tags, &mut role.session_tags)] {
        if let Some(tags) = new {
            *place = tags.0;
        }
    }
    for (new, place) in [
        (write.external_id, &mut role.external_id),
        (write.user_path, &mut role.user_path),
        (write.permissions_boundary_arn, &mut role.permissions_boundary_arn),
        (write.mfa_serial_number, &mut role.mfa_serial_number),
    ] {
        if let Some(text) = new {
            *place = text;
        }
    }
    for (new, place) in [(write.default_sts_ttl, &mut role.default_sts_ttl), (write.max_sts_ttl, &mut role.max_sts_ttl)]
    {
        if let Some(Seconds(seconds)) = new {
            *place = seconds;
        }
    }
    if let Some(times) = write.wait_until_usable {
        let fits = u32::try_from(times).ok().filter(|times| *times <= 100);
        role.wait_until_usable =
            fits.ok_or_else(|| Error::invalid(format!("wait_until_usable: {times} is out of range: use 0 to 100")))?;
    }
    if let Some(Seconds(seconds)) = write.wait_timeout {
        if seconds > LONGEST_WAIT {
            return Err(Error::invalid(format!("wait_timeout: at most {LONGEST_WAIT} seconds")));
        }
        role.wait_timeout = seconds;
    }
    if role.wait_timeout == 0 {
        role.wait_timeout = DEFAULT_WAIT;
    }
    role.legacy = false;
    Ok(())
}

pub(crate) async fn write(_: Arc<Engine>, cx: Context, mut write: Write) -> Result<Reply> {
    let name = write.name.clone();
    // null is how old clients leave out one of the two.
    let arn = write.arn.take().unwrap_or_default();
    let policy = write.policy.take().map(|policy| document(&policy.0, "policy")).transpose()?.unwrap_or_default();
    if arn.is_empty() && policy.is_empty() {
        let mut role: Role = cx.view.get(&key(&name)).await?.unwrap_or_default();
        merge(&mut role, write)?;
        let faults = faults(&role);
        if !faults.is_empty() {
            return Err(Error::invalid(faults.join("; ")));
        }
        cx.view.put(&key(&name), &role).await?;
        return Ok(Reply::empty());
    }
    let mut modern = Role::default();
    merge(&mut modern, write)?;
    modern.wait_timeout = 0;
    if serde_json::to_value(&modern)? != serde_json::to_value(Role::default())? {
        return Err(Error::invalid("arn and policy are of old roles and cannot be used together with other fields"));
    }
    cx.view.put(&key(&name), &legacy::role(&arn, &policy)?).await?;
    Ok(Reply::empty()
        .warn("Detected use of legacy role or policy parameter. Please upgrade to use the new parameters."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_role_is_named_at_once() {
        let role = Role {
            kinds: vec![Kind::SessionToken],
            role_arns: vec!["arn".into()],
            external_id: "x".into(),
            user_path: "no-slash".into(),
            ..Role::default()
        };
        let text = faults(&role).join("; ");
        for field in ["role_arns", "external_id", "user_path"] {
            assert!(text.contains(field), "{text}");
        }
        assert_eq!(faults(&Role::default()), ["did not supply credential_type"]);
        assert!(faults(&Role { kinds: vec![Kind::IamUser], ..Role::default() }).is_empty());
    }
}
