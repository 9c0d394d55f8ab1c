//! `seal` stanzas: how the storage is sealed, and by which seal it was until now (`disabled = "true"`).
//!
//! Environment variables made for seals (`VAULT_AWSKMS_SEAL_KEY_ID`) win over the file, as in Vault; those that also
//! mean something to other programs (`VAULT_ADDR`, `AWS_REGION`) only fill in what the file leaves out.
mod remote;

use super::Fault;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_client::{PemSource, TlsSettings};
use lessor_core::barrier::Key;
use lessor_core::seal::{SealKind, Seals, StaticSeal, Watch};
use lessor_engine::{Secret, duration};
use lessor_hcl::{Block, Body};
use lessor_seal::{
    AwsKmsSeal, AwsKmsSettings, AzureKeyVaultSeal, AzureKeyVaultSettings, GcpCkmsSeal, GcpCkmsSettings, KmipSeal,
    KmipSettings, Mechanism, OaepHash, Pkcs11Seal, Pkcs11Settings, SettingError, TransitSeal, TransitSettings,
};
use std::sync::Arc;
use std::time::Duration;

/// Where environment variables come from; a parameter for tests.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// All `seal` stanzas together.
#[derive(Clone, Default)]
pub struct SealSetup {
    current: Option<Choice>,
    leaving: Option<Choice>,
    watch: Watch,
}

/// One stanza.
#[derive(Clone)]
enum Choice {
    Shamir,
    Static { current: Key, previous: Option<Key> },
    Transit(Box<TransitSettings>),
    AwsKms(AwsKmsSettings),
    AzureKeyVault(Box<AzureKeyVaultSettings>),
    GcpCkms(Box<GcpCkmsSettings>),
    Kmip(Box<KmipSettings>),
    Pkcs11(Pkcs11Settings),
}

impl SealSetup {
    /// The word of the seal that is used.
    pub fn word(&self) -> &'static str {
        match &self.current {
            None | Some(Choice::Shamir) => "shamir",
            Some(Choice::Static { .. }) => "static",
            Some(Choice::Transit(_)) => "transit",
            Some(Choice::AwsKms(_)) => "awskms",
            Some(Choice::AzureKeyVault(_)) => "azurekeyvault",
            Some(Choice::GcpCkms(_)) => "gcpckms",
            Some(Choice::Kmip(_)) => "kmip",
            Some(Choice::Pkcs11(_)) => "pkcs11",
        }
    }
    /// The seals themselves. Nothing is connected to yet.
    ///
    /// # Errors
    /// When an address is none.
    pub fn build(&self) -> Result<Seals, SettingError> {
        let current = self.current.as_ref().map_or(Ok(SealKind::Shamir), Choice::build)?;
        let leaving = match self.leaving.as_ref().map(Choice::build).transpose()? {
            Some(SealKind::Auto(seal)) => Some(seal),
            // Key shares need no stanza to be left.
            Some(SealKind::Shamir) | None => None,
        };
        Ok(Seals { current, leaving, watch: self.watch })
    }
    /// Takes the stanzas of one file.
    pub(super) fn merge(&mut self, blocks: &[Block<'_>], environment: Environment<'_>) -> Result<(), Fault> {
        for block in blocks {
            let kind = block.label(0).unwrap_or_default();
            let choice = choice(kind, block.body, environment)?;
            let (slot, what) = if block.body.bool("disabled")?.unwrap_or_default() {
                (&mut self.leaving, "disabled")
            } else {
                self.watch = watch(block.body)?;
                (&mut self.current, "enabled")
            };
            if slot.replace(choice).is_some() {
                return Err(Fault::Value(format!("seal: there is more than one {what} seal stanza")));
            }
        }
        Ok(())
    }
    /// Without a stanza, `VAULT_SEAL_TYPE` (or OpenBao's `BAO_SEAL_TYPE`) says which seal it is.
    pub(super) fn fill(&mut self, environment: Environment<'_>) -> Result<(), Fault> {
        let kind = set(environment, "VAULT_SEAL_TYPE").or_else(|| set(environment, "BAO_SEAL_TYPE"));
        if let (None, Some(kind)) = (&self.current, kind) {
            self.current = Some(choice(&kind, &Body::default(), environment)?);
        }
        Ok(())
    }
}

