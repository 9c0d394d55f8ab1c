//! Orders: what is asked for, what has to be shown for it, and what comes out.
use super::account::handlers;
use super::jws::{Jwk, decode, encode};
use super::problem::{Outcome, Problem, malformed, problem, refuse};
use super::session::{Asked, Directory, json_reply};
use super::store::{Authorization, Challenge, Identifier, Order, authorization_at, issued_at, order_at};
use super::validate;
use crate::Engine;
use crate::encode::rfc3339;
use crate::issue::{self, Names};
use crate::names::Rules;
use crate::revoke::{Stored, cert_at};
use crate::roles::Role;
use crate::sans::Sans;
use crate::x509::{Cert, Csr};
use aws_lc_rs::rand;
use lessor_engine::{Changes, Context, Error, Fields, Params, Reply, Result, Seconds};
use serde_json::{Value, json};
use std::sync::Arc;

/// Seconds an order lives.
const ORDER_LASTS: i64 = 86_400;
/// Seconds an authorization lives.
const AUTHORIZATION_LASTS: i64 = 15 * 86_400;
/// Names in one order.
const MOST: usize = 100;

fn identifier(value: &Value) -> Outcome<Identifier> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "dns" => {
            let name = text("value").to_ascii_lowercase();
            let (wildcard, base) = name.strip_prefix("*.").map_or((false, name.as_str()), |base| (true, base));
            let is_ip = base.parse::<std::net::IpAddr>().is_ok();
            if !crate::names::is_host_name(base) || base.ends_with('.') || is_ip {
                return refuse("rejectedIdentifier", format!("{name:?} is no host name"));
            }
            Ok(Identifier { kind: "dns".to_owned(), value: base.to_owned(), wildcard })
        }
        "ip" => {
            let ip: Result<std::net::IpAddr, _> = text("value").parse();
            let ip = ip.map_err(|_| problem("rejectedIdentifier", format!("{:?} is no IP address", text("value"))))?;
            Ok(Identifier { kind: "ip".to_owned(), value: ip.to_string(), wildcard: false })
        }
        other => {
            refuse("unsupportedIdentifier", format!("identifiers of type {other:?} are not offered: use dns or ip"))
        }
    }
}

fn sans_of(identifiers: &[Identifier]) -> Result<Sans> {
    let mut sans = Sans::default();
    for identifier in identifiers {
        match identifier.kind.as_str() {
            "ip" => sans.add_ips(&[identifier.name()])?,
            _ => sans.add_name(&identifier.name())?,
        }
    }
    Ok(sans)
}

fn token() -> Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
    Ok(encode(&bytes))
}

fn new_challenge(kind: &str) -> Result<Challenge> {
    Ok(Challenge {
        kind: kind.to_owned(),
        token: token()?,
        status: "pending".to_owned(),
        validated: 0,
        attempts: 0,
        tried: 0,
        error: Value::Null,
    })
}

fn new_authorization(account: &str, identifier: &Identifier, now: i64) -> Result<Authorization> {
    let kinds: &[&str] = match (identifier.kind.as_str(), identifier.wildcard) {
        ("dns", true) => &["dns-01"],
        ("dns", false) => &["http-01", "dns-01", "tls-alpn-01"],
        _ => &["http-01"],
    };
    Ok(Authorization {
        id: crate::ca::new_id(),
        account: account.to_owned(),
        status: "pending".to_owned(),
        identifier: identifier.clone(),
        expires: now + AUTHORIZATION_LASTS,
        challenges: kinds.iter().map(|kind| new_challenge(kind)).collect::<Result<_>>()?,
    })
}

fn show_order(base: &str, order: &Order) -> Value {
    let mut shown = json!({
        "status": order.status,
        "expires": rfc3339(order.expires),
        "identifiers": order.identifiers.iter().map(Identifier::show).collect::<Vec<_>>(),
        "authorizations": order.authorizations.iter().map(|id| format!("{base}/authorization/{id}")).collect::<Vec<_>>(),
        "finalize": format!("{base}/order/{}/finalize", order.id),
    });
    if order.status == "valid" {
        shown["certificate"] = json!(format!("{base}/order/{}/cert", order.id));
    }
    shown
}

