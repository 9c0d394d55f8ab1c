//! Mounts, auth mounts, tuning, moving.
use super::both;

const MOUNTS: &str = r#"
GET sys/mounts/secret
GET sys/mounts/nope
POST sys/mounts/kv1 {"type":"kv","description":"first","config":{"default_lease_ttl":"1h","max_lease_ttl":"0s","force_no_cache":false},"local":false,"options":null}
GET sys/mounts/kv1
GET sys/mounts/kv1/tune
POST sys/mounts/kv1 {"type":"kv"}
POST sys/mounts/kv1/deep {"type":"kv"}
POST sys/mounts/secret/x {"type":"kv"}
POST sys/mounts/x {"type":"nosuch"}
POST sys/mounts/x {}
POST sys/mounts/x {"type":""}
POST sys/mounts/sys {"type":"kv"}
POST sys/mounts/sys/x {"type":"kv"}
POST sys/mounts/cubbyhole {"type":"kv"}
POST sys/mounts/identity {"type":"kv"}
POST sys/mounts/auth {"type":"kv"}
POST sys/mounts/auth/x {"type":"kv"}
POST sys/mounts/x {"type":"kv","config":{"default_lease_ttl":"2h","max_lease_ttl":"1h"}}
POST sys/mounts/x {"type":"kv","config":{"default_lease_ttl":"soon"}} ~~ texts of refusals in sys ~~ 400 ~~ default_lease_ttl
POST sys/mounts/x {"type":"kv","config":{"listing_visibility":"zzz"}} ~~ texts of refusals in sys ~~ 400 ~~ invalid listing_visibility
POST sys/mounts/v2 {"type":"kv-v2"}
GET sys/mounts/v2
POST sys/mounts/v1 {"type":"generic"}
GET sys/mounts/v1 ~~ generic ~~ 200 ~~ "kv"
DELETE sys/mounts/v1
DELETE sys/mounts/v1
DELETE sys/mounts/nope
DELETE sys/mounts/sys
DELETE sys/mounts/cubbyhole
DELETE sys/mounts/identity
DELETE sys/mounts/auth/token
"#;

const TUNE: &str = r#"
POST sys/mounts/kv1/tune {"default_lease_ttl":"48h","max_lease_ttl":"24h"}
POST sys/mounts/kv1/tune {"max_lease_ttl":"24h"}
POST sys/mounts/kv1/tune {"default_lease_ttl":"48h"}
POST sys/mounts/kv1/tune {"default_lease_ttl":"2h"}
GET sys/mounts/kv1/tune
POST sys/mounts/kv1/tune {"default_lease_ttl":"system","max_lease_ttl":"system"}
GET sys/mounts/kv1/tune
POST sys/mounts/kv1/tune {"default_lease_ttl":"soon"} ~~ texts of refusals in sys ~~ 400 ~~ default_lease_ttl
POST sys/mounts/kv1/tune {"description":"second","listing_visibility":"unauth"}
GET sys/mounts/kv1/tune
POST sys/mounts/kv1/tune {"listing_visibility":"zzz"} ~~ texts of refusals in sys ~~ 400 ~~ invalid listing_visibility
POST sys/mounts/kv1/tune {"audit_non_hmac_request_keys":"a,b","audit_non_hmac_response_keys":["c"]}
POST sys/mounts/kv1/tune {"passthrough_request_headers":"X-A","allowed_response_headers":["X-B"]}
GET sys/mounts/kv1/tune
GET sys/mounts/kv1
POST sys/mounts/kv1/tune {"passthrough_request_headers":[]}
GET sys/mounts/kv1/tune
POST sys/mounts/kv1/tune {"token_type":"batch"}
POST sys/mounts/nopex/tune {"description":"x"}
GET sys/mounts/nopex/tune
POST sys/mounts/cubbyhole/tune {"default_lease_ttl":"1h"}
POST sys/mounts/sys/tune {"max_lease_ttl":"1h"}
POST sys/mounts/sys/tune {"description":"x"}
POST sys/mounts/identity/tune {"listing_visibility":"unauth"}
POST sys/mounts/identity/tune {"options":{"a":"b"}}
POST sys/mounts/cubbyhole/tune {"audit_non_hmac_request_keys":["a"]}
GET sys/mounts/cubbyhole/tune
POST sys/mounts/sys/tune {"audit_non_hmac_response_keys":"a,b"}
POST sys/mounts/sys/tune {}
POST sys/mounts/kvo {"type":"kv","options":{"version":"1","b":"c"}}
POST sys/mounts/kvo/tune {"options":{"b":"","x":"y"}}
GET sys/mounts/kvo
DELETE sys/mounts/kvo
POST sys/mounts/kv1/tune {"plugin_version":"v99.0.0"}
POST sys/mounts/kv1/tune {}
"#;