impl Choice {
    fn build(&self) -> Result<SealKind, SettingError> {
        Ok(match self {
            Self::Shamir => SealKind::Shamir,
            Self::Static { current, previous } => {
                SealKind::Auto(Arc::new(StaticSeal::new(current.clone(), previous.clone())))
            }
            Self::Transit(settings) => SealKind::Auto(Arc::new(TransitSeal::new(settings.as_ref().clone())?)),
            Self::AwsKms(settings) => SealKind::Auto(Arc::new(AwsKmsSeal::new(settings.clone()))),
            Self::AzureKeyVault(settings) => {
                SealKind::Auto(Arc::new(AzureKeyVaultSeal::new(settings.as_ref().clone())?))
            }
            Self::GcpCkms(settings) => SealKind::Auto(Arc::new(GcpCkmsSeal::new(settings.as_ref().clone())?)),
            Self::Kmip(settings) => SealKind::Auto(Arc::new(KmipSeal::new(settings.as_ref().clone())?)),
            Self::Pkcs11(settings) => SealKind::Auto(Arc::new(Pkcs11Seal::new(settings.clone()))),
        })
    }
}

fn choice(kind: &str, body: &Body, environment: Environment<'_>) -> Result<Choice, Fault> {
    let stanza = Stanza { kind, body, environment };
    match kind {
        "shamir" => Ok(Choice::Shamir),
        "static" => stanza.static_seal(),
        "transit" => stanza.transit(),
        "awskms" => stanza.awskms(),
        "azurekeyvault" => stanza.azurekeyvault(),
        "gcpckms" => stanza.gcpckms(),
        "kmip" => stanza.kmip(),
        "pkcs11" => stanza.pkcs11(),
        other => Err(unknown(other)),
    }
}

fn unknown(kind: &str) -> Fault {
    Fault::Value(format!(
        "unknown seal type {kind}: use shamir, static, transit, awskms, azurekeyvault, gcpckms, kmip or pkcs11"
    ))
}

fn set(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

fn watch(body: &Body) -> Result<Watch, Fault> {
    let mut watch = Watch::default();
    if let Some(enabled) = body.bool("health_check_enabled")? {
        watch.enabled = enabled;
    }
    for (name, place) in [
        ("health_check_timeout", &mut watch.timeout),
        ("health_check_interval", &mut watch.interval),
        ("health_check_interval_unhealthy", &mut watch.interval_unhealthy),
    ] {
        if let Some(text) = body.string(name)? {
            let parsed = duration::parse(text).map_err(|error| Fault::Value(format!("seal: {name}: {error}")))?;
            *place = Some(parsed)
                .filter(|time| *time >= Duration::from_secs(1))
                .ok_or_else(|| Fault::Value(format!("seal: {name}: {text} is too short, give at least 1s")))?;
        }
    }
    Ok(watch)
}

struct Stanza<'a> {
    kind: &'a str,
    body: &'a Body,
    environment: Environment<'a>,
}

