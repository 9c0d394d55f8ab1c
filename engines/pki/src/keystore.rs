//! `format` = `pkcs12_bundle` and `jks_bundle`: an answer's certificate, chain and key in one file behind a password.
use crate::issue::Format;
use crate::pkcs12::{self, Encoder};
use crate::{encode, jks};
use lessor_engine::{Error, Params, Result, Secret};
use zeroize::Zeroizing;

/// The longest password: it is hashed many times, and no reader takes a longer one.
const LONGEST_PASSWORD: usize = 1024;
const LONGEST_ALIAS: usize = 255;

/// How stores are written.
#[derive(Params)]
pub(crate) struct StoreParams {
    /// How a PKCS#12 store is authenticated: modern2026 (PBMAC1) or modern2023 (HMAC-SHA-256, for older readers).
    #[param(default = "modern2026")]
    pkcs12_encoder: String,
    /// Password of a PKCS#12 store.
    #[param(secret, default = "changeit")]
    pkcs12_password: Secret,
    /// Password of a JKS store and of the key in it.
    #[param(secret, default = "changeit")]
    jks_password: Secret,
    /// Name of the entry in a JKS store; Java knows it in lower case.
    #[param(default = "1")]
    jks_private_key_alias: String,
}

/// A store, and all that is needed to write it.
pub(crate) enum Store {
    /// PKCS#12.
    Pkcs12 {
        /// What it is authenticated by.
        encoder: Encoder,
        /// What it is encrypted by.
        password: Secret,
    },
    /// Java's own.
    Jks {
        /// Name of the entry.
        alias: String,
        /// Of store and key.
        password: Secret,
    },
}

/// What an answer looks like.
pub(crate) enum Form {
    /// Texts.
    Plain(Format),
    /// A file in base64.
    Store(Store),
}

/// What is in a store: the leaf first, the root last.
pub(crate) struct Contents {
    /// PKCS#8 in DER.
    pub(crate) key: Option<Zeroizing<Vec<u8>>>,
    /// In DER.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// Nothing that a caller could change.
pub(crate) fn rejected<E>(_: E) -> Error {
    Error::Internal("the store could not be written".to_owned())
}

fn password(field: &str, given: &Secret) -> Result<Secret> {
    let text = given.expose();
    if text.is_empty() || text.len() > LONGEST_PASSWORD || text.contains('\0') {
        return Err(Error::invalid(format!(
            "{field} has to have 1 to {LONGEST_PASSWORD} bytes, none of them zero; leave it out for the default"
        )));
    }
    Ok(given.clone())
}

fn alias(given: &str) -> Result<String> {
    if given.is_empty() || given.chars().count() > LONGEST_ALIAS || given.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "jks_private_key_alias has to have 1 to {LONGEST_ALIAS} characters, none of them a control character"
        )));
    }
    Ok(given.to_owned())
}

impl Form {
    /// What `format` and the parameters of stores ask for.
    ///
    /// # Errors
    /// When a value is none that can be used; it names the field.
    pub(crate) fn named(format: &str, asked: &StoreParams) -> Result<Self> {
        match format {
            "pkcs12_bundle" => {
                let encoder = match asked.pkcs12_encoder.as_str() {
                    "modern2026" | "" => Encoder::Modern2026,
                    "modern2023" => Encoder::Modern2023,
                    other => {
                        return Err(Error::invalid(format!(
                            "unknown pkcs12_encoder {other:?}: use modern2026, or modern2023 for readers that do not know PBMAC1"
                        )));
                    }
                };
                let password = password("pkcs12_password", &asked.pkcs12_password)?;
                Ok(Self::Store(Store::Pkcs12 { encoder, password }))
            }
            "jks_bundle" => {
                let password = password("jks_password", &asked.jks_password)?;
                Ok(Self::Store(Store::Jks { alias: alias(&asked.jks_private_key_alias)?, password }))
            }
            plain => Format::named(plain).map(Self::Plain).map_err(|_| {
                Error::invalid(
                    "the \"format\" path parameter must be \"pem\", \"der\", \"pem_bundle\", \"pkcs12_bundle\" or \"jks_bundle\"",
                )
            }),
        }
    }
    /// The form of the texts beside the certificate.
    pub(crate) fn texts(&self) -> Format {
        match self {
            Self::Plain(format) => *format,
            Self::Store(_) => Format::Pem,
        }
    }
}

impl Store {
    /// The file in base64. `now` is in milliseconds since 1970. Hashing the password takes milliseconds, so it is done
    /// beside the runtime.
    ///
    /// # Errors
    /// When the machine has no random numbers.
    pub(crate) async fn write(self, contents: Contents, now: i64) -> Result<String> {
        let bytes = lessor_engine::beside::sign(move || match self {
            Self::Pkcs12 { encoder, password } => pkcs12::write(&contents, encoder, &password),
            Self::Jks { alias, password } => jks::write(&contents, &alias, &password, now),
        });
        Ok(encode::b64(&bytes.await?))
    }
}
