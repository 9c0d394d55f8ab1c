//! Namespaces, audit, quotas, tools, plugins, help and the rest of what operators ask.
use super::both;

const NAMESPACES: &str = r#"
LIST sys/namespaces
GET sys/namespaces/nope
POST sys/namespaces/team {"custom_metadata":{"a":"b"}}
GET sys/namespaces/team
GET team/sys/mounts/cubbyhole ~~ data at the top level in namespaces ~~ 200 ~~ ns_cubbyhole
POST sys/namespaces/team/deep {}
POST sys/namespaces/none/deep {}
POST sys/namespaces/sys {}
POST sys/namespaces/root {}
POST sys/namespaces/auth {}
POST sys/namespaces/secret {}
PATCH sys/namespaces/team {"custom_metadata":{"c":"d","a":null}}
PATCH sys/namespaces/nope {"custom_metadata":{"c":"d"}} ~~ PATCH of a missing namespace ~~ 404 ~~ namespace not found
GET sys/namespaces/team
LIST team/sys/namespaces
SCAN team/sys/namespaces
SCAN sys/namespaces
SCAN sys/policies/acl
POST team/sys/mounts/kv {"type":"kv"}
GET team/sys/mounts/kv ~~ data at the top level in namespaces ~~ 200 ~~ uuid
POST team/kv/a {"x":1}
GET team/kv/a
GET team/kv/b
GET team/sys/health ~~ texts of refusals in sys ~~ 400 ~~ operation unavailable in namespaces
GET team/sys/host-info ~~ texts of refusals in sys ~~ 400 ~~ operation unavailable in namespaces
POST team/sys/quotas/rate-limit/x {"rate":1}
DELETE sys/namespaces/nope
"#;

const QUOTAS: &str = r#"
GET sys/quotas/config
LIST sys/quotas/rate-limit
GET sys/quotas/rate-limit
GET sys/quotas/rate-limit/nope
DELETE sys/quotas/rate-limit/nope
POST sys/quotas/rate-limit/a {"rate":0}
POST sys/quotas/rate-limit/a {}
POST sys/quotas/rate-limit/a {"rate":"x"}
POST sys/quotas/rate-limit/a {"rate":2000,"path":"nope"}
POST sys/quotas/rate-limit/a {"rate":2000,"path":"secret/","interval":"10s","block_interval":"20s"}
GET sys/quotas/rate-limit/a
LIST sys/quotas/rate-limit
POST sys/quotas/rate-limit/b {"rate":3000,"path":"secret"}
POST sys/quotas/rate-limit/b {"rate":3000.5,"path":"secret/data/x*"}
GET sys/quotas/rate-limit/b
POST sys/quotas/rate-limit/c {"rate":3000,"path":"secret/data/y","role":"r"}
POST sys/quotas/rate-limit/c {"rate":3000,"path":"secret/","role":"r"}
POST sys/quotas/rate-limit/c {"rate":3000,"path":"auth/token/","role":"r"}
POST sys/quotas/rate-limit/c {"rate":3000,"path":"secret/","interval":"-1"}
POST sys/quotas/rate-limit/c {"rate":9000}
GET sys/quotas/rate-limit/c
POST sys/quotas/rate-limit/d {"rate":9000,"path":"team"}
GET sys/quotas/rate-limit/d
POST sys/quotas/rate-limit/a.b- {"rate":3}
POST sys/quotas/rate-limit/e {"rate":3,"path":"secret/gone/","interval":"1m"}
GET sys/quotas/rate-limit/e
GET secret/gone
GET secret/gone
GET secret/gone
GET secret/gone
DELETE sys/quotas/rate-limit/e
GET secret/gone
POST sys/quotas/config {"rate_limit_exempt_paths":["secret/data/x1"],"enable_rate_limit_audit_logging":true,"enable_rate_limit_response_headers":true}
GET sys/quotas/config
POST sys/quotas/config {"enable_rate_limit_response_headers":"zz"}
GET sys/quotas
"#;