const AUTH: &str = r#"
GET sys/auth/token
GET sys/auth/nope
GET sys/auth/token/tune
GET sys/mounts/auth/token/tune
POST sys/auth/x {"type":"nosuch"}
POST sys/auth/x {}
POST sys/auth/token {"type":"nosuch"}
DELETE sys/auth/nope
DELETE sys/auth/token
GET sys/auth/nope/tune
POST sys/auth/nope/tune {"description":"x"}
POST sys/mounts/auth/token/tune {"description":"tokens"}
POST sys/auth/token/tune {"token_type":"zzz"}
POST sys/auth/token/tune {"user_lockout_config":{"lockout_threshold":"3"}}
POST sys/auth/token/tune {"default_lease_ttl":"2h","max_lease_ttl":"1h"}
POST sys/auth/token/tune {"default_lease_ttl":"1h","max_lease_ttl":"2h","options":{"a":"b"},"listing_visibility":"unauth"}
GET sys/auth/token/tune
GET sys/auth/token
POST auth/token/create {"policies":["default"]}
POST auth/token/create {"policies":["default"],"ttl":"3h"}
POST auth/token/create {"policies":["default"],"period":"3h"}
POST auth/token/create {"policies":["default"],"explicit_max_ttl":"3h"}
POST sys/auth/token/tune {"options":{"a":""},"listing_visibility":"hidden"}
GET sys/auth/token/tune
POST sys/auth/token/tune {"default_lease_ttl":"system","max_lease_ttl":"0"}
POST auth/token/create {"policies":["default"]}
POST sys/auth/cert {"type":"cert"}
POST sys/auth/cert/tune {"user_lockout_config":{"lockout_threshold":"3"}}
POST sys/auth/cert/tune {"plugin_version":"v99.0.0"}
DELETE sys/auth/cert
"#;

const MOVES: &str = r#"
POST sys/remount {"from":"kv1"}
POST sys/remount {}
POST sys/remount {"from":"nope","to":"other"}
POST sys/remount {"from":"kv1","to":"secret"}
POST sys/remount {"from":"kv1","to":"sys/x"}
POST sys/remount {"from":"kv1","to":"auth/x"}
POST sys/remount {"from":"sys","to":"x"}
POST sys/remount {"from":"auth/token","to":"auth/x"}
GET sys/remount/status/nope
GET sys/remount
"#;

const MOVED: &str = r#"
GET sys/mounts/moved
GET sys/mounts/kv1
DELETE sys/mounts/moved
GET sys/mounts/moved
"#;

#[tokio::test]
async fn mounts_are_what_they_are_at_the_peer() {
    let mut both = both().await;
    for part in [MOUNTS, TUNE, AUTH, MOVES] {
        both.all(part);
    }
    both.keep("move", ("POST", "sys/remount", r#"{"from":"kv1","to":"moved"}"#), "/data/migration_id");
    std::thread::sleep(std::time::Duration::from_millis(500));
    both.all("GET sys/remount/status/$move");
    both.all(MOVED);
    both.finish(80);
}
