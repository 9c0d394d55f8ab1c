//! `pki` beside the peer: defaults, fields, refusals.
use super::Both;

const PART_1: &str = r#"
POST sys/mounts/pki {"type":"pki","config":{"max_lease_ttl":"87600h"}}
GET pki/config/issuers
GET pki/config/keys
GET pki/config/urls
GET pki/config/cluster
GET pki/config/crl
GET pki/config/acme
GET pki/config/auto-tidy
GET pki/tidy-status
LIST pki/roles
LIST pki/issuers
LIST pki/keys
LIST pki/certs
LIST pki/certs/revoked
LIST pki/eab
GET pki/roles/none
GET pki/issuer/none ~~ faults of the caller ~~ 404 ~~ unable to find PKI issuer for reference: none
GET pki/key/none ~~ faults of the caller ~~ 404 ~~ unable to find PKI key for reference: none
GET pki/ca
GET pki/crl
GET pki/cert/ca
GET pki/cert/1a:2b
GET pki/cert/ca_chain
GET pki/cert/crl ~~ faults of the caller ~~ 404 ~~ errors
POST pki/roles/r {}
GET pki/roles/r
POST pki/roles/r {"allowed_domains":"a,b","ttl":"1h","max_ttl":"2h","key_type":"ec"}
PATCH pki/roles/r {"ttl":"30m"}
PATCH pki/roles/none {"ttl":"30m"} ~~ texts of refusals ~~ 404 ~~ unable to fetch role entry to patch: none
POST pki/roles/bad {"ttl":"2h","max_ttl":"1h"}
POST pki/roles/bad {"key_type":"dsa"}
POST pki/roles/bad {"key_type":"rsa","key_bits":1024}
POST pki/roles/bad {"key_type":"rsa","key_bits":2222}
POST pki/roles/bad {"key_type":"ec","key_bits":100}
POST pki/roles/bad {"ext_key_usage_oids":"x.y"}
POST pki/roles/bad {"policy_identifiers":"x.y"} ~~ faults of the caller ~~ 400 ~~ is no object identifier
POST pki/roles/bad {"cn_validations":"foo"} ~~ faults of the caller ~~ 400 ~~ cn_validations value incorrect: unknown type: `foo`
POST pki/roles/bad {"not_before_bound":"foo"}
POST pki/roles/bad {"not_after_bound":"foo"}
POST pki/roles/bad {"not_after":"foo"} ~~ values that cannot work ~~ 400 ~~ failed to parse not_after
POST pki/roles/bad {"signature_bits":100} ~~ values that cannot work ~~ 400 ~~ invalid signature_bits 100: use 256, 384 or 512, or 0 for the default
POST pki/roles/bad {"generate_lease":true,"no_store":true}
POST pki/roles/lease {"generate_lease":true}
LIST pki/roles
DELETE pki/roles/lease
DELETE pki/roles/none
POST pki/issue/r {"common_name":"x.a"} ~~ faults of the caller ~~ 404 ~~ no default issuer currently configured
POST pki/issue/none {"common_name":"x.a"}
POST pki/root/generate/nonsense {"common_name":"R"}
POST pki/root/generate/internal {"common_name":"R","key_type":"dsa"}
POST pki/root/generate/internal {"common_name":"R","format":"docx"}
POST pki/root/generate/internal {"common_name":"R","issuer_name":"default"}
POST pki/root/generate/internal {"common_name":"R","key_name":"default"}
POST pki/root/generate/internal {"common_name":"R","max_path_length":-5} ~~ faults of the caller ~~ 400 ~~ invalid max_path_length -5: use -1 for none, or 0 to 255
POST pki/root/generate/internal {"common_name":"R","ttl":"1h","not_after":"2030-01-01T00:00:00Z"}
POST pki/root/generate/internal {"common_name":"R","ttl":"8760h","key_type":"ec","issuer_name":"one","key_name":"k1"}
POST pki/root/generate/internal {"common_name":"R","issuer_name":"one"}
POST pki/root/generate/internal {"common_name":"R","key_name":"k1"}
POST pki/root/generate/existing {"common_name":"R0","key_ref":"k1","max_path_length":0,"issuer_name":"zero","ttl":"100h"}
POST pki/root/generate/exported {"key_type":"ed25519","ttl":"100h"}
GET pki/config/issuers
GET pki/config/keys
GET pki/issuer/one
GET pki/issuer/one/json
GET pki/issuer/one/crl
GET pki/issuer/zero
LIST pki/issuers
LIST pki/keys
GET pki/key/k1
GET pki/key/default
POST pki/key/k1 {"key_name":"k2"}
DELETE pki/key/k2 ~~ texts of refusals ~~ 400 ~~ Failed to delete key: unable to delete key
DELETE pki/key/none
GET pki/cert/ca
GET pki/cert/ca_chain
GET pki/cert/crl
POST pki/issuer/one {"issuer_name":"uno","leaf_not_after_behavior":"truncate"}
PATCH pki/issuer/uno {"ocsp_servers":"http://o.x/"}
GET pki/issuer/uno
POST pki/issuer/uno {"leaf_not_after_behavior":"x"} ~~ texts of refusals ~~ 400 ~~ : possible values are err, truncate, permit and always_enforce_err
POST pki/issuer/uno {"usage":"x"}
POST pki/issuer/uno {"manual_chain":"zero"} ~~ texts of refusals ~~ 400 ~~ manual_chain has to begin with the issuer itself; it can be named self
POST pki/issuer/uno {"manual_chain":"none"} ~~ faults of the caller ~~ 400 ~~ unable to resolve issuer from chain: none
POST pki/issuer/uno {"revocation_signature_algorithm":"x"} ~~ texts of refusals ~~ 400 ~~ unknown signature algorithm: x
POST pki/issuer/uno {"revocation_signature_algorithm":"sha256withrsa"} ~~ faults of the caller ~~ 400 ~~ does not fit a key of type ec
POST pki/issuer/uno {"issuing_certificates":"x"}
POST pki/issuer/uno {"issuer_name":"default"}
POST pki/issuer/uno {"issuer_name":"uno","usage":"read-only,issuing-certificates,crl-signing"}
POST pki/config/issuers {"default":"uno"}
POST pki/config/issuers {"default":"none"}
POST pki/config/issuers {}
POST pki/config/issuers {"default":""}
POST pki/config/keys {"default":"none"}
POST pki/config/keys {"default":"k2"}
POST pki/config/urls {"ocsp_servers":"x"}
POST pki/config/urls {"ocsp_servers":"http://a/b","issuing_certificates":["http://c/d"]}
GET pki/config/urls
POST pki/config/cluster {"path":"x"} ~~ faults of the caller ~~ 400 ~~ invalid, non-URL path given to cluster: x
POST pki/config/cluster {"path":"https://h:8200/v1/pki"}
GET pki/config/cluster
POST pki/config/crl {"expiry":"x"} ~~ texts of refusals ~~ 400 ~~ given expiry could not be decoded: invalid duration
POST pki/config/crl {"ocsp_expiry":"x"} ~~ texts of refusals ~~ 400 ~~ given ocsp_expiry could not be decoded: invalid duration
POST pki/config/crl {"enable_delta":true}
POST pki/config/crl {"auto_rebuild":true,"auto_rebuild_grace_period":"72h"}
POST pki/config/crl {"auto_rebuild":true,"enable_delta":true,"delta_rebuild_interval":"72h"}
POST pki/config/crl {"expiry":"48h","ocsp_expiry":"1h"}
GET pki/config/crl
GET pki/crl/rotate
GET pki/crl/rotate-delta ~~ answers in Lessor's words ~~ 200 ~~ delta CRLs are not enabled: nothing was built; set enable_delta at con
POST pki/root/replace {}
POST pki/root/rotate/internal {"common_name":"N","key_type":"ec"}
POST pki/root/replace {}
POST pki/config/issuers {"default":"uno"}
POST pki/intermediate/generate/internal {"common_name":"I","key_type":"ec"}
"#;

