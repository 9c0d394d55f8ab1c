//! The `ssh` engine.
use super::Both;
use crate::targets::sshd::keygen;

const AUTHORITIES: &str = r#"
POST sys/mounts/ssh {"type":"ssh"}
GET ssh/config/ca
GET ssh/public_key
LIST ssh/issuers
GET ssh/config/issuers
GET ssh/issuer/default
POST ssh/config/ca {"generate_signing_key":false}
POST ssh/config/ca {"private_key":"x"}
POST ssh/config/ca {"public_key":"x"}
POST ssh/config/ca {"private_key":"x","public_key":"x"} ~~ texts of refusals in ssh ~~ 400 ~~ could not parse public_key provided value: it has to read
POST ssh/config/ca {"private_key":"x","public_key":"x","generate_signing_key":true}
POST ssh/config/ca {"private_key":"x","public_key":"$pub","generate_signing_key":false} ~~ texts of refusals in ssh ~~ 400 ~~ unable to parse private_key: use PEM
POST ssh/config/ca {"key_type":"dsa"} ~~ status of wrong input ~~ 400 ~~ use rsa, ec or ed25519
POST ssh/config/ca {"key_type":"rsa","key_bits":1024} ~~ status of wrong input ~~ 400 ~~ use 2048, 3072, 4096 or 8192
POST ssh/config/ca {"key_type":"ec","key_bits":111} ~~ status of wrong input ~~ 400 ~~ use 256, 384 or 521
POST ssh/roles/early {"key_type":"ca","allow_user_certificates":true,"allowed_users":"*"}
POST ssh/sign/early {"public_key":"$pub","valid_principals":"ann"}
DELETE ssh/roles/early
POST ssh/config/ca {"private_key":"$key","public_key":"$pub"}
GET ssh/config/ca
"#;

const ISSUERS: &str = r#"
GET ssh/issuer/default
GET ssh/issuer/none
GET ssh/issuer/none/public_key
POST ssh/issuers/import/second {"private_key":"$key2","public_key":"$pub2"}
POST ssh/issuers/import/second {"key_type":"ed25519"}
POST ssh/issuers/import/default {"key_type":"ed25519"}
POST ssh/issuers/import/third {"key_type":"ec","key_bits":384}
GET ssh/issuer/second
"#;

const DEFAULTS: &str = r#"
POST ssh/issuer/second {"issuer_name":"third"}
POST ssh/issuer/second {"issuer_name":"default"}
POST ssh/issuer/second {"issuer_name":"two"}
GET ssh/issuer/two
GET ssh/issuer/second
POST ssh/issuer/none {"issuer_name":"x"}
POST ssh/config/issuers {}
POST ssh/config/issuers {"default":"none"} ~~ status of wrong input ~~ 400 ~~ unable to find issuer for reference: none
POST ssh/config/issuers {"default":"two"}
GET ssh/issuer/default
DELETE ssh/issuer/third
DELETE ssh/issuer/third
"#;