fn show_challenge(base: &str, authorization: &str, challenge: &Challenge) -> Value {
    let mut shown = json!({
        "type": challenge.kind,
        "url": format!("{base}/challenge/{authorization}/{}", challenge.kind),
        "status": challenge.status,
        "token": challenge.token,
    });
    if challenge.validated > 0 {
        shown["validated"] = json!(rfc3339(challenge.validated));
    }
    if !challenge.error.is_null() {
        shown["error"] = challenge.error.clone();
    }
    shown
}

fn show_authorization(base: &str, authorization: &Authorization) -> Value {
    let challenges = authorization.challenges.iter();
    let mut shown = json!({
        "identifier": { "type": authorization.identifier.kind, "value": authorization.identifier.value },
        "status": authorization.status,
        "expires": rfc3339(authorization.expires),
        "challenges": challenges.map(|challenge| show_challenge(base, &authorization.id, challenge)).collect::<Vec<_>>(),
    });
    if authorization.identifier.wildcard {
        shown["wildcard"] = json!(true);
    }
    shown
}

impl Engine {
    pub(crate) async fn authorization(&self, cx: &Context, account: &str, id: &str) -> Outcome<Authorization> {
        let missing = || malformed("there is no such authorization");
        if id.contains('/') {
            return Err(missing().into());
        }
        let found: Option<Authorization> = cx.view.get(&authorization_at(account, id)).await?;
        let mut found = found.ok_or_else(missing)?;
        if found.status == "pending" && found.expires <= cx.now().as_second() {
            "expired".clone_into(&mut found.status);
        }
        Ok(found)
    }

    /// The order as it stands with its authorizations.
    async fn order(&self, cx: &Context, account: &str, id: &str) -> Outcome<Order> {
        let missing = || malformed("there is no such order");
        if id.contains('/') {
            return Err(missing().into());
        }
        let found: Option<Order> = cx.view.get(&order_at(account, id)).await?;
        let mut order = found.ok_or_else(missing)?;
        if order.status != "pending" {
            return Ok(order);
        }
        let mut all_valid = true;
        for id in &order.authorizations {
            let authorization = self.authorization(cx, account, id).await?;
            match authorization.status.as_str() {
                "valid" => {}
                "pending" => all_valid = false,
                _ => "invalid".clone_into(&mut order.status),
            }
        }
        if order.expires <= cx.now().as_second() {
            "invalid".clone_into(&mut order.status);
        } else if all_valid && order.status == "pending" {
            "ready".clone_into(&mut order.status);
        }
        Ok(order)
    }