const PART_2: &str = r#"
POST pki/intermediate/cross-sign {"common_name":"I","key_ref":"ik"}
POST pki/root/sign-intermediate {}
POST pki/root/sign-intermediate {"csr":"x"}
"#;

const PART_3: &str = r#"
POST pki/root/sign-intermediate {"csr":"$csr","issuer_ref":"zero"}
POST pki/issuer/none/sign-intermediate {"csr":"$csr"} ~~ faults of the caller ~~ 404 ~~ unable to find PKI issuer for reference: none
POST pki/intermediate/set-signed {"certificate":"x"}
POST pki/intermediate/set-signed {}
POST pki/intermediate/set-signed {"certificate":"$int"}
POST pki/intermediate/set-signed {"certificate":"$int"}
POST pki/config/ca {"pem_bundle":""}
POST pki/config/ca {"pem_bundle":"/tmp/x"}
POST pki/roles/w {"allow_any_name":true,"key_type":"ec","ttl":"1h"}
POST pki/issue/w {}
POST pki/issue/w {"common_name":"a.b","format":"docx"} ~~ texts of refusals ~~ 400 ~~ pkcs12_bundle
POST pki/issue/w {"common_name":"a.b","private_key_format":"docx"} ~~ values that cannot work ~~ 400 ~~ path parameter must be
POST pki/issue/w {"common_name":"a.b","ttl":"1h","not_after":"2030-01-01T00:00:00Z"}
POST pki/issue/w {"common_name":"a.b","not_after":"x"} ~~ texts of refusals ~~ 400 ~~ failed to parse not_after
POST pki/issue/w {"common_name":"a.b","ip_sans":"x"}
POST pki/issue/w {"common_name":"a.b","uri_sans":"http://x"}
POST pki/issue/w {"common_name":"a.b","other_sans":"x"}
POST pki/issue/w {"common_name":"a.b","other_sans":"1.2;UTF8:x"} ~~ texts of refusals ~~ 400 ~~ could not parse requested other SAN:
POST pki/issue/w {"common_name":"a.b","serial_number":"x"}
POST pki/issue/w {"common_name":"a.b","user_ids":"x"}
POST pki/issue/w {"common_name":"a b"}
POST pki/issue/w {"common_name":"a.b","ttl":"100000h"} ~~ texts of refusals ~~ 400 ~~ is beyond the expiration of the CA certificate at
"#;

