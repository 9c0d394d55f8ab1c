//! The `database` engine on PostgreSQL, a server of its own for each of the two.
use super::Both;
use crate::targets::postgres::Postgres;
use serde_json::json;

/// Accounts that the requests speak of.
const ACCOUNTS: &str = "CREATE ROLE root1 WITH SUPERUSER LOGIN PASSWORD 'root1-first'; CREATE ROLE legacy LOGIN PASSWORD 'old'; \
                        CREATE ROLE other LOGIN PASSWORD 'old'";

const CONFIG: &str = r#"
POST sys/mounts/db {"type":"database"}
GET db/config/main
LIST db/config
POST db/config/main {}
POST db/config/main {"plugin_name":""}
POST db/config/main {"plugin_name":"nope"} ~~ texts of refusals ~~ 400 ~~ plugin not found in the catalog: nope
POST db/config/main {"plugin_name":"postgresql-database-plugin","verify_connection":false}
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"","verify_connection":false}
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","username_template":"{{","verify_connection":false} ~~ texts of refusals ~~ 400 ~~ unable to initialize username template
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","username_template":"{{nope}}","verify_connection":false} ~~ texts of refusals ~~ 400 ~~ undefined function: nope
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","max_connection_lifetime":"soon","verify_connection":false} ~~ texts of refusals ~~ 400 ~~ use seconds (3600)
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","password_authentication":"magic","verify_connection":false} ~~ texts of refusals ~~ 400 ~~ use password or scram-sha-256
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","username":"a{{username}}","verify_connection":false} ~~ texts of refusals ~~ 400 ~~ username must not contain a template
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","verify_connection":"maybe"}
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","plugin_version":"nonsense","verify_connection":false}
POST db/config/main {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u@127.0.0.1:1/d","plugin_version":"v9.9.9","verify_connection":false} ~~ texts of refusals ~~ 400 ~~ leave plugin_version out
GET db/config/main
LIST db/config
GET db/config/-bad
POST db/config/a%20b {"plugin_name":"x"}
DELETE db/config/main
DELETE db/config/none
POST db/reset/none
POST db/rotate-root/none
GET db/rotate-root/none
GET db/reset/none
"#;

const ROLES: &str = r#"
LIST db/roles
GET db/roles/app
GET db/creds/app
POST db/roles/app {}
POST db/roles/app {"db_name":""}
POST db/roles/app {"db_name":"nowhere"}
GET db/roles/app
GET db/creds/app
POST db/roles/app {"db_name":"main","default_ttl":"soon"}
POST db/roles/app {"db_name":"main","default_ttl":-1}
POST db/roles/app {"db_name":"main","default_ttl":"1h","max_ttl":"2d","creation_statements":"CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO \"{{name}}\"","revocation_statements":["DROP ROLE IF EXISTS \"{{name}}\""],"renew_statements":[],"rollback_statements":""}
GET db/roles/app
POST db/roles/app {"default_ttl":7200}
POST db/roles/app {"db_name":"main","unknown":1}
GET db/roles/app
LIST db/roles
POST db/roles/app {"db_name":"main","default_ttl":"90m","max_ttl":"1h"}
GET db/creds/app
POST db/roles/app {"db_name":"main","default_ttl":"1h","max_ttl":"24h"}
GET db/creds/app
POST db/creds/app
LIST db/creds/app
LIST db/creds
GET db/creds/none
POST db/roles/b64 {"db_name":"main","creation_statements":"Q1JFQVRFIFJPTEUgInt7bmFtZX19Ig==","revocation_statements":"[\"DROP ROLE IF EXISTS \\\"{{name}}\\\"\"]"}
GET db/roles/b64
GET db/creds/b64
POST db/roles/empty {"db_name":"main"}
GET db/creds/empty
POST db/roles/wrong {"db_name":"main","creation_statements":"CREATE ROL \"{{name}}\""}
GET db/creds/wrong ~~ texts of refusals ~~ 500 ~~ SQLSTATE 42601
POST db/roles/half {"db_name":"main","creation_statements":["CREATE ROLE \"{{name}}\"","GRANT nothing TO \"{{name}}\""]}
GET db/creds/half ~~ texts of refusals ~~ 500 ~~ in statement
POST db/roles/kind {"db_name":"main","credential_type":"magic"}
POST db/roles/rsa {"db_name":"main","credential_type":"rsa_private_key"}
GET db/roles/rsa
GET db/creds/rsa
POST db/roles/rsa {"db_name":"main","credential_type":"rsa_private_key","credential_config":{"key_bits":1024}} ~~ texts of refusals ~~ 400 ~~ use 2048, 3072, 4096
POST db/roles/rsa {"db_name":"main","credential_type":"rsa_private_key","credential_config":{"key_bits":4096}}
GET db/roles/rsa
POST db/roles/kind {"db_name":"main","credential_type":"password","credential_config":{"password_policy":"none"},"creation_statements":"CREATE ROLE \"{{name}}\" PASSWORD '{{password}}'"}
GET db/roles/kind
GET db/creds/kind
POST db/roles/kind {"db_name":"main","credential_config":"nonsense"}
POST db/roles/kind {"db_name":"main","credential_config":{"unknown":"x"}}
GET db/roles/kind
POST sys/policies/password/letters {"policy":"length = 12 rule \"charset\" { charset = \"abcdefghij\" }"}
POST db/roles/letters {"db_name":"main","credential_config":{"password_policy":"letters"},"creation_statements":"CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"}
GET db/creds/letters
POST db/roles/outsider {"db_name":"narrow","creation_statements":"CREATE ROLE \"{{name}}\""}
GET db/creds/outsider
POST db/roles/app-ro {"db_name":"narrow","creation_statements":"CREATE ROLE \"{{name}}\""}
GET db/creds/app-ro
DELETE db/roles/letters
GET db/creds/letters
DELETE db/roles/letters
GET db/roles/-bad
"#;

const STATIC: &str = r#"
LIST db/static-roles
GET db/static-roles/legacy
GET db/static-creds/legacy
POST db/rotate-role/legacy
POST db/static-roles/legacy {}
POST db/static-roles/legacy {"username":"legacy"}
POST db/static-roles/legacy {"db_name":"main"}
POST db/static-roles/legacy {"db_name":"main","username":"legacy"} ~~ schedules ~~ 400 ~~ one of rotation_schedule or rotation_period
POST db/static-roles/legacy {"db_name":"main","username":"legacy","rotation_period":"4s"}
POST db/static-roles/legacy {"db_name":"main","username":"legacy","rotation_period":"soon"}
POST db/static-roles/legacy {"db_name":"main","username":"nobody-here","rotation_period":"1h"} ~~ texts of refusals ~~ 500 ~~ there is no account
POST db/static-roles/legacy {"db_name":"none","username":"legacy","rotation_period":"1h"}
POST db/static-roles/legacy {"db_name":"narrow","username":"legacy","rotation_period":"1h"}
POST db/static-roles/app {"db_name":"main","username":"legacy","rotation_period":"1h"}
GET db/static-roles/legacy
POST db/static-roles/legacy {"db_name":"main","username":"legacy","rotation_period":"1h"}
GET db/static-roles/legacy
GET db/static-creds/legacy
LIST db/static-roles
POST db/rotate-role/legacy
GET db/rotate-role/legacy
GET db/static-creds/legacy
POST db/static-creds/legacy
LIST db/static-creds/legacy
POST db/static-roles/legacy {"username":"other","db_name":"main"}
POST db/static-roles/legacy {"username":"legacy","db_name":"main","rotation_period":"2h"}
GET db/static-roles/legacy
POST db/static-roles/legacy {"username":"legacy","db_name":"main","rotation_statements":["ALTER ROLE \"{{name}}\" PASSWORD '{{password}}'"]}
GET db/static-roles/legacy
POST db/static-roles/legacy {"username":"legacy","db_name":"main","credential_type":"magic"}
POST db/roles/legacy {"db_name":"main"}
GET db/creds/legacy
DELETE db/static-roles/legacy
GET db/static-creds/legacy
DELETE db/static-roles/legacy
POST db/static-roles/broken {"db_name":"main","username":"other","rotation_period":"1h","rotation_statements":"ALTER ROL x"} ~~ texts of refusals ~~ 500 ~~ error setting credentials: failed to change the password
GET db/static-roles/broken
"#;

fn config(both: &mut Both, peer: &Postgres, lessor: &Postgres, name: &str, more: &serde_json::Value) {
    let body = |postgres: &Postgres| {
        let mut body = json!({
            "plugin_name": "postgresql-database-plugin", "username": "root1", "password": "root1-first",
            "connection_url": postgres.template(),
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string()
    };
    both.same_with(("POST", &format!("db/config/{name}")), &body(peer), &body(lessor));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_engine_answers_as_the_peer_does() {
    let (peer, lessor) = (Postgres::start(), Postgres::start());
    for postgres in [&peer, &lessor] {
        assert!(postgres.query(ACCOUNTS).status.success());
    }
    let mut both = Both::start().await;
    both.hide(&peer.port.to_string(), &lessor.port.to_string());
    both.all(CONFIG);
    config(&mut both, &peer, &lessor, "main", &json!({ "allowed_roles": "*" }));
    config(&mut both, &peer, &lessor, "narrow", &json!({ "allowed_roles": ["app-*", "x"] }));
    config(
        &mut both,
        &peer,
        &lessor,
        "extra",
        &json!({ "verify_connection": false, "max_open_connections": 3, "max_connection_lifetime": "5s", "unknown_field": "kept" }),
    );
    both.all(
        r#"
        POST db/config/main {"password":"not-the-password"} ~~ texts of refusals ~~ 400 ~~ password authentication failed
        POST db/config/inline {"plugin_name":"postgresql-database-plugin","connection_url":"postgresql://u:secret@127.0.0.1:1/d","username":"root1","password":"root1-first","verify_connection":false} ~~ parameters of the plugin ~~ 200 ~~ Password found in connection_url
        GET db/config/main
        GET db/config/narrow
        GET db/config/inline
        GET db/config/extra
        LIST db/config
        POST db/reset/main
        POST db/reset/inline ~~ texts of refusals ~~ 500 ~~ Connection refused
        POST db/rotate-root/inline ~~ root rotation without a place for the password ~~ 400 ~~ would never be used
        "#,
    );
    both.all(ROLES);
    both.leases("db/creds/app");
    both.all(STATIC);
    both.all(
        r#"
        POST db/rotate-root/main
        GET db/config/main
        GET db/creds/app
        POST db/config/main {"allowed_roles":"nobody"}
        GET db/creds/app
        POST db/config/main {"allowed_roles":[]}
        GET db/config/main
        PUT sys/leases/revoke-prefix/db {"sync":true}
        DELETE db/config/extra
        DELETE db/config/main
        GET db/creds/app
        "#,
    );
    both.finish(130);
}