    async fn new_order_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        let body = session.body.as_ref().ok_or_else(|| malformed("a new order has to name its identifiers"))?;
        for field in ["notBefore", "notAfter"] {
            if body.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
                return refuse("malformed", format!("{field} cannot be chosen"));
            }
        }
        let given = body.get("identifiers").and_then(Value::as_array).filter(|list| !list.is_empty());
        let given = given.ok_or_else(|| malformed("a new order has to name its identifiers"))?;
        if given.len() > MOST {
            return refuse("malformed", format!("more than {MOST} identifiers"));
        }
        let mut identifiers: Vec<Identifier> = Vec::new();
        for value in given {
            let identifier = identifier(value)?;
            if !identifiers.contains(&identifier) {
                identifiers.push(identifier);
            }
        }
        self.allowed(cx, &session.directory, &identifiers).await?;
        let now = cx.now().as_second();
        let mut changes = Changes::new();
        let mut ids = Vec::new();
        for identifier in &identifiers {
            let authorization = new_authorization(&account.id, identifier, now)?;
            changes = changes.put(&authorization_at(&account.id, &authorization.id), &authorization)?;
            ids.push(authorization.id);
        }
        let order = Order {
            id: crate::ca::new_id(),
            account: account.id.clone(),
            status: "pending".to_owned(),
            identifiers,
            authorizations: ids,
            expires: now + ORDER_LASTS,
            serial: String::new(),
            issuer_id: String::new(),
            cert_expires: 0,
        };
        cx.view.commit(changes.put(&order_at(&account.id, &order.id), &order)?).await?;
        let base = &session.directory.base;
        Ok(json_reply(201, &show_order(base, &order))?.header("location", format!("{base}/order/{}", order.id)))
    }

    /// Refuses names that the role would refuse at the end.
    async fn allowed(&self, cx: &Context, directory: &Directory, identifiers: &[Identifier]) -> Outcome<()> {
        let rules = Rules::of(cx, &directory.role).await?;
        let mut refused: Vec<Value> = Vec::new();
        for identifier in identifiers {
            if let Err(error) = rules.check_sans(&sans_of(std::slice::from_ref(identifier))?) {
                let mut one = problem("rejectedIdentifier", error.to_string()).show();
                one["identifier"] = identifier.show();
                refused.push(one);
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        // One problem needs none below it.
        if let [only] = refused.as_slice() {
            return refuse("rejectedIdentifier", only["detail"].as_str().unwrap_or_default());
        }
        let detail = refused.iter().filter_map(|one| one["detail"].as_str()).collect::<Vec<_>>().join("; ");
        Err(Problem { kind: "rejectedIdentifier", detail, subproblems: refused }.into())
    }

    async fn order_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let order = self.order(cx, &session.account()?.id, &asked.id).await?;
        let reply = json_reply(200, &show_order(&session.directory.base, &order))?;
        Ok(if order.status == "pending" { reply.header("retry-after", "1") } else { reply })
    }

    async fn authorization_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        let mut authorization = self.authorization(cx, &account.id, &asked.id).await?;
        match session.text("status") {
            "" => {}
            "deactivated" => {
                "deactivated".clone_into(&mut authorization.status);
                cx.view.put(&authorization_at(&account.id, &authorization.id), &authorization).await?;
            }
            other => return refuse("malformed", format!("an authorization cannot be made {other:?}")),
        }
        json_reply(200, &show_authorization(&session.directory.base, &authorization))
    }

    async fn challenge_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        let at = authorization_at(&account.id, &asked.id);
        let base = &session.directory.base;
        let mut authorization = self.authorization(cx, &account.id, &asked.id).await?;
        let pending = authorization.status == "pending";
        let id = authorization.id.clone();
        let others_wait =
            authorization.challenges.iter().any(|other| other.status == "processing" && other.kind != asked.kind);
        let challenge = authorization.challenges.iter_mut().find(|challenge| challenge.kind == asked.kind);
        let challenge = challenge.ok_or_else(|| malformed("there is no such challenge"))?;
        let begins = session.body.is_some() && challenge.status == "pending" && pending;
        if begins && others_wait {
            return refuse("malformed", "another challenge of the authorization is being validated");
        }
        if begins {
            "processing".clone_into(&mut challenge.status);
        }
        let shown = show_challenge(base, &id, challenge);
        let kind = challenge.kind.clone();
        if begins {
            cx.view.put(&at, &authorization).await?;
        }
        let mut reply = json_reply(200, &shown)?.header("link", format!("<{base}/authorization/{id}>;rel=\"up\""));
        if begins {
            reply = reply.reschedule(validate::subject_of(&account.id, &id, &kind));
        }
        Ok(reply)
    }

    async fn finalize_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        let at = order_at(&account.id, &asked.id);
        // Before the order is read, so that a change in between is noticed.
        let version = cx.view.version(&at).await?;
        let order = self.order(cx, &account.id, &asked.id).await?;
        match order.status.as_str() {
            "ready" => {}
            "valid" => return refuse("orderNotReady", "the order has its certificate already"),
            other => {
                return refuse("orderNotReady", format!("the order is {other}: its challenges have to be valid first"));
            }
        }
        let der = decode(session.text("csr")).filter(|der| !der.is_empty());
        let der = der.ok_or_else(|| problem("badCSR", "csr is not DER in base64url"))?;
        let bad = |error: Error| problem("badCSR", error.to_string());
        let csr = Csr::from_der(&der).map_err(bad)?;
        check_csr(&csr, &order, &session.key)?;
        let cert = self.issue_for(cx, &session.directory, &order, &csr).await?;
        let done = Order {
            status: "valid".to_owned(),
            serial: cert.serial_key(),
            issuer_id: session.directory.issuer.record.id.clone(),
            cert_expires: cert.not_after,
            ..order
        };
        let stored = Stored::new(&cert, Some(&done.issuer_id), false);
        // Of two that finalize at once, one gets through.
        let changes = Changes::new().expect(&at, version).put(&at, &done)?.put(&cert_at(&done.serial), &stored)?;
        match cx.view.commit(changes.put(&issued_at(&done.serial), &account.id)?).await {
            Ok(()) => {}
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {
                return refuse("orderNotReady", "the order was finalized by another request at the same time");
            }
            Err(error) => return Err(error.into()),
        }
        let base = &session.directory.base;
        Ok(json_reply(200, &show_order(base, &done))?.header("location", format!("{base}/order/{}", done.id)))
    }

    async fn issue_for(&self, cx: &Context, directory: &Directory, order: &Order, csr: &Csr) -> Outcome<Cert> {
        let config = &directory.ca.record.acme;
        let mut role: Role = directory.role.clone();
        let longest = |ttl: u64, other: u64| if ttl == 0 { other } else { ttl.min(other) };
        role.max_ttl = Seconds(longest(role.max_ttl.0, config.max_ttl.min(cx.mount.max_ttl.as_secs())));
        role.ttl = Seconds(longest(role.ttl.0, role.max_ttl.0.min(cx.mount.default_ttl.as_secs())));
        role.not_after.clear();
        role.use_csr_sans = true;
        role.serial_number_source = "json".to_owned();
        if !config.allow_role_ext_key_usage {
            (role.server_flag, role.client_flag) = (true, false);
            (role.code_signing_flag, role.email_protection_flag) = (false, false);
            role.ext_key_usage.0.clear();
            role.ext_key_usage_oids.0.clear();
        }
        let mut fields = Fields::new();
        let mut names = Names::parse(&mut fields).map_err(Error::from)?;
        role.use_csr_common_name = !csr.common_name().is_empty();
        if csr.common_name().is_empty() && role.require_cn {
            match order.identifiers.iter().find(|identifier| identifier.kind == "dns") {
                Some(first) => names.common_name = first.name(),
                None => role.require_cn = false,
            }
        }
        let wanted = issue::Order { role: &role, issuer: &directory.issuer, lenient: true };
        let bad = |error: Error| match error {
            Error::Invalid(text) => problem("badCSR", text).into(),
            other => super::problem::Fault::Engine(other),
        };
        let (mut template, _) = issue::plan(cx, &wanted, &names, Some(csr), &csr.spki).await.map_err(bad)?;
        if template.sans.is_empty() {
            template.sans = sans_of(&order.identifiers)?.names()?;
        }
        Ok(issue::sign(&directory.ca, &directory.issuer, template).await?)
    }

    async fn cert_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let order = self.order(cx, &session.account()?.id, &asked.id).await?;
        if order.status != "valid" {
            return refuse("orderNotReady", "the order has no certificate yet");
        }
        let stored = self.stored(cx, &order.serial).await?;
        let stored = stored.ok_or_else(|| malformed("the certificate is not stored any more"))?;
        let mut chain = vec![crate::encode::certificate_pem(&stored.der()?)];
        let ca = &session.directory.ca;
        let issuer = ca.find_issuer(&order.issuer_id);
        chain.extend(issuer.into_iter().flat_map(|issuer| issuer.chain.iter().map(|cert| cert.pem())));
        Ok(Reply::raw("application/pem-certificate-chain", (chain.join("\n") + "\n").into_bytes()))
    }

    async fn revoke_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let der = decode(session.text("certificate")).filter(|der| !der.is_empty());
        let der = der.ok_or_else(|| malformed("certificate is not DER in base64url"))?;
        let cert = Cert::parse(&der).map_err(|error| malformed(error.to_string()))?;
        let reason = session.body.as_ref().and_then(|body| body.get("reason")).and_then(Value::as_i64);
        if reason.is_some_and(|reason| reason != 0) {
            return refuse("badRevocationReason", "reasons are not kept: use 0 or none");
        }
        let serial = cert.serial_key();
        let stored = self.stored(cx, &serial).await?;
        let known = match &stored {
            Some(stored) => stored.der()? == cert.der,
            None => false,
        };
        if !known {
            return refuse("malformed", "the certificate is not one of this server's");
        }
        match &session.account {
            Some(_) => {
                let account = session.account()?;
                let owner: Option<String> = cx.view.get(&issued_at(&serial)).await?;
                if owner.as_deref() != Some(account.id.as_str()) {
                    return refuse("unauthorized", "the certificate is another account's");
                }
            }
            None if session.key.spki == cert.spki => {}
            None => {
                return refuse(
                    "unauthorized",
                    "the request is signed neither by the certificate's key nor by its account",
                );
            }
        }
        if self.is_revoked(cx, &serial).await? {
            return refuse("alreadyRevoked", "the certificate is revoked already");
        }
        if cert.not_after <= cx.now().as_second() {
            return refuse("malformed", "the certificate is over: it cannot be revoked");
        }
        self.revoke_cert(cx, &cert, false).await?;
        Ok(Reply::raw("application/json", Vec::new()).status(200))
    }
}