const PART_4: &str = r#"
POST pki/issue/w {"common_name":"a.b","format":"der"}
POST pki/issue/w {"common_name":"a.b","private_key_format":"pkcs8","remove_roots_from_chain":true}
POST pki/issue/r {"common_name":"x.y"}
POST pki/issue/r {"common_name":"a","alt_names":"x.y"}
POST pki/roles/any {"allow_any_name":true,"key_type":"any"}
POST pki/issue/any {"common_name":"a.b"}
POST pki/sign/w {}
POST pki/sign/w {"csr":"x"}
POST pki/sign/w {"csr":"$csr"}
POST pki/sign/w {"csr":"$csr","common_name":"other","alt_names":"q.r"}
POST pki/sign/r {"csr":"$csr"}
POST pki/sign-verbatim {"csr":"$csr","ttl":"1h"}
POST pki/sign-verbatim/w {"csr":"$csr"}
POST pki/sign-verbatim/none {"csr":"$csr"}
POST pki/issuer/uno/sign/w {"csr":"$csr"}
POST pki/issuer/none/issue/w {"common_name":"a.b"} ~~ faults of the caller ~~ 404 ~~ unable to find PKI issuer for reference: none
GET pki/cert/$serial
POST pki/revoke {}
POST pki/revoke {"serial_number":"x"}
POST pki/revoke {"serial_number":"1a:2b"}
POST pki/revoke {"serial_number":"$serial"}
POST pki/revoke {"serial_number":"$serial"}
GET pki/cert/$serial
POST pki/revoke-with-key {"serial_number":"$serial"}
LIST pki/certs/revoked
POST pki/roles/leased {"allow_any_name":true,"key_type":"ec","ttl":"1h","generate_lease":true}
POST pki/issue/leased {"common_name":"a.b"}
POST pki/issuer/uno/revoke {} ~~ answers in Lessor's words ~~ 200 ~~ This issuer is currently configured as the default issuer for this mou
GET pki/issuer/uno
POST pki/issuer/none/revoke {} ~~ faults of the caller ~~ 404 ~~ unable to find PKI issuer for reference: none
POST pki/tidy {}
GET pki/tidy-status
POST pki/tidy {"tidy_cert_store":true,"safety_buffer":"0s"}
POST pki/tidy {"tidy_cert_store":true} ~~ answers in Lessor's words ~~ 202 ~~ Tidy operation successfully started. Any information from the operatio
POST pki/tidy-cancel {}
POST pki/config/auto-tidy {"enabled":true}
POST pki/config/auto-tidy {"enabled":true,"tidy_cert_store":true}
GET pki/config/auto-tidy
POST pki/config/acme {"enabled":true,"eab_policy":"x"} ~~ faults of the caller ~~ 400 ~~ : use not-required, new-account-required or always-required
POST pki/config/acme {"allowed_roles":""} ~~ faults of the caller ~~ 400 ~~ allowed_roles must not be empty: use * for all
POST pki/config/acme {"allowed_roles":"none"} ~~ faults of the caller ~~ 400 ~~ unable to load allowed_roles: role none not found
POST pki/config/acme {"allowed_issuers":"none"} ~~ faults of the caller ~~ 400 ~~ unable to load allowed_issuers: issuer none not found
POST pki/config/acme {"default_directory_policy":"x"} ~~ faults of the caller ~~ 400 ~~ not a valid ACME directory policy: use forbid, sign-verbatim or role:
POST pki/config/acme {"default_directory_policy":"role:none"} ~~ faults of the caller ~~ 400 ~~ default directory policy role none not found
POST pki/config/acme {"dns_resolver":"x"} ~~ faults of the caller ~~ 400 ~~ failed to parse DNS resolver address
GET pki/acme/directory ~~ answers in Lessor's words ~~ 404 ~~ ACME is disabled in configuration
POST pki/config/acme {"enabled":true}
GET pki/acme/directory ~~ answers in Lessor's words ~~ 500 ~~ : requested usage of issuing-certificates for issuer but only had usag
GET pki/config/acme
POST pki/acme/new-eab {}
LIST pki/eab
DELETE pki/eab/x ~~ texts of refusals ~~ 404 ~~ errors
DELETE pki/eab/0e6ba3bf-3b43-4f2f-8e2f-8a3ef2c5ed9a
POST pki/keys/generate/internal {"key_name":"g","key_type":"ec"}
POST pki/keys/generate/exported {"key_type":"ed25519"}
POST pki/keys/generate/x {} ~~ texts of refusals ~~ 400 ~~ : use internal or exported
POST pki/keys/import {}
POST pki/keys/import {"pem_bundle":"x"}
POST pki/issuer/uno/sign-revocation-list {"crl_number":1}
POST pki/issuer/uno/resign-crls {"crl_number":1} ~~ values that cannot work ~~ 400 ~~ at least one CRL must be provided in crls
DELETE pki/issuer/uno ~~ answers in Lessor's words ~~ 200 ~~ (via issuer_ref uno); this was configured as the default issuer. Oper
DELETE pki/issuer/none ~~ answers in Lessor's words ~~ 200 ~~ lease_id
DELETE pki/root
LIST pki/issuers
"#;

