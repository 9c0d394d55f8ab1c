//! One-time passwords: `creds/`, `lookup` and `verify`. A password is stored under its hash, so that neither storage nor a
//! list of what is owned shows it, and whoever redeems it deletes it in the same commit that lets them in.
use crate::roles::{OtpRole, ROLES, Role, key, parts};
use crate::{Ssh, uuid, zero};
use async_trait::async_trait;
use aws_lc_rs::digest::{Context as Digest, SHA256};
use ipnet::IpNet;
use lessor_engine::{
    Changes, Context, Credential, Dynamic, Error, Grant, Issue, MadeObject, Params, Reply, Result, Secret, Terms,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::net::IpAddr;
use std::sync::Arc;

const OTPS: &str = "otp/";
/// Everything lies in the mount's own storage.
const TARGET: &str = "otp";
/// By what the host's helper asks whether it reaches the server.
const ECHO_REQUEST: &str = "verify-echo-request";
const ECHO_RESPONSE: &str = "verify-echo-response";

#[derive(Params)]
pub(crate) struct Asked {
    /// Name of the role.
    pub(crate) role: String,
    /// Address of the host.
    pub(crate) ip: String,
    /// The user on the host; the role's default_user if empty.
    pub(crate) username: String,
}

#[derive(Params)]
pub(crate) struct Lookup {
    /// Address of a host.
    ip: String,
}

#[derive(Params)]
pub(crate) struct Verify {
    /// The password.
    #[param(secret)]
    otp: Secret,
}

/// What a password is good for; stored under its hash.
#[derive(Clone, Serialize, Deserialize)]
struct Good {
    ip: String,
    username: String,
    role_name: String,
}

/// What a grant keeps; the password itself only until it is answered.
#[derive(Clone, Serialize, Deserialize)]
struct Plan {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    otp: Option<String>,
    port: i64,
    good: Good,
}

fn hash(cx: &Context, otp: &str) -> String {
    let mut digest = Digest::new(&SHA256);
    // Salted: the same text is another record in another mount.
    digest.update(cx.mount.uuid.as_bytes());
    digest.update(otp.as_bytes());
    hex::encode(digest.finish())
}

fn at(hash: &str) -> String {
    format!("{OTPS}{hash}")
}

fn address(text: &str) -> Result<IpAddr> {
    if text.is_empty() {
        return Err(Error::invalid("Missing ip"));
    }
    text.parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| Error::Invalid(format!("Invalid IP {text:?}")))
}

fn within(ip: IpAddr, blocks: &str) -> bool {
    parts(blocks).any(|block| block.parse::<IpNet>().is_ok_and(|block| block.contains(&ip)))
}

fn fits(role: &OtpRole, ip: IpAddr) -> bool {
    within(ip, &role.cidr_list) && !within(ip, &role.exclude_cidr_list)
}

fn user(role: &OtpRole, asked: &str) -> Result<String> {
    let allowed = asked.is_empty()
        || asked == role.default_user
        || role.allowed_users.trim() == "*"
        || parts(&role.allowed_users).any(|user| user == asked);
    if !allowed {
        return Err(Error::invalid("Username is not present is allowed users list"));
    }
    Ok(if asked.is_empty() { role.default_user.clone() } else { asked.to_owned() })
}

pub(crate) async fn creds(_: Arc<Ssh>, cx: Context, asked: Asked) -> Result<Reply> {
    let role = match cx.view.get::<Role>(&key(&asked.role)).await? {
        None => return Err(Error::Invalid(format!("Role {:?} not found", asked.role))),
        Some(Role::Ca(_)) => {
            let text = format!("role {:?} is of key_type ca: sign/{} signs keys", asked.role, asked.role);
            return Err(Error::Invalid(text));
        }
        Some(Role::Otp(role)) => role,
    };
    let username = user(&role, &asked.username)?;
    let ip = address(&asked.ip)?;
    if !fits(&role, ip) && !zero::roles(&cx).await?.contains(&asked.role) {
        return Err(Error::invalid("Error validating IP: IP does not belong to role"));
    }
    let otp = uuid()?;
    let name = hash(&cx, &otp);
    let good = Good { ip: ip.to_string(), username, role_name: asked.role };
    let plan = Plan { otp: Some(otp), port: role.port, good };
    let grant = Grant { target: TARGET.to_owned(), name, data: serde_json::to_value(plan)?, revocable: true };
    Ok(Reply::issue(Issue { grant, terms: Terms::default(), ttl: None, renewable: false }))
}

