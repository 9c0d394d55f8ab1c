//! The second step of a login. What waits for it lies in storage, so that any node can finish it: at most
//! [`WAITING`] logins of an entity, for five minutes.
use super::enforcement::Enforcement;
use super::{Method, Settings, method_key};
use crate::identity::login::LoginAt;
use crate::identity::{Identity, Subject};
use crate::mount::entry::uuid;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Error, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Logins of one entity that wait at the same time; the oldest makes room.
const WAITING: usize = 8;

/// What a login has to prove beside its first factor.
pub struct Requirement {
    entity_id: String,
    /// By name of the enforcement; one of the methods of each.
    enforcements: Vec<(String, Vec<Method>)>,
}

/// Passcodes by method id or name.
#[derive(Default)]
pub struct Proofs(BTreeMap<String, Vec<Secret>>);

/// A login that waits for its second step, with whatever its maker needs to finish it.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    /// The entity.
    pub entity_id: String,
    /// Its maker's own.
    pub payload: Value,
    accessor: String,
    kind: String,
    expires: Timestamp,
}

impl Proofs {
    /// Out of the values of `X-Vault-MFA` headers: `method[:passcode]`.
    pub fn from_headers<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut proofs = BTreeMap::<String, Vec<Secret>>::new();
        for value in values {
            let (method, passcode) = value.split_once(':').unwrap_or((value, ""));
            let list = proofs.entry(method.to_owned()).or_default();
            if !passcode.is_empty() {
                list.push(Secret::new(passcode));
            }
        }
        Self(proofs)
    }
    /// Out of the `mfa_payload` of `sys/mfa/validate`: method id to a list of passcodes.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_payload(payload: &Map<String, Value>) -> Result<Self> {
        let mut proofs = BTreeMap::new();
        for (method, list) in payload {
            let wrong = || Error::invalid(format!("mfa_payload: {method:?} needs a list of passcodes"));
            let text = |value: &Value| value.as_str().map(Secret::new).ok_or_else(wrong);
            let list = list.as_array().ok_or_else(wrong)?.iter().map(text).collect::<Result<Vec<Secret>>>()?;
            proofs.insert(method.clone(), list);
        }
        Ok(Self(proofs))
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    fn of(&self, method: &Method) -> Option<&[Secret]> {
        let named = || self.0.get(&method.name).filter(|_| !method.name.is_empty());
        self.0.get(&method.id).or_else(named).map(Vec::as_slice)
    }
}

impl Requirement {
    /// The `mfa_requirement` of an answer.
    pub fn show(&self, request: &str) -> Value {
        let method = |method: &Method| {
            json!({
                "type": method.settings.word(), "id": method.id, "uses_passcode": method.settings.uses_passcode(),
                "name": method.name,
            })
        };
        let constraints: Map<String, Value> = self
            .enforcements
            .iter()
            .map(|(name, methods)| (name.clone(), json!({ "any": methods.iter().map(method).collect::<Vec<_>>() })))
            .collect();
        json!({ "mfa_request_id": request, "mfa_constraints": constraints })
    }
}

fn request_key(id: &str) -> String {
    format!("mfa/pending/request/{id}")
}
fn waiting_key(entity: &str) -> String {
    format!("mfa/pending/entity/{entity}")
}

impl Enforcement {
    fn covers(&self, accessor: &str, kind: &str, subject: &Subject) -> bool {
        self.accessors.iter().any(|known| known == accessor)
            || self.types.iter().any(|known| known == kind)
            || self.entities.contains(&subject.id)
            || subject.groups.iter().any(|group| self.groups.contains(&group.id))
    }
}