const ROLES: &str = r#"
LIST ssh/roles
GET ssh/roles/none
DELETE ssh/roles/none
POST ssh/roles/r {}
POST ssh/roles/r {"key_type":"x"}
POST ssh/roles/r {"key_type":"dynamic"}
POST ssh/roles/r {"key_type":"ca"}
POST ssh/roles/r {"key_type":"ca","allow_user_certificates":true,"ttl":"2h","max_ttl":"1h"}
POST ssh/roles/r {"key_type":"ca","allow_user_certificates":true,"algorithm_signer":"x"} ~~ status of wrong input ~~ 400 ~~ use default, ssh-rsa, rsa-sha2-256 or rsa-sha2-512
POST ssh/roles/r {"key_type":"ca","allow_user_certificates":true,"algorithm_signer":"rsa-sha2-512"}
POST ssh/roles/r {"key_type":"ca","allow_user_certificates":true,"allowed_user_key_lengths":{"rsa":"many"}} ~~ texts of refusals in ssh ~~ 400 ~~ error processing allowed_user_key_lengths:
POST ssh/roles/r {"key_type":"ca","allow_user_certificates":true,"allowed_user_key_lengths":{"abc":1}} ~~ values that cannot work ~~ 400 ~~ use rsa, ec, ed25519 or the name of an SSH key type
POST ssh/roles/r {"key_type":"ca","allow_user_certificates":true,"ttl":"soon"}
POST ssh/roles/bare {"key_type":"ca","allow_user_certificates":true}
GET ssh/roles/bare
POST ssh/roles/u {"key_type":"ca","allow_user_certificates":true,"allowed_users":"ann,bob","default_user":"ann","ttl":"30m","max_ttl":"2h","allowed_extensions":"permit-pty,login@github.com","default_extensions":{"permit-pty":""},"allowed_critical_options":"force-command","default_critical_options":{"force-command":"id"},"allowed_user_key_lengths":{"rsa":[2048,4096],"ed25519":0},"allow_user_key_ids":true}
GET ssh/roles/u
POST ssh/roles/h {"key_type":"ca","allow_host_certificates":true,"allowed_domains":"a.example,b.example","allow_subdomains":true,"key_id_format":"{{role_name}}-{{public_key_hash}}-{{nothing}}","not_before_duration":"1m","issuer_ref":"two"}
GET ssh/roles/h
POST ssh/roles/any {"key_type":"ca","allow_user_certificates":true,"allow_host_certificates":true,"allowed_users":"*","allowed_domains":"*","allowed_extensions":"*"}
POST ssh/roles/empty {"key_type":"ca","allow_user_certificates":true,"allow_empty_principals":true}
POST ssh/roles/lost {"key_type":"ca","allow_user_certificates":true,"allowed_users":"*","issuer_ref":"nobody"}
POST ssh/roles/o {"key_type":"otp"}
POST ssh/roles/o {"key_type":"otp","default_user":"ann","cidr_list":"10.0.0.0"} ~~ status of wrong input ~~ 400 ~~ failed to validate cidr_list: invalid CIDR address: 10.0.0.0
POST ssh/roles/o {"key_type":"otp","default_user":"ann","exclude_cidr_list":"x"} ~~ status of wrong input ~~ 400 ~~ failed to validate exclude_cidr_list
POST ssh/roles/o {"key_type":"otp","default_user":"ann","cidr_list":"10.0.0.0/8,fd00::/8","exclude_cidr_list":"10.9.0.0/16","allowed_users":"bob","port":2222}
GET ssh/roles/o
POST ssh/roles/nowhere {"key_type":"otp","default_user":"ann","allowed_users":"*"}
POST ssh/roles/at@home {"key_type":"otp","default_user":"ann","cidr_list":"192.0.2.0/24"}
GET ssh/roles/at@home
LIST ssh/roles
GET ssh/roles/-bad
"#;