pub(crate) async fn lookup(_: Arc<Ssh>, cx: Context, asked: Lookup) -> Result<Reply> {
    let ip = address(&asked.ip)?;
    let mut roles = Vec::new();
    for name in cx.view.list(ROLES).await? {
        if let Some(Role::Otp(role)) = cx.view.get::<Role>(&key(&name)).await?
            && fits(&role, ip)
        {
            roles.push(name);
        }
    }
    // Behind those that fit, as it always was.
    for name in zero::roles(&cx).await? {
        if !roles.contains(&name) && matches!(cx.view.get::<Role>(&key(&name)).await?, Some(Role::Otp(_))) {
            roles.push(name);
        }
    }
    // Nothing is told as null, as it always was.
    let roles = if roles.is_empty() { json!(null) } else { json!(roles) };
    Ok(Reply::data(json!({ "roles": roles })))
}

/// Whether a text has the form of what [`uuid`] makes. What somebody types at a prompt mostly has not, costs nothing to
/// refuse, and does not count as a guess: a host whose logins are tried out is not shut to those with a password.
fn is_shaped(otp: &str) -> bool {
    otp.len() == 36
        && otp.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

pub(crate) async fn verify(ssh: Arc<Ssh>, cx: Context, asked: Verify) -> Result<Reply> {
    let otp = asked.otp.expose();
    if otp == ECHO_REQUEST {
        return Ok(Reply::data(json!({ "message": ECHO_RESPONSE })));
    }
    let unknown = || Error::invalid("OTP not found");
    if !is_shaped(otp) {
        return Err(unknown());
    }
    let (address, now) = (cx.connection.address, cx.clock.now().as_millisecond());
    ssh.guesses.check(address, now)?;
    let at = at(&hash(&cx, otp));
    let Some((good, version)) = cx.view.get_versioned::<Good>(&at).await? else {
        ssh.guesses.wrong(address, now);
        return Err(unknown());
    };
    // Of two that come at once, one commits.
    match cx.view.commit(Changes::new().expect(&at, Some(version)).delete(&at)).await {
        Ok(()) => {}
        Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => return Err(unknown()),
        Err(error) => return Err(error),
    }
    // A role that was deleted lets nobody in any more.
    match cx.view.get::<Role>(&key(&good.role_name)).await? {
        Some(Role::Otp(_)) => Ok(Reply::data(serde_json::to_value(good)?)),
        _ => Err(unknown()),
    }
}

pub(crate) async fn tidy(_: Arc<Ssh>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "message": "Removed 0 of 0 host keys." })))
}

#[async_trait]
impl Dynamic for Ssh {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let plan: Plan = grant.read()?;
        let otp = plan.otp.clone().ok_or_else(|| Error::Internal("the password was answered before".to_owned()))?;
        cx.view.put(&at(&grant.name), &plan.good).await?;
        let data = Map::from_iter([
            ("ip".to_owned(), json!(plan.good.ip)),
            ("key".to_owned(), json!(otp)),
            ("key_type".to_owned(), json!("otp")),
            ("port".to_owned(), json!(plan.port)),
            ("username".to_owned(), json!(plan.good.username)),
        ]);
        let kept = serde_json::to_value(Plan { otp: None, ..plan })?;
        Ok(Credential { grant_data: Some(kept), ..Credential::new(data) })
    }
    async fn terms(&self, _: &Context, _: &Grant) -> Result<Terms> {
        Ok(Terms::default())
    }
    async fn renew(&self, _: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        Err(Error::invalid("lease is not renewable"))
    }
    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        cx.view.delete(&at(&grant.name)).await
    }
    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let made = |name| MadeObject { target: TARGET.to_owned(), name };
        Ok(cx.view.list(OTPS).await?.into_iter().map(made).collect())
    }
    async fn grant_for(&self, _: &Context, object: &MadeObject) -> Result<Grant> {
        let nobody = Good { ip: String::new(), username: String::new(), role_name: String::new() };
        let plan = Plan { otp: None, port: 0, good: nobody };
        let (target, name) = (object.target.clone(), object.name.clone());
        Ok(Grant { target, name, data: serde_json::to_value(plan)?, revocable: true })
    }
    async fn probe(&self, _: &Context, _: &str) -> Result<()> {
        Ok(())
    }
}