/// What chance decides, and what only one of both has.
const CHANCE: &[&str] = &[
    "certificate",
    "private_key",
    "serial_number",
    "issuing_ca",
    "csr",
    "issuer_id",
    "key_id",
    "expiration",
    "not_before",
    "subject_key_id",
    "default",
    "key",
    "created_on",
    "id",
    "crl",
    "revocation_time",
    "revocation_time_rfc3339",
    "time_started",
    "time_finished",
    "internal_backend_uuid",
    "not_after",
    "lease_duration",
    "acme_directory",
    "ca_chain",
    "last_auto_tidy_finished",
];
const IGNORED: &[&str] = &[
    "key_info",
    "keys",
    "mapping",
    "ca_chain",
    "imported_issuers",
    "imported_keys",
    "existing_issuers",
    "existing_keys",
    "request_id",
];

#[tokio::test]
async fn pki_answers_what_the_peer_answers() {
    let mut both = Both::start().await;
    both.without(CHANCE, IGNORED);
    both.all(PART_1);
    both.keep(
        "csr",
        ("POST", "pki/intermediate/generate/exported", r#"{"common_name":"I","key_type":"ec","key_name":"ik"}"#),
        "/data/csr",
    );
    both.all(PART_2);
    both.keep(
        "int",
        ("POST", "pki/root/sign-intermediate", r#"{"csr":"$csr","ttl":"50h","issuer_ref":"uno"}"#),
        "/data/certificate",
    );
    both.all(PART_3);
    both.keep("serial", ("POST", "pki/issue/w", r#"{"common_name":"a.b"}"#), "/data/serial_number");
    both.keep("leaf", ("POST", "pki/issue/w", r#"{"common_name":"a.b","format":"pem_bundle"}"#), "/data/certificate");
    both.all(PART_4);
    both.finish(203);
}
