use std::pin::Pin;

use serde_json::{Map, Value};

use super::{aws, oidc, password};
use crate::context::Ctx;
use crate::failure::Failure;

/// A login at work; it ends with the server's answer.
pub type Login<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + 'a>>;

/// A method the command line itself knows how to log in with.
pub struct Method {
    /// Its type, which is also where it is usually mounted.
    pub name: &'static str,
    pub about: &'static str,
    pub example: &'static str,
    /// Keys it takes, with what they mean.
    pub keys: &'static [(&'static str, &'static str)],
    /// Logs in at the mount with the pairs of the command line.
    pub login: for<'a> fn(&'a mut Ctx, String, Map<String, Value>) -> Login<'a>,
}

const USERNAME: (&str, &str) = ("username", "Name to log in with.");
const PASSWORD: (&str, &str) = ("password", "Password; asked for when not given.");

/// All of them but `token`, which needs no login.
pub static METHODS: &[Method] = &[
    Method {
        name: "aws",
        about: "Log in with an AWS identity: a signed GetCallerIdentity request is sent, never the secret key.",
        example: "lessor login -method=aws role=developer",
        keys: &[
            ("role", "Role to log in as; the name of the AWS principal when not given."),
            ("region", "Region of the STS endpoint, from the AWS settings, else us-east-1."),
            ("header_value", "Value the server expects in the header X-Vault-AWS-IAM-Server-ID."),
            ("aws_access_key_id", "Access key; from the AWS settings when not given."),
            ("aws_secret_access_key", "Its secret key."),
            ("aws_security_token", "Its session token."),
        ],
        login: aws::login,
    },
    Method {
        name: "cert",
        about: "Log in with the client certificate of the connection.",
        example: "lessor login -method=cert -client-cert=me.pem -client-key=me.key name=web",
        keys: &[("name", "Certificate role to log in as; the server tries all when not given.")],
        login: password::cert,
    },
    Method {
        name: "github",
        about: "Log in with a GitHub personal access token.",
        example: "lessor login -method=github",
        keys: &[("token", "The token; VAULT_AUTH_GITHUB_TOKEN, or asked for, when not given.")],
        login: password::github,
    },
    Method {
        name: "ldap",
        about: "Log in with a name and password of a directory.",
        example: "lessor login -method=ldap username=alice",
        keys: &[USERNAME, ("password", "Password; VAULT_LDAP_PASSWORD, or asked for, when not given.")],
        login: password::ldap,
    },
    Method {
        name: "oidc",
        about: "Log in at an OpenID Connect provider in the browser.",
        example: "lessor login -method=oidc role=staff",
        keys: &[
            ("role", "Role to log in as; the mount's default role when not given."),
            ("port", "Port the provider's answer comes to, 8250 when not given."),
            ("listenaddress", "Address to listen at for it, localhost when not given."),
            ("callbackmode", "client, direct or device, as the role has it: where the browser comes back to."),
            ("callbackhost", "Host of the redirect address, localhost when not given; direct: the server's."),
            ("callbackmethod", "Scheme of the redirect address, http when not given; direct: the server's."),
            ("callbackport", "Port of the redirect address, the one listened at when not given; direct: the server's."),
            ("skip_browser", "true only prints the address instead of opening the browser."),
            ("abort_on_error", "true gives up at the first failed attempt."),
        ],
        login: oidc::login,
    },
    Method {
        name: "okta",
        about: "Log in with a name and password of Okta.",
        example: "lessor login -method=okta username=alice",
        keys: &[USERNAME, PASSWORD],
        login: password::userpass,
    },
    Method {
        name: "radius",
        about: "Log in with a name and password of a RADIUS server.",
        example: "lessor login -method=radius username=alice",
        keys: &[USERNAME, PASSWORD],
        login: password::userpass,
    },
    Method {
        name: "userpass",
        about: "Log in with a name and password the server keeps.",
        example: "lessor login -method=userpass username=alice",
        keys: &[USERNAME, PASSWORD],
        login: password::userpass,
    },
];
