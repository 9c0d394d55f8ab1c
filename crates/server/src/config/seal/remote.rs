//! Stanzas of keys that clouds and KMIP servers keep.
use super::{Choice, Fault, Stanza};
use lessor_cloud_access::azure::{Application, Cloud, Proof};
use lessor_engine::{Secret, duration};
use lessor_seal::{AzureKeyVaultSettings, GcpCkmsSettings, KmipAlgorithm, KmipHash, KmipSettings};
use std::time::Duration;

impl Stanza<'_> {
    pub(super) fn azurekeyvault(&self) -> Result<Choice, Fault> {
        let shared = |name: &str, variable: &str| Ok::<_, Fault>(self.shared(name, &[variable])?.unwrap_or_default());
        let environment = shared("environment", "AZURE_ENVIRONMENT")?;
        let cloud = Cloud::find(&environment)
            .ok_or_else(|| self.wrong("environment", &format!("{environment:?} is unknown, use {}", Cloud::names())))?;
        let resource = self.shared("resource", &["AZURE_AD_RESOURCE"])?.unwrap_or_else(|| cloud.vaults.to_owned());
        let resource = resource.trim_start_matches("https://").trim_end_matches('/').to_owned();
        let (tenant, client) = (shared("tenant_id", "AZURE_TENANT_ID")?, shared("client_id", "AZURE_CLIENT_ID")?);
        let proof = match self.shared("client_secret", &["AZURE_CLIENT_SECRET"])? {
            Some(_) if tenant.is_empty() || client.is_empty() => {
                return Err(self.wrong("client_secret", "it needs tenant_id and client_id"));
            }
            Some(secret) => Proof::Secret(Secret::new(secret)),
            None => Proof::Surroundings,
        };
        let vault_name = self.own("vault_name", &["VAULT_AZUREKEYVAULT_VAULT_NAME"])?;
        let vault_name = self.needed("vault_name", vault_name)?;
        // It becomes part of an address.
        if !vault_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(self.wrong("vault_name", "it has letters, digits and dashes only"));
        }
        let vault = self.shared("endpoint", &[])?.unwrap_or_else(|| format!("https://{vault_name}.{resource}"));
        let directory = self.shared("active_directory_endpoint", &["AZURE_AUTHORITY_HOST"])?;
        Ok(Choice::AzureKeyVault(Box::new(AzureKeyVaultSettings {
            vault,
            key_name: self.needed("key_name", self.own("key_name", &["VAULT_AZUREKEYVAULT_KEY_NAME"])?)?,
            application: Application {
                directory: directory.unwrap_or_else(|| cloud.directory.to_owned()),
                tenant,
                client,
                proof,
                resource: format!("https://{resource}"),
            },
        })))
    }

    pub(super) fn gcpckms(&self) -> Result<Choice, Fault> {
        let own = |name: &str, variable: &str| self.needed(name, self.own(name, &[variable])?);
        let shared = |name: &str, variable: &str| self.needed(name, self.shared(name, &[variable])?);
        Ok(Choice::GcpCkms(Box::new(GcpCkmsSettings {
            credentials: self
                .shared("credentials", &["GOOGLE_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"])?
                .map(Secret::new),
            project: shared("project", "GOOGLE_PROJECT")?,
            region: shared("region", "GOOGLE_REGION")?,
            key_ring: own("key_ring", "VAULT_GCPCKMS_SEAL_KEY_RING")?,
            crypto_key: own("crypto_key", "VAULT_GCPCKMS_SEAL_CRYPTO_KEY")?,
            endpoint: self.shared("endpoint", &[])?,
        })))
    }

    pub(super) fn kmip(&self) -> Result<Choice, Fault> {
        let own = |name: &str| self.own(name, &[format!("BAO_KMIP_{}", name.to_uppercase()).as_str()]);
        let needed = |name: &str| self.needed(name, own(name)?);
        let timeout = match self.body.int("timeout") {
            Ok(Some(seconds)) => Some(seconds.to_string()),
            _ => own("timeout")?,
        };
        let timeout = timeout.map(|text| {
            let parsed = duration::parse(&text).ok().filter(|time| !time.is_zero());
            parsed.ok_or_else(|| self.wrong("timeout", "it is no number of seconds above 0"))
        });
        let algorithm = match own("encrypt_alg")?.as_deref() {
            None | Some("AES_GCM") => KmipAlgorithm::AesGcm,
            Some("RSA_OAEP_SHA256") => KmipAlgorithm::RsaOaep(KmipHash::Sha256),
            Some("RSA_OAEP_SHA384") => KmipAlgorithm::RsaOaep(KmipHash::Sha384),
            Some("RSA_OAEP_SHA512") => KmipAlgorithm::RsaOaep(KmipHash::Sha512),
            Some(_) => {
                return Err(
                    self.wrong("encrypt_alg", "use AES_GCM, RSA_OAEP_SHA256, RSA_OAEP_SHA384 or RSA_OAEP_SHA512")
                );
            }
        };
        let key = self.own("kms_key_id", &["BAO_KMIP_WRAPPER_KEY_ID", "VAULT_KMIP_SEAL_KEY_ID"])?;
        let ciphers = own("tls12_ciphers")?.unwrap_or_default();
        let ciphers = ciphers.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Choice::Kmip(Box::new(KmipSettings {
            endpoint: needed("endpoint")?,
            kms_key_id: self.needed("kms_key_id", key)?,
            client_cert: needed("client_cert")?.into(),
            client_key: needed("client_key")?.into(),
            ca_cert: own("ca_cert")?.map(Into::into),
            server_name: own("server_name")?,
            timeout: timeout.transpose()?.unwrap_or(Duration::from_secs(10)),
            algorithm,
            tls12_ciphers: ciphers.map(str::to_owned).collect(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::SealSetup;
    use super::super::tests::load;
    use super::*;
    use lessor_core::seal::SealKind;

    #[test]
    fn keys_of_azure_and_google_are_named_by_the_file_and_the_environment() {
        let azure =
            "seal \"azurekeyvault\" { vault_name = \"v\" key_name = \"k\" environment = \"AZUREUSGOVERNMENTCLOUD\" }";
        let setup = load(azure, &[("VAULT_AZUREKEYVAULT_KEY_NAME", "wins"), ("AZURE_TENANT_ID", "t")]).unwrap();
        let Some(Choice::AzureKeyVault(settings)) = &setup.current else { panic!() };
        assert_eq!(
            (settings.vault.as_str(), settings.key_name.as_str()),
            ("https://v.vault.usgovcloudapi.net", "wins")
        );
        assert_eq!(settings.application.resource, "https://vault.usgovcloudapi.net");
        assert_eq!(settings.application.directory, "https://login.microsoftonline.us");
        let SealKind::Auto(seal) = setup.build().unwrap().current else { panic!() };
        assert_eq!((setup.word(), seal.kind()), ("azurekeyvault", "azurekeyvault"));
        let variables = [
            ("VAULT_SEAL_TYPE", "gcpckms"),
            ("GOOGLE_PROJECT", "p"),
            ("GOOGLE_REGION", "global"),
            ("VAULT_GCPCKMS_SEAL_KEY_RING", "r"),
            ("VAULT_GCPCKMS_SEAL_CRYPTO_KEY", "c"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/f"),
        ];
        let setup = load("", &variables).unwrap();
        let Some(Choice::GcpCkms(settings)) = &setup.current else { panic!() };
        assert_eq!((settings.key_ring.as_str(), settings.credentials.as_ref().map(Secret::expose)), ("r", Some("/f")));
        for (text, reason) in [
            ("seal \"azurekeyvault\" { key_name = \"k\" }", "'vault_name' must be set"),
            ("seal \"azurekeyvault\" { key_name = \"k\" vault_name = \"a.b/c\" }", "letters, digits and dashes"),
            ("seal \"azurekeyvault\" { key_name = \"k\" vault_name = \"v\" environment = \"x\" }", "is unknown"),
            ("seal \"azurekeyvault\" { key_name = \"k\" vault_name = \"v\" client_secret = \"s\" }", "needs tenant_id"),
            ("seal \"gcpckms\" { project = \"p\" region = \"r\" key_ring = \"k\" }", "'crypto_key' must be set"),
        ] {
            let error = load(text, &[]).err().unwrap();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_key_on_a_kmip_server_is_named_by_openbaos_keys_and_variables() {
        let stanza = |more: &str| {
            format!(
                "seal \"kmip\" {{ endpoint = \"h:1\" kms_key_id = \"7\" client_cert = \"c\" client_key = \"k\" {more} }}"
            )
        };
        let kmip = |setup: &SealSetup| match &setup.current {
            Some(Choice::Kmip(settings)) => settings.as_ref().clone(),
            _ => panic!(),
        };
        let plain = kmip(&load(&stanza(""), &[]).unwrap());
        assert_eq!((plain.timeout, plain.algorithm), (Duration::from_secs(10), KmipAlgorithm::AesGcm));
        let text = stanza("timeout = 3\n encrypt_alg = \"RSA_OAEP_SHA512\" server_name = \"n\"");
        let set = kmip(&load(&text, &[("BAO_KMIP_ENDPOINT", "wins:2"), ("BAO_KMIP_CA_CERT", "ca")]).unwrap());
        assert_eq!((set.endpoint.as_str(), set.timeout), ("wins:2", Duration::from_secs(3)));
        assert_eq!(set.algorithm, KmipAlgorithm::RsaOaep(KmipHash::Sha512));
        assert_eq!((set.ca_cert, set.server_name.as_deref()), (Some("ca".into()), Some("n")));
        let variables = [
            ("BAO_SEAL_TYPE", "kmip"),
            ("BAO_KMIP_ENDPOINT", "h:1"),
            ("BAO_KMIP_WRAPPER_KEY_ID", "8"),
            ("BAO_KMIP_CLIENT_CERT", "c"),
            ("BAO_KMIP_CLIENT_KEY", "k"),
            ("BAO_KMIP_TIMEOUT", "20"),
            ("BAO_KMIP_TLS12_CIPHERS", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ];
        let setup = load("", &variables).unwrap();
        let settings = kmip(&setup);
        assert_eq!((settings.kms_key_id.as_str(), settings.timeout), ("8", Duration::from_secs(20)));
        assert!(setup.word() == "kmip" && setup.build().is_ok());
        for (text, reason) in [
            ("seal \"kmip\" { endpoint = \"h:1\" }".to_owned(), "'kms_key_id' must be set"),
            (stanza("encrypt_alg = \"AES_CBC\""), "use AES_GCM"),
            (stanza("timeout = 0"), "no number of seconds above 0"),
        ] {
            let error = load(&text, &[]).err().unwrap();
            assert!(error.contains(reason), "{error}");
        }
    }
}