const TOOLS: &str = r#"
POST sys/tools/random
POST sys/tools/random/8 {"format":"hex"}
POST sys/tools/random {"bytes":0}
POST sys/tools/random {"bytes":200000}
POST sys/tools/random {"format":"zz"}
POST sys/tools/random/platform/4 {"format":"hex"}
POST sys/tools/random/seal/4 {"format":"hex"}
POST sys/tools/random/all/4
POST sys/tools/random/foo/4
POST sys/tools/random/platform
GET sys/tools/random
POST sys/tools/hash {"input":"aGVsbG8="}
POST sys/tools/hash {"input":"aGVsbG8=","format":"base64"}
POST sys/tools/hash {"input":"aGVsbG8=","format":"x"}
POST sys/tools/hash {"input":"%%"}
POST sys/tools/hash {}
POST sys/tools/hash/nope {"input":"aGVsbG8="}
POST sys/tools/hash {"input":"aGVsbG8=","algorithm":"sha2-512"}
POST sys/tools/hash/sha2-224 {"input":"aGVsbG8="}
POST sys/tools/hash/sha2-384 {"input":"aGVsbG8="}
POST sys/tools/hash/sha3-224 {"input":"aGVsbG8="}
POST sys/tools/hash/sha3-256 {"input":"aGVsbG8="}
POST sys/tools/hash/sha3-384 {"input":"aGVsbG8="}
POST sys/tools/hash/sha3-512 {"input":"aGVsbG8="}
"#;

const PLUGINS: &str = r#"
GET sys/plugins/catalog/secret/kv
GET sys/plugins/catalog/secret/nope
GET sys/plugins/catalog/database/postgresql-database-plugin
POST sys/plugins/catalog/secret/x {"command":"x","sha256":"aa"}
POST sys/plugins/catalog/secret/x {"command":"x"}
POST sys/plugins/catalog/secret/x {"sha256":"aa"}
POST sys/plugins/catalog/secret/x {}
DELETE sys/plugins/catalog/secret/x
DELETE sys/plugins/catalog/secret/kv
PUT sys/plugins/reload/backend {}
PUT sys/plugins/reload/backend {"plugin":"kv"}
PUT sys/plugins/reload/backend {"plugin":"nope"}
PUT sys/plugins/reload/backend {"mounts":["secret/"]}
PUT sys/plugins/reload/backend {"mounts":["nope/"]}
PUT sys/plugins/reload/backend {"plugin":"kv","mounts":["secret/"]}
PUT sys/plugins/reload/backend {"plugin":"kv","scope":"global"}
PUT sys/plugins/reload/backend {"plugin":"kv","scope":"x"}
"#;

const OPERATORS: &str = r#"
GET sys/audit
DELETE sys/audit/nope
POST sys/audit-hash/nope {"input":"x"}
GET sys/config/auditing/request-headers ~~ audited headers ~~ 200 ~~ x-correlation-id
POST sys/config/auditing/request-headers/X-A {"hmac":true}
GET sys/config/auditing/request-headers/X-A
GET sys/config/auditing/request-headers/nope
DELETE sys/config/auditing/request-headers/X-A
POST sys/loggers {"level":"zzz"}
POST sys/loggers {}
POST sys/loggers {"level":"debug"}
POST sys/loggers/nope {"level":"trace"}
DELETE sys/loggers/nope
GET sys/loggers/core ~~ empty warnings ~~ 200 ~~ debug
DELETE sys/loggers
GET sys/monitor?log_level=zzz
GET sys/monitor?log_format=zzz
GET sys/version-history
GET sys/internal/counters/requests
GET sys/internal/ui/namespaces
GET sys/internal/ui/mounts/secret/a
GET sys/internal/ui/mounts/auth/token
GET sys/internal/ui/mounts/cubbyhole
GET sys/health?standbyok=x ~~ texts of refusals in sys ~~ 400 ~~ standbyok
GET sys/health?standbycode=x ~~ texts of refusals in sys ~~ 400 ~~ standbycode
GET sys/step-down
GET sys/seal
DELETE sys/seal
GET sys/step-down @
GET sys/license/status
GET sys/managed-keys
GET sys/nope
GET nope/x
POST sys/step-down {}
GET sys/locked-users
GET sys/nope?help=1
GET nope/x?help=1
"#;

#[tokio::test]
async fn what_operators_do_is_answered_as_by_the_peer() {
    let mut both = both().await;
    for part in [NAMESPACES, QUOTAS, TOOLS, PLUGINS, OPERATORS] {
        both.all(part);
    }
    both.finish(120);
}