/// The names of a request have to be those of the order, and its key none of ACME's.
fn check_csr(csr: &Csr, order: &Order, account_key: &Jwk) -> Outcome<()> {
    let bad = |text: &str| Err(problem("badCSR", text).into());
    if csr.spki == account_key.spki {
        return bad("the key of the certificate must not be that of the account");
    }
    let sans = csr.sans().and_then(|names| Sans::of(&names)).map_err(|error| problem("badCSR", error.to_string()))?;
    if !sans.emails.is_empty() || !sans.uris.is_empty() || !sans.others.is_empty() {
        return bad("the request asks for names that are neither DNS names nor IP addresses");
    }
    let mut asked: Vec<String> = sans.dns.iter().map(|name| name.to_ascii_lowercase()).collect();
    asked.extend(sans.ips.iter().map(ToString::to_string));
    let common_name = csr.common_name().to_ascii_lowercase();
    if !common_name.is_empty() {
        asked.push(common_name);
    }
    let mut ordered: Vec<String> = order.identifiers.iter().map(Identifier::name).collect();
    for list in [&mut asked, &mut ordered] {
        list.sort_unstable();
        list.dedup();
    }
    if asked != ordered {
        return Err(problem(
            "badCSR",
            format!(
                "the names of the request ({}) are not those of the order ({})",
                asked.join(", "),
                ordered.join(", ")
            ),
        )
        .into());
    }
    let san = const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;
    let basic = const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS;
    let usages = [const_oid::db::rfc5280::ID_CE_KEY_USAGE, const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE];
    for extension in &csr.extensions {
        let id = extension.extn_id;
        if id == basic && !basic_is_leaf(extension.extn_value.as_bytes()) {
            return bad("the request asks to be an authority");
        }
        if id != san && id != basic && !usages.contains(&id) && extension.critical {
            return Err(
                problem("badCSR", format!("the request asks for the extension {id}, which is not offered")).into()
            );
        }
    }
    Ok(())
}

fn basic_is_leaf(der: &[u8]) -> bool {
    use der::Decode;
    x509_cert::ext::pkix::BasicConstraints::from_der(der).is_ok_and(|basic| !basic.ca)
}

handlers! {
    new_order => new_order_reply;
    order => order_reply;
    authorization => authorization_reply;
    challenge => challenge_reply;
    finalize => finalize_reply;
    cert => cert_reply;
    revoke => revoke_reply;
}