impl Stanza<'_> {
    /// A setting whose variables are made for seals: they win.
    fn own(&self, name: &str, variables: &[&str]) -> Result<Option<String>, Fault> {
        match variables.iter().find_map(|variable| set(self.environment, variable)) {
            Some(value) => Ok(Some(value)),
            None => self.shared(name, &[]),
        }
    }
    /// A setting whose variables others read too: the file wins.
    fn shared(&self, name: &str, variables: &[&str]) -> Result<Option<String>, Fault> {
        let written = self.body.string(name)?.filter(|value| !value.is_empty()).map(str::to_owned);
        Ok(written.or_else(|| variables.iter().find_map(|variable| set(self.environment, variable))))
    }
    fn needed(&self, name: &str, value: Option<String>) -> Result<String, Fault> {
        value.ok_or_else(|| Fault::Value(format!("seal \"{}\": '{name}' must be set", self.kind)))
    }
    fn wrong(&self, name: &str, reason: &str) -> Fault {
        Fault::Value(format!("seal \"{}\": {name}: {reason}", self.kind))
    }

    fn static_seal(&self) -> Result<Choice, Fault> {
        let current = self.needed("current_key", self.shared("current_key", &[])?)?;
        let previous = self.shared("previous_key", &[])?;
        Ok(Choice::Static {
            current: self.key("current_key", &current)?,
            previous: previous.map(|text| self.key("previous_key", &text)).transpose()?,
        })
    }
    /// 32 bytes, raw, hexadecimal or base64; `env://VAR` and `file:///path` name where they stand.
    fn key(&self, name: &str, text: &str) -> Result<Key, Fault> {
        let bytes = if let Some(variable) = text.strip_prefix("env://") {
            let value = set(self.environment, variable);
            value.ok_or_else(|| self.wrong(name, &format!("the environment has no {variable}")))?.into_bytes()
        } else if let Some(path) = text.strip_prefix("file://") {
            std::fs::read(path).map_err(|error| self.wrong(name, &format!("{path}: {error}")))?
        } else {
            text.as_bytes().to_vec()
        };
        let trimmed = bytes.trim_ascii();
        let plain = [Some(bytes.clone()), hex::decode(trimmed).ok(), STANDARD.decode(trimmed).ok()];
        let key = plain.into_iter().flatten().find_map(|bytes| Key::from_bytes(&bytes));
        key.ok_or_else(|| self.wrong(name, "the key is not 32 bytes, raw, hexadecimal or base64"))
    }

    fn transit(&self) -> Result<Choice, Fault> {
        let pem = |name| Ok::<_, Fault>(self.shared(name, &[])?.map(|path| PemSource::File(path.into())));
        let tls = TlsSettings {
            ca_cert: pem("tls_ca_cert")?,
            ca_path: None,
            client_cert: pem("tls_client_cert")?,
            client_key: pem("tls_client_key")?,
            server_name: self.shared("tls_server_name", &[])?,
            skip_verify: self.body.bool("tls_skip_verify")?.unwrap_or_default(),
        };
        let disabled = set(self.environment, "VAULT_TRANSIT_SEAL_DISABLE_RENEWAL");
        let disable_renewal = match disabled.as_deref() {
            Some(text) => matches!(text, "1" | "t" | "true" | "T" | "TRUE" | "True"),
            None => self.body.bool("disable_renewal")?.unwrap_or_default(),
        };
        Ok(Choice::Transit(Box::new(TransitSettings {
            address: self.needed("address", self.shared("address", &["VAULT_ADDR"])?)?,
            token: Secret::new(self.needed("token", self.shared("token", &["VAULT_TOKEN"])?)?),
            key_name: self.needed("key_name", self.own("key_name", &["VAULT_TRANSIT_SEAL_KEY_NAME"])?)?,
            mount_path: self.needed("mount_path", self.own("mount_path", &["VAULT_TRANSIT_SEAL_MOUNT_PATH"])?)?,
            namespace: self.shared("namespace", &["VAULT_NAMESPACE"])?,
            disable_renewal,
            tls,
        })))
    }

    fn awskms(&self) -> Result<Choice, Fault> {
        let key = match (self.shared("access_key", &[])?, self.shared("secret_key", &[])?) {
            (Some(id), Some(secret)) => Some((id, Secret::new(secret))),
            (None, None) => None,
            _ => return Err(self.wrong("access_key", "give access_key and secret_key, or neither")),
        };
        let region = self.shared("region", &["AWS_REGION", "AWS_DEFAULT_REGION"])?;
        Ok(Choice::AwsKms(AwsKmsSettings {
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            kms_key_id: self.needed("kms_key_id", self.own("kms_key_id", &["VAULT_AWSKMS_SEAL_KEY_ID"])?)?,
            key,
            session_token: self.shared("session_token", &[])?.map(Secret::new),
            endpoint: self.shared("endpoint", &["AWS_KMS_ENDPOINT"])?,
        }))
    }

    /// A setting of the HSM, by the names of Vault Enterprise and of OpenBao.
    fn hsm(&self, name: &str) -> Result<Option<String>, Fault> {
        let suffix = name.to_uppercase();
        let (vault, bao) = (format!("VAULT_HSM_{suffix}"), format!("BAO_HSM_{suffix}"));
        self.own(name, &[vault.as_str(), bao.as_str()])
    }
    fn pkcs11(&self) -> Result<Choice, Fault> {
        let slot = match self.body.int("slot") {
            Ok(Some(number)) => Some(number.to_string()),
            _ => self.hsm("slot")?,
        };
        let slot = slot.map(|text| number(&text).ok_or_else(|| self.wrong("slot", "it is no number"))).transpose()?;
        let token_label = self.hsm("token_label")?.unwrap_or_default();
        if slot.is_none() && token_label.is_empty() {
            return Err(self.wrong("slot", "give slot or token_label"));
        }
        let key_label = self.hsm("key_label")?.unwrap_or_default();
        let key_id = self.hsm("key_id")?.unwrap_or_default();
        let key_id = hex::decode(key_id.trim_start_matches("0x"))
            .map_err(|_| self.wrong("key_id", "it is not hexadecimal, such as 0x1f"))?;
        if key_label.is_empty() && key_id.is_empty() {
            return Err(self.wrong("key_label", "give key_label or key_id"));
        }
        Ok(Choice::Pkcs11(Pkcs11Settings {
            lib: self.needed("lib", self.hsm("lib")?)?.into(),
            slot,
            token_label,
            pin: Secret::new(self.needed("pin", self.hsm("pin")?)?),
            key_label,
            key_id,
            mechanism: self.mechanism()?,
        }))
    }
    fn mechanism(&self) -> Result<Mechanism, Fault> {
        let hash = match self.hsm("rsa_oaep_hash")?.as_deref() {
            None | Some("sha256") => OaepHash::Sha256,
            Some("sha1") => OaepHash::Sha1,
            Some("sha384") => OaepHash::Sha384,
            Some("sha512") => OaepHash::Sha512,
            Some(_) => return Err(self.wrong("rsa_oaep_hash", "use sha1, sha256, sha384 or sha512")),
        };
        match self.hsm("mechanism")?.as_deref() {
            None | Some("CKM_AES_GCM" | "0x1087" | "4231") => Ok(Mechanism::AesGcm),
            Some("CKM_RSA_PKCS_OAEP" | "0x0009" | "0x9" | "9") => Ok(Mechanism::RsaOaep(hash)),
            Some(_) => Err(self.wrong("mechanism", "use CKM_AES_GCM (0x1087) or CKM_RSA_PKCS_OAEP (0x0009)")),
        }
    }
}

