//! What was issued, and what of it is revoked.
use crate::Engine;
use crate::ca::Ca;
use crate::encode::{hyphens, rfc3339, unb64};
use crate::key::KeyPair;
use crate::x509::Cert;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

pub(crate) const CERTS: &str = "certs/";
pub(crate) const REVOKED: &str = "revoked/";

/// A stored certificate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// DER in base64.
    pub(crate) certificate: String,
    pub(crate) not_after: i64,
    /// Empty where it is not one of this mount's issuers.
    pub(crate) issuer_id: String,
    /// A lease ends it.
    #[serde(default)]
    pub(crate) leased: bool,
}

/// A revocation.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// Seconds since 1970.
    pub(crate) time: i64,
    pub(crate) issuer_id: String,
    pub(crate) not_after: i64,
}

impl Stored {
    pub(crate) fn new(cert: &Cert, issuer_id: Option<&str>, leased: bool) -> Self {
        Self {
            certificate: crate::encode::b64(&cert.der),
            not_after: cert.not_after,
            issuer_id: issuer_id.unwrap_or_default().to_owned(),
            leased,
        }
    }
    pub(crate) fn der(&self) -> Result<Vec<u8>> {
        unb64(&self.certificate).ok_or_else(|| Error::Internal("a stored certificate is damaged".to_owned()))
    }
}

pub(crate) fn cert_at(serial: &str) -> String {
    format!("{CERTS}{serial}")
}

pub(crate) fn revoked_at(serial: &str) -> String {
    format!("{REVOKED}{serial}")
}

#[derive(Params)]
pub(crate) struct Asked {
    /// Serial number of the certificate, with colons or hyphens.
    serial_number: String,
    /// The certificate in PEM, where it is not stored.
    certificate: String,
}

#[derive(Params)]
pub(crate) struct WithKey {
    /// Serial number of the certificate, with colons or hyphens.
    serial_number: String,
    /// The certificate in PEM, where it is not stored.
    certificate: String,
    /// The certificate's private key in PEM.
    #[param(secret)]
    private_key: Secret,
}

/// What came of a revocation.
pub(crate) struct Done {
    pub(crate) time: i64,
    /// It was revoked before.
    pub(crate) already: bool,
}

impl Engine {
    pub(crate) async fn is_revoked(&self, cx: &Context, serial: &str) -> Result<bool> {
        Ok(cx.view.version(&revoked_at(serial)).await?.is_some())
    }

    pub(crate) async fn stored(&self, cx: &Context, serial: &str) -> Result<Option<Stored>> {
        cx.view.get(&cert_at(serial)).await
    }

