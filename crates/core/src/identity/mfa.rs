//! Login MFA: methods, whom they are enforced on, and the second step of a login.
//!
//! TOTP is checked here. The settings of Duo, Okta and PingID are kept, but a login that needs one of them is refused:
//! this version does not talk to them.
mod enforcement;
mod login;
mod methods;
mod qr;
mod totp;

pub use login::{Pending, Proofs, Requirement};

use super::paths::Endpoints;
use lessor_engine::{Paths, Secret};
use serde::{Deserialize, Serialize};

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    enforcement::declare(methods::declare(paths))
}

/// A configured method.
#[derive(Clone, Serialize, Deserialize)]
struct Method {
    id: String,
    /// Names it in the `X-Vault-MFA` header beside its id; may be empty.
    name: String,
    settings: Settings,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Settings {
    Totp(totp::Settings),
    Duo {
        #[serde(with = "lessor_engine::secret::at_rest")]
        secret_key: Secret,
        #[serde(with = "lessor_engine::secret::at_rest")]
        integration_key: Secret,
        api_hostname: String,
        push_info: String,
        use_passcode: bool,
        username_format: String,
    },
    Okta {
        org_name: String,
        #[serde(with = "lessor_engine::secret::at_rest")]
        api_token: Secret,
        base_url: String,
        primary_email: bool,
        username_format: String,
    },
    PingId {
        /// The settings file of PingID, decoded: `name=value` lines.
        #[serde(with = "lessor_engine::secret::at_rest")]
        file: Secret,
        username_format: String,
    },
}

impl Settings {
    fn word(&self) -> &'static str {
        match self {
            Self::Totp(_) => "totp",
            Self::Duo { .. } => "duo",
            Self::Okta { .. } => "okta",
            Self::PingId { .. } => "pingid",
        }
    }
    fn uses_passcode(&self) -> bool {
        match self {
            Self::Totp(_) => true,
            Self::Duo { use_passcode, .. } => *use_passcode,
            Self::Okta { .. } | Self::PingId { .. } => false,
        }
    }
}

fn method_key(id: &str) -> String {
    format!("mfa/method/{id}")
}