impl Identity {
    /// What the login of an entity has to prove; `None` where nothing is enforced on it.
    ///
    /// # Errors
    /// When the entity is gone or disabled (403), or storage fails.
    pub async fn mfa_requirement(&self, at: &LoginAt<'_>, entity_id: &str) -> Result<Option<Requirement>> {
        self.required(at.namespace, at.accessor, at.kind, entity_id).await
    }
    async fn required(&self, ns: &str, accessor: &str, kind: &str, entity_id: &str) -> Result<Option<Requirement>> {
        let mut tx = self.begin(ns);
        let all = tx.all::<Enforcement>("mfa/enforcement/").await?;
        if all.is_empty() {
            return Ok(None);
        }
        let subject = self.subject(ns, entity_id).await?;
        let subject = subject.ok_or_else(|| Error::Forbidden("permission denied".to_owned()))?;
        let mut enforcements = Vec::new();
        for (name, enforcement) in all.into_iter().filter(|(_, found)| found.covers(accessor, kind, &subject)) {
            let mut methods = Vec::new();
            for id in &enforcement.methods {
                methods.extend(tx.get::<Method>(&method_key(id)).await?);
            }
            enforcements.push((name, methods));
        }
        Ok((!enforcements.is_empty()).then(|| Requirement { entity_id: entity_id.to_owned(), enforcements }))
    }
    /// Checks what a login proves. Codes are used up.
    ///
    /// # Errors
    /// Which enforcement is not satisfied, and why (403).
    pub async fn mfa_check(&self, ns: &str, requirement: &Requirement, proofs: &Proofs) -> Result<()> {
        for (name, methods) in &requirement.enforcements {
            let refuse =
                |text: String| Error::Forbidden(format!("failed to satisfy enforcement {name}. error: {text}"));
            let offered: Vec<(&Method, &[Secret])> =
                methods.iter().filter_map(|method| Some((method, proofs.of(method)?))).collect();
            if offered.is_empty() {
                let lines = methods.iter().map(|method| {
                    format!(
                        "failed to find MFA credentials associated with an MFA method ID {}, method name {}",
                        method.id, method.name
                    )
                });
                return Err(refuse(format!("failed to sanitize MFA creds, {}", errors(&lines.collect::<Vec<_>>()))));
            }
            let mut lines = Vec::new();
            let mut satisfied = false;
            for (method, passcodes) in &offered {
                match self.prove(ns, &requirement.entity_id, method, passcodes).await? {
                    Ok(()) => satisfied = true,
                    Err(reason) => lines.push(reason),
                }
                if satisfied {
                    break;
                }
            }
            if !satisfied {
                let ids: Vec<&str> = offered.iter().map(|(method, _)| method.id.as_str()).collect();
                lines.push(format!("login MFA validation failed for methodID: [{}]", ids.join(" ")));
                return Err(refuse(errors(&lines)));
            }
        }
        Ok(())
    }
    async fn prove(
        &self,
        ns: &str,
        entity: &str,
        method: &Method,
        passcodes: &[Secret],
    ) -> Result<std::result::Result<(), String>> {
        let Settings::Totp(settings) = &method.settings else {
            let kind = method.settings.word();
            return Ok(Err(format!(
                "this version cannot validate MFA of type {kind}: it keeps its settings, and asks nobody; use totp"
            )));
        };
        match passcodes {
            [] => Ok(Err("MFA credentials not supplied or incorrect".to_owned())),
            [passcode] => self.check_totp(ns, &method.id, settings, entity, passcode.expose()).await,
            _ => Ok(Err("failed to parse MFA factor, found multiple passcodes for the same MFA method".to_owned())),
        }
    }
    /// Keeps a login until its second step; answers with the request's id.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn mfa_park(&self, at: &LoginAt<'_>, requirement: &Requirement, payload: &Value) -> Result<String> {
        let id = uuid();
        let entity = &requirement.entity_id;
        let mut tries = 0;
        loop {
            let mut tx = self.begin(at.namespace);
            let now = tx.now;
            let waiting = tx.get::<Vec<(String, Timestamp)>>(&waiting_key(entity)).await?.unwrap_or_default();
            let (mut kept, mut gone): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, expires)| *expires > now);
            if kept.len() >= WAITING {
                gone.extend(kept.drain(..=kept.len() - WAITING));
            }
            for (old, _) in gone {
                tx.delete(request_key(&old));
            }
            let expires = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
            kept.push((id.clone(), expires));
            tx.put(waiting_key(entity), &kept)?;
            let pending = Pending {
                entity_id: entity.clone(),
                payload: payload.clone(),
                accessor: at.accessor.to_owned(),
                kind: at.kind.to_owned(),
                expires,
            };
            tx.put(request_key(&id), &pending)?;
            if tx.commit(&mut tries).await? {
                return Ok(id);
            }
        }
    }
    /// Finishes a login that waits: what is enforced now is checked, and the login is given out once.
    ///
    /// # Errors
    /// `invalid request ID` (400), or which enforcement is not satisfied (403): then the login goes on waiting.
    pub async fn mfa_finish(&self, ns: &str, id: &str, proofs: &Proofs) -> Result<Pending> {
        if id.is_empty() {
            return Err(Error::invalid("missing request ID"));
        }
        let unknown = || Error::invalid("invalid request ID");
        let mut tx = self.begin(ns);
        let now = tx.now;
        let found = tx.get::<Pending>(&request_key(id)).await?;
        let pending = found.filter(|pending| pending.expires > now).ok_or_else(unknown)?;
        if let Some(requirement) = self.required(ns, &pending.accessor, &pending.kind, &pending.entity_id).await? {
            self.mfa_check(ns, &requirement, proofs).await?;
        }
        tx.delete(request_key(id));
        // Of two that finish the same login, one finds it gone.
        if tx.commit(&mut 0).await? { Ok(pending) } else { Err(unknown()) }
    }
}

/// The field's multi-error format.
fn errors(lines: &[String]) -> String {
    let plural = if lines.len() == 1 { "error" } else { "errors" };
    format!("{} {plural} occurred:\n\t* {}\n\n", lines.len(), lines.join("\n\t* "))
}