    /// Makes a revocation durable; the first one counts.
    pub(crate) async fn mark_revoked(&self, cx: &Context, ca: &Ca, cert: &Cert, store: bool) -> Result<Done> {
        let serial = cert.serial_key();
        let at = revoked_at(&serial);
        let issuer = ca.issuer_of(cert).map(|issuer| issuer.record.id.clone()).unwrap_or_default();
        loop {
            if let Some(known) = cx.view.get::<Revoked>(&at).await? {
                return Ok(Done { time: known.time, already: true });
            }
            let time = cx.now().as_second();
            let revoked = Revoked { time, issuer_id: issuer.clone(), not_after: cert.not_after };
            let mut changes = Changes::new().expect(&at, None).put(&at, &revoked)?;
            if store {
                changes = changes.put(&cert_at(&serial), &Stored::new(cert, Some(&issuer), false))?;
            }
            match cx.view.commit(changes).await {
                Ok(()) => return Ok(Done { time, already: false }),
                // Of two that raced, the first counts.
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The end of a lease. What is not there any more, or is over, needs no revocation.
    pub(crate) async fn revoke_leased(&self, cx: &Context, serial: &str) -> Result<()> {
        let Some(stored) = self.stored(cx, serial).await? else {
            tracing::info!(serial, "a leased certificate is not stored any more: nothing to revoke");
            return Ok(());
        };
        let ca = self.ca(cx).await?;
        if stored.not_after <= cx.now().as_second() && !ca.record.crl.allow_expired_cert_revocation {
            return Ok(());
        }
        let cert = Cert::parse(&stored.der()?)?;
        if self.mark_revoked(cx, &ca, &cert, false).await?.already {
            return Ok(());
        }
        self.published(cx).await
    }

    /// Revokes a certificate and publishes that.
    pub(crate) async fn revoke_cert(&self, cx: &Context, cert: &Cert, store: bool) -> Result<Reply> {
        let ca = self.ca(cx).await?;
        let serial = cert.serial_key();
        if ca.issuers.iter().any(|issuer| issuer.cert.der == cert.der) {
            return Err(Error::invalid(
                "adding issuer to its own CRL is not allowed: use the path issuer/<issuer_ref>/revoke to revoke an issuer",
            ));
        }
        if cert.not_after <= cx.now().as_second()
            && !ca.record.crl.allow_expired_cert_revocation
            && !self.is_revoked(cx, &serial).await?
        {
            let text =
                format!("certificate with serial {} already expired; refusing to add to CRL", cert.serial_text());
            return Ok(Reply::empty().warn(text));
        }
        let done = self.mark_revoked(cx, &ca, cert, store).await?;
        if !done.already {
            self.published(cx).await?;
        }
        let reply = Reply::data(json!({
            "revocation_time": done.time,
            "revocation_time_rfc3339": rfc3339(done.time),
            "state": "revoked",
        }));
        let crl = &ca.record.crl;
        if !done.already && crl.auto_rebuild && !crl.disable {
            let next = if crl.enable_delta { "next delta CRL" } else { "next CRL" };
            return Ok(reply.warn(format!(
                "auto_rebuild is on: the revocation is in OCSP answers now, and in the {next} when that is built"
            )));
        }
        Ok(reply)
    }

    /// The certificate a request means, and whether it is to be stored.
    async fn meant(&self, cx: &Context, serial: &str, pem: &str) -> Result<(Cert, bool)> {
        match (serial.is_empty(), pem.is_empty()) {
            (true, true) => Err(Error::invalid("The serial number or certificate to revoke must be provided.")),
            (false, false) => {
                Err(Error::invalid("Must provide either the certificate or the serial to revoke; not both."))
            }
            (false, true) => {
                let missing = || Error::invalid(format!("certificate with serial {serial} not found."));
                let bytes = crate::encode::serial(serial).ok_or_else(missing)?;
                let stored = self.stored(cx, &hyphens(&bytes)).await?;
                Ok((Cert::parse(&stored.ok_or_else(missing)?.der()?)?, false))
            }
            (true, false) => {
                let cert = Cert::from_pem(pem)?;
                let stored = self.stored(cx, &cert.serial_key()).await?;
                if let Some(stored) = &stored
                    && stored.der()? != cert.der
                {
                    return Err(Error::invalid(
                        "certificate contents differ from those of the certificate that is stored under its serial number",
                    ));
                }
                if self.ca(cx).await?.issuer_of(&cert).is_none() && stored.is_none() {
                    return Err(Error::invalid(
                        "unable to verify signature on presented cert from any present issuer in this mount; certificates from previous CAs will need to have their issuing CA and key re-imported if revocation is necessary",
                    ));
                }
                Ok((cert, stored.is_none()))
            }
        }
    }
}

pub(crate) async fn revoke(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let (cert, store) = engine.meant(&cx, &asked.serial_number, &asked.certificate).await?;
    engine.revoke_cert(&cx, &cert, store).await
}

pub(crate) async fn revoke_with_key(engine: Arc<Engine>, cx: Context, asked: WithKey) -> Result<Reply> {
    if asked.private_key.is_empty() {
        return Err(Error::invalid("Must have private key to revoke via the /revoke-with-key path."));
    }
    let blocks = crate::encode::blocks(asked.private_key.expose())?;
    let key = blocks.iter().find(|(label, _)| crate::key::is_private(label));
    let (_, der) = key.ok_or_else(|| Error::invalid("private_key holds no private key in PEM"))?;
    let key = KeyPair::read(der)?;
    let (cert, store) = engine.meant(&cx, &asked.serial_number, &asked.certificate).await?;
    if key.spki != cert.spki {
        return Err(Error::invalid("provided private key does not match the certificate's public key"));
    }
    engine.revoke_cert(&cx, &cert, store).await
}