const CERTIFICATES: &str = r#"
POST ssh/sign/none {"public_key":"$pub"}
POST ssh/sign/o {"public_key":"$pub"} ~~ kind of role ~~ 400 ~~ creds/o makes its passwords
POST ssh/sign/u {}
POST ssh/sign/u {"public_key":"x"} ~~ texts of refusals in ssh ~~ 400 ~~ failed to parse public_key as SSH key: it has to read
POST ssh/sign/u {"public_key":"$cert"} ~~ texts of refusals in ssh ~~ 400 ~~ this is a certificate; send the key it was made for
POST ssh/sign/u {"public_key":"$pub"}
POST ssh/sign/u {"public_key":"$pub","valid_principals":"bob"}
POST ssh/sign/u {"public_key":"$pub","valid_principals":"ann,bob"}
POST ssh/sign/u {"public_key":"$pub","valid_principals":"eve"}
POST ssh/sign/u {"public_key":"$pub","valid_principals":"ann,eve"}
POST ssh/sign/u {"public_key":"$pub","valid_principals":""} ~~ texts of refusals in ssh ~~ 400 ~~ allow_empty_principals
POST ssh/sign/u {"public_key":"$pub","ttl":"1h"}
POST ssh/sign/u {"public_key":"$pub","ttl":"3h"}
POST ssh/sign/u {"public_key":"$pub","ttl":"soon"}
POST ssh/sign/u {"public_key":"$pub","cert_type":"host"}
POST ssh/sign/u {"public_key":"$pub","cert_type":"x"}
POST ssh/sign/u {"public_key":"$pub","extensions":{"permit-pty":""}}
POST ssh/sign/u {"public_key":"$pub","extensions":{"permit-X11-forwarding":""}}
POST ssh/sign/u {"public_key":"$pub","critical_options":{"force-command":"ls"}}
POST ssh/sign/u {"public_key":"$pub","critical_options":{"source-address":"10.0.0.0/8"}}
POST ssh/sign/u {"public_key":"$pub","key_id":"mine"}
POST ssh/sign/u {"public_key":"$ec"} ~~ texts of refusals in ssh ~~ 400 ~~ public_key failed to meet the key requirements: key type of ecdsa
POST ssh/sign/h {"public_key":"$pub","cert_type":"host","valid_principals":"x.a.example"}
POST ssh/sign/h {"public_key":"$pub","cert_type":"host","valid_principals":"a.example"}
POST ssh/sign/h {"public_key":"$pub","cert_type":"host","valid_principals":"c.example"}
POST ssh/sign/h {"public_key":"$pub","cert_type":"host"} ~~ texts of refusals in ssh ~~ 400 ~~ allow_empty_principals
POST ssh/sign/h {"public_key":"$pub","cert_type":"host","valid_principals":"x.b.example","key_id":"mine"}
POST ssh/sign/h {"public_key":"$pub","valid_principals":"x.a.example"}
POST ssh/sign/any {"public_key":"$ec","valid_principals":"whoever","ttl":"768h"}
POST ssh/sign/any {"public_key":"$ec","valid_principals":"whoever","ttl":"100000h"}
POST ssh/sign/any {"public_key":"$ec"}
POST ssh/sign/bare {"public_key":"$pub"} ~~ texts of refusals in ssh ~~ 400 ~~ allow_empty_principals
POST ssh/sign/bare {"public_key":"$pub","valid_principals":"ann"} ~~ texts of refusals in ssh ~~ 400 ~~ role is not configured to allow any principals: set its allowed_users
POST ssh/sign/empty {"public_key":"$pub"}
POST ssh/sign/lost {"public_key":"$pub","valid_principals":"ann"}
POST ssh/issue/none {}
POST ssh/issue/o {}
POST ssh/issue/u {"key_type":"ed25519"}
POST ssh/issue/u {"key_type":"rsa","key_bits":2048}
POST ssh/issue/u {"key_type":"rsa","key_bits":3072}
POST ssh/issue/u {"key_type":"ec"}
POST ssh/issue/u {"key_type":"dsa"} ~~ texts of refusals in ssh ~~ 400 ~~ use rsa, ec or ed25519
POST ssh/issue/any {"key_type":"ec","key_bits":384,"valid_principals":"ann"}
POST ssh/issue/any {"key_type":"ec","key_bits":300,"valid_principals":"ann"} ~~ texts of refusals in ssh ~~ 400 ~~ use 256, 384 or 521
GET ssh/sign/u
"#;

