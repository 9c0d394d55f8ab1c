//! Seals that are kept by somebody else: another server's transit engine, the KMS of AWS, Azure or
//! Google, a KMIP server, an HSM. Each is a
//! [`lessor_core::seal::Seal`]; core knows none of them by name.
mod awskms;
mod azurekeyvault;
mod gcpckms;
mod kmip;
mod pkcs11;
mod rest;
mod transit;

pub use awskms::{AwsKmsSeal, AwsKmsSettings};
pub use azurekeyvault::{AzureKeyVaultSeal, AzureKeyVaultSettings};
pub use gcpckms::{GcpCkmsSeal, GcpCkmsSettings};
pub use kmip::{KmipAlgorithm, KmipHash, KmipSeal, KmipSettings};
pub use pkcs11::{Mechanism, OaepHash, Pkcs11Seal, Pkcs11Settings};
pub use transit::{TransitSeal, TransitSettings};

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(pub String);
