//! The login itself, and the renewal, which asks for the same key again.
use crate::certificate::Certificate;
use crate::ocsp::Check;
use crate::roles::{self, Ocsp, Role};
use crate::{Cert, chain, config, constraints};
use async_trait::async_trait;
use lessor_engine::{Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the role; where none is given the first one that fits.
    name: String,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    name: String,
    /// SHA-256 of the certificate's public key.
    key: String,
    authority_key_id: String,
}

fn own(cx: &Context) -> Result<Certificate> {
    let der = cx.connection.certificates.first().ok_or_else(|| Error::invalid("no client certificate found"))?;
    Certificate::parse(der).ok_or_else(untrusted)
}

fn untrusted() -> Error {
    Error::BadCredentials("invalid certificate or no client certificate supplied".to_owned())
}

/// The first role of those named that the client's certificate fits.
async fn admitted(cert: &Cert, cx: &Context, own: &Certificate, names: Vec<String>) -> Result<(String, Role)> {
    let mut refusal = untrusted();
    for name in names {
        let Some(role) = cx.view.get::<Role>(&roles::key(&name)).await? else { continue };
        let Some(trust) = chain::parse_pem(&role.certificate) else { continue };
        let Some(chain) = chain::trusted(&cx.connection.certificates, &trust, cx.now()) else { continue };
        let held = constraints::hold(&role, own) && !cert.crls.revokes(cx, &chain).await?;
        if held && vouched(cert, cx, &role.ocsp, &chain, &trust).await? {
            return Ok((name.to_lowercase(), role));
        }
        let text = "no chain matching all constraints could be found for this login certificate";
        refusal = Error::BadCredentials(text.to_owned());
    }
    Err(refusal)
}

/// Whether the role's OCSP rules let the client in.
async fn vouched(
    cert: &Cert,
    cx: &Context,
    rules: &Ocsp,
    chain: &[Vec<u8>],
    trust: &[CertificateDer<'static>],
) -> Result<bool> {
    let (Some(certificate), true) = (chain.first(), rules.enabled) else { return Ok(true) };
    let Some(issuer) = chain::issuer(chain, trust) else { return Ok(rules.fail_open) };
    let cache_size = usize::try_from(config::of(cx).await?.ocsp_cache_size).unwrap_or(2);
    let check = Check { rules, certificate, issuer: &issuer, now: cx.now(), cache_size };
    Ok(check.admits(&cert.ocsp).await)
}

pub(crate) async fn login(cert: Arc<Cert>, cx: Context, sent: LoginParams) -> Result<Reply> {
    let own = own(&cx)?;
    let names = if sent.name.is_empty() { roles::names(&cx).await? } else { vec![sent.name] };
    let (name, role) = admitted(&cert, &cx, &own, names).await?;
    let metadata = metadata(&name, &role, &own);
    let token = role.token.settings;
    if !token.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    let kept = config::of(&cx).await?.enable_identity_alias_metadata;
    let alias =
        Alias { name: own.common_name.clone(), metadata: if kept { metadata.clone() } else { BTreeMap::new() } };
    Ok(Reply::login(Login {
        display_name: role.display_name,
        alias: Some(alias).filter(|alias| !alias.name.is_empty()),
        metadata,
        token,
        role: name.clone(),
        renewal: json!(Origin { name, key: own.key, authority_key_id: own.authority_key_id }),
        renewable: true,
        ..Login::default()
    }))
}

fn metadata(name: &str, role: &Role, own: &Certificate) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from(
        [
            ("cert_name", name),
            ("common_name", &own.common_name),
            ("serial_number", &own.serial),
            ("subject_key_id", &own.subject_key_id),
            ("authority_key_id", &own.authority_key_id),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    for oid in &role.allowed_metadata_extensions {
        if let Some(text) = own.extension_text(oid) {
            metadata.insert(oid.replace('.', "-"), text);
        }
    }
    metadata
}

pub(crate) struct Renewal(pub(crate) Arc<Cert>);

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let role: Option<Role> = cx.view.get(&roles::key(&origin.name)).await?;
        let gone = || Error::invalid(format!("certificate role {} does not exist during renewal", origin.name));
        let mut role = role.ok_or_else(gone)?;
        if !config::of(cx).await?.disable_binding {
            let own = own(cx)?;
            if own.key != origin.key || own.authority_key_id != origin.authority_key_id {
                let text = "client identity during renewal not matching client identity used during login";
                return Err(Error::invalid(text));
            }
            role = admitted(&self.0, cx, &own, vec![origin.name]).await?.1;
        }
        Ok(Renewed { token: role.token.settings, same_policies: true, groups: None })
    }
}