const PASSWORDS: &str = r#"
GET ssh/config/zeroaddress
POST ssh/config/zeroaddress {}
POST ssh/config/zeroaddress {"roles":"none"}
POST ssh/creds/none {"ip":"10.0.0.1"}
POST ssh/creds/u {"ip":"10.0.0.1"} ~~ kind of role ~~ 400 ~~ sign/u signs keys
GET ssh/creds/o
POST ssh/creds/o {}
POST ssh/creds/o {"ip":"host"}
POST ssh/creds/o {"ip":"10.0.0.1"}
POST ssh/creds/o {"ip":"fd00::1","username":"bob"}
POST ssh/creds/o {"ip":"10.0.0.1","username":"ann"}
POST ssh/creds/o {"ip":"10.0.0.1","username":"eve"}
POST ssh/creds/o {"ip":"11.0.0.1"}
POST ssh/creds/o {"ip":"10.9.0.1"}
POST ssh/creds/nowhere {"ip":"10.0.0.1"}
POST ssh/config/zeroaddress {"roles":"nowhere"}
GET ssh/config/zeroaddress
POST ssh/creds/nowhere {"ip":"10.0.0.1"}
POST ssh/creds/nowhere {"ip":"10.0.0.1","username":"whoever"}
POST ssh/lookup {}
POST ssh/lookup {"ip":"x"} ~~ texts of refusals in ssh ~~ 400 ~~ Invalid IP
POST ssh/lookup {"ip":"10.0.0.1"}
POST ssh/lookup {"ip":"10.9.0.1"} ~~ lookup without excluded addresses ~~ 200 ~~ {"roles":["nowhere"]}
POST ssh/lookup {"ip":"172.16.0.1"}
POST ssh/verify {}
POST ssh/verify {"otp":"x"}
POST ssh/verify {"otp":"verify-echo-request"}
"#;

const AFTER: &str = r#"
POST ssh/verify {"otp":"$otp"}
POST ssh/verify {"otp":"$otp"}
DELETE ssh/roles/nowhere
GET ssh/config/zeroaddress
POST ssh/config/zeroaddress {"roles":"o"}
DELETE ssh/config/zeroaddress
GET ssh/config/zeroaddress
DELETE ssh/roles/o
POST ssh/verify {"otp":"$late"} ~~ passwords of deleted roles ~~ 400 ~~ OTP not found
DELETE ssh/tidy/dynamic-keys
DELETE ssh/issuer/two ~~ texts of refusals in ssh ~~ 200 ~~ was the default
GET ssh/config/issuers
GET ssh/config/ca
POST ssh/sign/any {"public_key":"$pub","valid_principals":"ann"}
DELETE ssh/config/ca
LIST ssh/issuers
POST ssh/config/ca {"key_type":"ed25519"}
DELETE ssh/config/ca
DELETE ssh/config/ca
"#;

/// What chance decides.
const CHANCE: &[&str] =
    &["issuer_id", "public_key", "serial_number", "signed_key", "private_key", "key", "default", "keys"];

/// Public and private key in the texts of JSON.
fn pair(kind: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("key");
    match kind {
        "ed25519" => keygen(&at),
        other => {
            let arguments = ["-q", "-t", other, "-m", "PEM", "-N", "", "-f"];
            let made = std::process::Command::new("ssh-keygen").args(arguments).arg(&at).status();
            assert!(made.unwrap().success());
        }
    }
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap().replace('\n', "\\n");
    (text("key.pub"), text("key"))
}

#[tokio::test]
async fn the_ssh_engine_answers_as_the_peer_does() {
    let mut both = Both::start().await;
    both.without(CHANCE, &[]);
    let ((public, private), (public2, private2), (ec, _)) = (pair("ed25519"), pair("rsa"), pair("ecdsa"));
    for (name, value) in [("pub2", public2), ("key2", private2), ("pub", public), ("key", private), ("ec", ec)] {
        both.know(name, &value);
    }
    both.all(AUTHORITIES);
    both.keep("first", ("GET", "ssh/config/ca", ""), "/data/issuer_id");
    both.same("LIST", "ssh/issuers", "");
    both.keep("other", ("POST", "ssh/config/ca", r#"{"key_type":"ed25519"}"#), "/data/issuer_id");
    both.all(ISSUERS);
    both.keep("second", ("GET", "ssh/issuer/second", ""), "/data/issuer_id");
    both.all(DEFAULTS);
    both.all(ROLES);
    let body = r#"{"public_key":"$pub","valid_principals":"x"}"#;
    both.keep("cert", ("POST", "ssh/sign/any", body), "/data/signed_key");
    both.all(CERTIFICATES);
    both.all(PASSWORDS);
    for name in ["otp", "late"] {
        both.keep(name, ("POST", "ssh/creds/o", r#"{"ip":"10.0.0.1"}"#), "/data/key");
    }
    both.all(AFTER);
    both.finish(160);
}
