//! Tokens, their roles, wrapped answers, cubbyholes, leases of tokens.
use super::both;

const CREATE: &str = r#"
POST auth/token/create {}
POST auth/token/create {"ttl":"1h","policies":["default"],"display_name":"it","meta":{"a":"b"},"num_uses":3}
POST auth/token/create {"ttl":"1h","explicit_max_ttl":"30m"}
POST auth/token/create {"period":"1h"}
POST auth/token/create {"ttl":"abc"}
POST auth/token/create {"ttl":"-1h"}
POST auth/token/create {"type":"batch","ttl":"1h","policies":["default"]}
POST auth/token/create {"type":"batch","period":"1h"}
POST auth/token/create {"type":"batch","num_uses":3}
POST auth/token/create {"type":"zzz"}
POST auth/token/create {"id":"a.b"}
POST auth/token/create {"id":"s.x"}
POST auth/token/create {"id":"hvs.x"}
POST auth/token/create {"id":"mine","policies":["default"]} ~~ tokens of one's own words ~~ 200 ~~ "warnings":null
POST auth/token/create {"no_parent":true,"ttl":"1h"}
POST auth/token/create {"renewable":false,"ttl":"1h"}
POST auth/token/create {"num_uses":-1}
POST auth/token/create {"policies":["response-wrapping"]}
POST auth/token/create-orphan {"ttl":"1h"}
POST auth/token/create {"ttl":"20000h","policies":["default"]}
POST auth/token/create/nope {}
"#;

const ROLES: &str = r#"
LIST auth/token/roles
GET auth/token/roles/nope
POST auth/token/roles/r {"path_suffix":"x"}
POST auth/token/roles/r {"allowed_policies":"default,a","orphan":true,"token_period":"1h","renewable":true,"path_suffix":"xyz"}
GET auth/token/roles/r ~~ the older name of a period ~~ 200 ~~ token_period
POST auth/token/roles/r {"token_explicit_max_ttl":"30m"}
POST auth/token/roles/r {"token_type":"zzz"}
POST auth/token/roles/r {"path_suffix":"a b"}
POST auth/token/roles/b {"token_type":"batch","allowed_policies":["default"],"token_ttl":"1h"}
LIST auth/token/roles
POST auth/token/create/r {"policies":["default"]} ~~ warnings of periods ~~ 200 ~~ 1800
POST auth/token/create/r {"policies":["other"]} ~~ names in refusals ~~ 400 ~~ must be subset of the role
POST auth/token/create/r {} ~~ warnings of periods ~~ 200 ~~ 1800
DELETE auth/token/roles/b
DELETE auth/token/roles/b
GET auth/token/roles/b
"#;

const LOOKUP: &str = r#"
POST auth/token/lookup {"token":"$tok"}
POST auth/token/lookup {"token":"nope"}
POST auth/token/lookup @$tok {}
POST auth/token/lookup-accessor {"accessor":"$acc"}
POST auth/token/lookup-accessor {"accessor":"nope"}
POST auth/token/lookup-accessor {}
POST auth/token/renew {"token":"$tok"}
POST auth/token/renew {"token":"$tok","increment":"2h"}
POST auth/token/renew {"token":"nope"}
POST auth/token/renew {}
POST auth/token/renew-self {}
POST auth/token/renew-accessor {"accessor":"$acc"} ~~ renewals without increment ~~ 200 ~~ 3600
POST auth/token/renew-accessor {"accessor":"nope"}
POST auth/token/renew-accessor {}
POST auth/token/renew {"token":"$tok","increment":"1h"}
GET auth/token/lookup-self @$tok
POST auth/token/renew-self @$tok {}
GET cubbyhole/a @$tok
POST cubbyhole/a @$tok {"x":1,"y":"z"}
GET cubbyhole/a @$tok
LIST cubbyhole/ @$tok
GET cubbyhole/a
POST cubbyhole/a/b @$tok {"x":1}
LIST cubbyhole/ @$tok
POST cubbyhole/b @$tok {} ~~ writes without data ~~ 400 ~~ missing data fields
DELETE cubbyhole/a @$tok
DELETE cubbyhole/a @$tok
GET cubbyhole/a @$tok
POST auth/token/revoke {"token":"nope"}
POST auth/token/revoke {}
POST auth/token/revoke-accessor {"accessor":"$acc"}
POST auth/token/revoke-accessor {"accessor":"$acc"}
POST auth/token/revoke-accessor {}
GET auth/token/lookup-self @$tok
POST auth/token/revoke-orphan {"token":"nope"}
POST auth/token/revoke-orphan {}
POST auth/token/tidy {}
GET auth/token/create
GET auth/token/nope
"#;

const WRAPPING: &str = r#"
POST sys/wrapping/wrap {"a":1}
LIST sys/leases/lookup/sys
LIST sys/leases/lookup/sys/wrapping
POST sys/wrapping/unwrap @ {}
POST sys/wrapping/rewrap @ {}
POST sys/wrapping/unwrap @ {"token":"$wrap"}
POST sys/wrapping/lookup {"token":"$wrap"}
GET sys/wrapping/lookup @$wrap
POST sys/wrapping/lookup {"token":"nope"}
POST sys/wrapping/lookup {}
POST sys/wrapping/unwrap {"token":"$wrap"}
POST sys/wrapping/unwrap {"token":"$wrap"}
POST sys/wrapping/unwrap {"token":"nope"}
POST sys/wrapping/unwrap {}
POST sys/wrapping/rewrap {"token":"nope"}
POST sys/wrapping/rewrap {}
"#;

const LEASES: &str = r#"
POST sys/leases/lookup {"lease_id":"nope"}
POST sys/leases/lookup {}
LIST sys/leases/lookup/nope/
POST sys/leases/renew {"lease_id":"nope"}
POST sys/leases/renew {}
POST sys/leases/renew/nope/x {}
POST sys/leases/revoke {"lease_id":"nope"}
POST sys/leases/revoke {"lease_id":"nope","sync":true}
POST sys/leases/revoke {}
POST sys/leases/revoke-prefix/nope {}
POST sys/leases/revoke-prefix/nope {"sync":false}
POST sys/leases/revoke-force/nope {}
POST sys/leases/tidy {}
GET sys/leases/count?type=irrevocable
GET sys/leases/count
GET sys/leases/count?type=zzz
GET sys/leases?type=irrevocable
GET sys/leases
GET sys/leases?type=irrevocable&limit=none
GET sys/leases?type=irrevocable&limit=zzz ~~ texts of refusals in sys ~~ 400 ~~ neither a number nor none
"#;

#[tokio::test]
async fn tokens_are_what_they_are_at_the_peer() {
    let mut both = both().await;
    both.all(CREATE);
    both.all(ROLES);
    let create = ("POST", "auth/token/create", r#"{"ttl":"1h","policies":["default"],"display_name":"kept"}"#);
    both.keep("tok", create, "/auth/client_token");
    both.keep("acc", ("POST", "auth/token/lookup", r#"{"token":"$tok"}"#), "/data/accessor");
    both.all(LOOKUP);
    both.finish(70);
}

#[tokio::test]
async fn wrapping_and_leases_are_what_they_are_at_the_peer() {
    let mut both = both().await;
    both.keep("wrap", ("POST", "sys/wrapping/wrap", r#"{"a":1}"#), "/wrap_info/token");
    both.all(WRAPPING);
    both.all(LEASES);
    both.finish(30);
}