/// Decimal, or hexadecimal behind `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn load(text: &str, variables: &[(&str, &str)]) -> Result<SealSetup, String> {
        let body = lessor_hcl::parse(text).unwrap();
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment =
            move |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let mut setup = SealSetup::default();
        let text = |fault| match fault {
            Fault::Value(text) => text,
            Fault::Syntax(error) => error.to_string(),
        };
        setup.merge(&body.blocks("seal", 1).unwrap(), &environment).map_err(text)?;
        setup.fill(&environment).map_err(text)?;
        Ok(setup)
    }

    const STATIC: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn an_old_stanza_is_the_seal_that_is_left() {
        let setup = load(
            &format!(
                "seal \"static\" {{ current_key = \"{STATIC}\" disabled = \"true\" }}\n\
                 seal \"awskms\" {{ kms_key_id = \"alias/a\" health_check_interval = \"5m\" }}"
            ),
            &[],
        )
        .unwrap();
        assert_eq!(setup.word(), "awskms");
        let seals = setup.build().unwrap();
        assert_eq!(seals.leaving.unwrap().kind(), "static");
        assert_eq!(seals.watch.interval, Duration::from_secs(300));
        let twice = "seal \"awskms\" { kms_key_id = \"a\" }\n seal \"shamir\" {}";
        assert!(load(twice, &[]).err().unwrap().contains("more than one enabled"));
    }

    #[test]
    fn variables_made_for_seals_win_and_shared_ones_fill_in() {
        let text = "seal \"awskms\" { kms_key_id = \"file\" region = \"eu-west-1\" }";
        let variables = [("VAULT_AWSKMS_SEAL_KEY_ID", "variable"), ("AWS_REGION", "us-west-2")];
        let Some(Choice::AwsKms(settings)) = load(text, &variables).unwrap().current else { panic!() };
        assert_eq!((settings.kms_key_id.as_str(), settings.region.as_str()), ("variable", "eu-west-1"));
        let variables = [("VAULT_SEAL_TYPE", "awskms"), ("VAULT_AWSKMS_SEAL_KEY_ID", "k")];
        assert_eq!(load("", &variables).unwrap().word(), "awskms");
        assert_eq!(load("seal \"shamir\" {}", &variables).unwrap().word(), "shamir");
        assert_eq!(load("", &[]).unwrap().word(), "shamir");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (text, expected) in [
            ("seal \"papyrus\" {}", "unknown seal type papyrus"),
            ("seal \"static\" {}", "'current_key' must be set"),
            ("seal \"static\" { current_key = \"short\" }", "32 bytes"),
            ("seal \"transit\" { address = \"http://a\" token = \"t\" mount_path = \"m\" }", "'key_name' must be set"),
            ("seal \"awskms\" {}", "'kms_key_id' must be set"),
            ("seal \"awskms\" { kms_key_id = \"k\" access_key = \"a\" }", "give access_key and secret_key"),
            ("seal \"pkcs11\" { lib = \"l\" pin = \"1\" key_label = \"k\" }", "give slot or token_label"),
            ("seal \"pkcs11\" { lib = \"l\" pin = \"1\" slot = \"0x1\" }", "give key_label or key_id"),
            (
                "seal \"pkcs11\" { lib = \"l\" pin = \"1\" slot = 1 key_label = \"k\" mechanism = \"0x1085\" }",
                "use CKM_AES_GCM",
            ),
            ("seal \"awskms\" { kms_key_id = \"k\" health_check_interval = \"1ms\" }", "at least 1s"),
        ] {
            let error = load(text, &[]).err().unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
