//! Accounts on a real PostgreSQL: made through the API, used with psql, and gone when their lease is.
use crate::lessor::Lessor;
use crate::targets::postgres::{Postgres, ROOT, ROOT_PASSWORD};
use lessor_client::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How accounts are made.
pub const CREATE: &str = r#"CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";"#;

/// A root account of Lessor's own, so that the tests can look with another one.
pub async fn configure(lessor: &Lessor, postgres: &Postgres) {
    let made = postgres.query("CREATE ROLE vaultroot WITH SUPERUSER LOGIN PASSWORD 'vaultroot-first'");
    assert!(made.status.success());
    lessor.write("sys/mounts/team/db", json!({ "type": "database" })).await;
    lessor
        .write(
            "team/db/config/main",
            json!({
                "plugin_name": "postgresql-database-plugin", "allowed_roles": "*",
                "connection_url": postgres.template(), "username": "vaultroot", "password": "vaultroot-first",
                "max_open_connections": 8,
            }),
        )
        .await;
}

pub async fn role(lessor: &Lessor, name: &str, ttl: &str) {
    let body = json!({ "db_name": "main", "creation_statements": CREATE, "default_ttl": ttl, "max_ttl": "24h" });
    lessor.write(&format!("team/db/roles/{name}"), body).await;
}

fn login(answer: &Value) -> (String, String) {
    let text = |name: &str| answer["data"][name].as_str().unwrap().to_owned();
    (text("username"), text("password"))
}

async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_works_until_its_lease_ends_and_its_open_session_is_cut() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "6s").await;
    let answer = lessor.read("team/db/creds/app").await;
    let (user, password) = login(&answer);
    assert!(user.starts_with("v-root-app-"), "{user}");
    assert_eq!((answer["lease_duration"].as_u64(), answer["renewable"].as_bool()), (Some(6), Some(true)));
    assert_eq!(postgres.lines(&user, &password, "SELECT current_user"), std::slice::from_ref(&user));
    let started = Instant::now();
    let mut session = postgres.psql(&user, &password, "SELECT pg_sleep(60)").spawn().unwrap();
    let status = tokio::task::spawn_blocking(move || session.wait().unwrap()).await.unwrap();
    assert!(!status.success() && started.elapsed() < Duration::from_secs(15), "the session outlived its lease");
    until("the account is gone", Duration::from_secs(2), || postgres.made().is_empty()).await;
    assert!(!postgres.accepts(&user, &password));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_owns_objects_can_be_revoked() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    assert!(postgres.query("GRANT CREATE ON SCHEMA public TO PUBLIC").status.success());
    role(&lessor, "owner", "1h").await;
    let answer = lessor.read("team/db/creds/owner").await;
    let (user, password) = login(&answer);
    postgres.lines(&user, &password, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)");
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
    assert!(postgres.made().is_empty());
    assert_eq!(postgres.lines(ROOT, ROOT_PASSWORD, "SELECT id FROM kept"), ["7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_moves_the_end_of_the_account_too() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "1h").await;
    let answer = lessor.read("team/db/creds/app").await;
    let (user, _) = login(&answer);
    let valid = || {
        let sql =
            format!("SELECT extract(epoch FROM rolvaliduntil - now())::int FROM pg_roles WHERE rolname = '{user}'");
        postgres.lines(ROOT, ROOT_PASSWORD, &sql)[0].parse::<i64>().unwrap()
    };
    assert!((3595..=3606).contains(&valid()), "{}", valid());
    let renewed = lessor.write("sys/leases/renew", json!({ "lease_id": answer["lease_id"], "increment": "2h" })).await;
    assert_eq!(renewed["lease_duration"], 7200);
    assert!((7195..=7206).contains(&valid()), "{}", valid());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_root_rotation_only_lessor_knows_the_password() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "1h").await;
    lessor.write("team/db/rotate-root/main", json!({})).await;
    assert!(!postgres.accepts("vaultroot", "vaultroot-first"));
    let (user, password) = login(&lessor.read("team/db/creds/app").await);
    assert!(postgres.accepts(&user, &password));
    let shown = lessor.read("team/db/config/main").await;
    assert!(shown["data"]["connection_details"].get("password").is_none(), "{shown}");
    assert_eq!(shown["data"]["connection_details"]["username"], "vaultroot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_account_gets_a_password_at_once_and_at_every_rotation() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    assert!(postgres.query("CREATE ROLE legacy WITH LOGIN PASSWORD 'old'").status.success());
    let body = json!({ "db_name": "main", "username": "legacy", "rotation_period": "6s" });
    lessor.write("team/db/static-roles/legacy", body).await;
    assert!(!postgres.accepts("legacy", "old"));
    let first = login(&lessor.read("team/db/static-creds/legacy").await).1;
    assert!(postgres.accepts("legacy", &first));
    lessor.write("team/db/rotate-role/legacy", json!({})).await;
    let second = login(&lessor.read("team/db/static-creds/legacy").await).1;
    assert!(postgres.accepts("legacy", &second) && !postgres.accepts("legacy", &first));
    // And by itself when the period is over.
    until("the scheduled rotation", Duration::from_secs(12), || !postgres.accepts("legacy", &second)).await;
    let missing = json!({ "db_name": "main", "username": "nobody-here", "rotation_period": "1h" });
    let (status, text) = lessor.refused(Request::put("team/db/static-roles/none", missing)).await;
    assert!(status == 500 && text.contains("nobody-here"), "{status} {text}");
    assert_eq!(lessor.refused(Request::get("team/db/static-roles/none")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_scram_rounds_are_used_for_strong_passwords_and_refused_for_weak_ones() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    let role = json!({ "db_name": "main", "creation_statements": CREATE, "scram_iterations": 1 });
    lessor.write("team/db/roles/quick", role.clone()).await;
    let (user, password) = login(&lessor.read("team/db/creds/quick").await);
    assert!(postgres.accepts(&user, &password));
    let sql = format!("SELECT rolpassword LIKE 'SCRAM-SHA-256$1:%' FROM pg_authid WHERE rolname = '{user}'");
    assert_eq!(postgres.lines(ROOT, ROOT_PASSWORD, &sql), ["t"]);
    let weak = r#"length = 8 rule "charset" { charset = "abcdefgh" }"#;
    lessor.write("sys/policies/password/weak", json!({ "policy": weak })).await;
    let mut weak = role;
    weak["credential_config"] = json!({ "password_policy": "weak" });
    let (status, text) = lessor.refused(Request::put("team/db/roles/weak", weak)).await;
    assert!(status == 400 && text.contains("24 bits"), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    let wrong = json!({ "password": "not-the-password" });
    let (status, text) = lessor.refused(Request::put("team/db/config/main", wrong)).await;
    assert!(status == 400 && text.contains("error creating database object"), "{status} {text}");
    assert!(!text.contains("not-the-password"), "{text}");
    role(&lessor, "app", "1h").await;
    lessor.read("team/db/creds/app").await;
    for (request, status, expected) in [
        (Request::get("team/db/creds/none"), 400, "unknown role: none"),
        (Request::put("team/db/roles/x", json!({})), 400, "database name is required"),
        (Request::put("team/db/roles/x", json!({ "db_name": "main", "default_ttl": "soon" })), 400, "default_ttl"),
        (Request::put("team/db/config/x", json!({})), 400, "empty plugin name"),
        (Request::put("team/db/config/x", json!({ "plugin_name": "nope" })), 400, "plugin not found in the catalog"),
        (
            Request::put(
                "team/db/static-roles/r",
                json!({ "db_name": "main", "username": "vaultroot", "rotation_period": 60 }),
            ),
            400,
            "root account",
        ),
    ] {
        let path = request.path().to_owned();
        let got = lessor.refused(request).await;
        assert!(got.0 == status && got.1.contains(expected), "{path}: {got:?}");
    }
    let broken =
        json!({ "db_name": "main", "creation_statements": "CREATE ROLE \"{{name}}\"; GRANT nothing TO \"{{name}}\"" });
    lessor.write("team/db/roles/broken", broken).await;
    assert_eq!(lessor.refused(Request::get("team/db/creds/broken")).await.0, 500);
    assert_eq!(postgres.made().len(), 1, "a failed creation left an account");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_end_while_the_database_is_down_are_revoked_when_it_is_back() {
    let (mut postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "6s").await;
    for _ in 0..50 {
        lessor.read("team/db/creds/app").await;
    }
    assert_eq!(postgres.made().len(), 50);
    postgres.stop();
    let started = Instant::now();
    let (status, _) = lessor.refused(Request::get("team/db/creds/app")).await;
    assert!(status == 500 && started.elapsed() < Duration::from_secs(11), "{status} after {:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(12)).await;
    // Others are not held up meanwhile.
    lessor.write("secret/data/a", json!({ "data": { "x": 1 } })).await;
    postgres.resume();
    until("every account is gone", Duration::from_secs(5), || postgres.made().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_before_the_answer_leaves_no_account() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    let slow = format!("{CREATE} SELECT pg_sleep(2);");
    let body = json!({ "db_name": "main", "creation_statements": slow, "default_ttl": "1h" });
    lessor.write("team/db/roles/slow", body).await;
    let url = format!("{}/v1/team/db/creds/slow", lessor.address);
    let mut curl = std::process::Command::new("curl");
    let status = curl.args(["-s", "-m", "1", "-H", "X-Vault-Token: root", &url]).status().unwrap();
    assert_eq!(status.code(), Some(28), "curl was to give up");
    assert!(postgres.made().is_empty(), "the account is not visible before its transaction ends");
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Made, though nobody waits for it, and destroyed again.
    until("the account is gone", Duration::from_secs(5), || postgres.made().is_empty()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(postgres.made().is_empty());
    let (status, _) = lessor.refused(Request::list("sys/leases/lookup/team/db/creds/slow")).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_quotes_and_foreign_letters_are_made_used_and_dropped_and_long_ones_refused() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    let odd = r#"o'br"ien \ $$ ü-{{.RoleName}};--{{random 8}}"#;
    lessor.write("team/db/config/main", json!({ "username_template": odd })).await;
    for (role, revocation) in [("plain", json!([])), ("told", json!([r#"DROP ROLE "{{name}}""#]))] {
        let create = r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'"#;
        let body = json!({ "db_name": "main", "creation_statements": create, "revocation_statements": revocation });
        lessor.write(&format!("team/db/roles/{role}"), body).await;
        let answer = lessor.read(&format!("team/db/creds/{role}")).await;
        let (user, password) = login(&answer);
        assert!(user.starts_with(r#"o'br"ien \ $$ ü-"#), "{user}");
        let mut session = postgres.as_named(&user, &password, "SELECT pg_sleep(60)").spawn().unwrap();
        until("the session is open", Duration::from_secs(5), || {
            postgres.lines(ROOT, ROOT_PASSWORD, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%sleep(60)'").len()
                == 1
        })
        .await;
        lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
        assert!(!session.wait().unwrap().success(), "{role}: the session outlived its account");
        assert!(!postgres.as_named(&user, &password, "SELECT 1").status().unwrap().success());
        let left = postgres.lines(ROOT, ROOT_PASSWORD, "SELECT 1 FROM pg_roles WHERE rolname LIKE 'o''br%'");
        assert!(left.is_empty(), "{role}");
    }
    // PostgreSQL would cut it, and it would not be found again.
    lessor.write("team/db/config/main", json!({ "username_template": "{{random 64}}" })).await;
    let (status, text) = lessor.refused(Request::get("team/db/creds/plain")).await;
    assert!(status == 400 && text.contains("64 bytes"), "{status} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_holds_up_nobody_else() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "1h").await;
    // Connections are taken by the system's queue, and nothing is ever said on them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url =
        format!("postgresql://{{{{username}}}}:{{{{password}}}}@{}/d?sslmode=disable", silent.local_addr().unwrap());
    let body = json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": url, "username": "u",
        "password": "p", "verify_connection": false,
    });
    lessor.write("team/db/config/silent", body).await;
    lessor.write("team/db/roles/silent", json!({ "db_name": "silent", "creation_statements": CREATE })).await;
    let started = Instant::now();
    let stuck = async {
        let (status, text) = lessor.refused(Request::get("team/db/creds/silent")).await;
        assert!(status == 500 && text.contains("no answer within"), "{status} {text}");
        // Once for the creation, once for cleaning up after it.
        assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..10 {
            let begun = Instant::now();
            lessor.read("team/db/creds/app").await;
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
    };
    tokio::join!(stuck, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_database_names_the_static_roles_that_stand_on_it() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    assert!(postgres.query("CREATE ROLE legacy WITH LOGIN PASSWORD 'old'").status.success());
    let body = json!({ "db_name": "main", "username": "legacy", "rotation_period": "1h" });
    lessor.write("team/db/static-roles/legacy", body).await;
    let answer = lessor.send(Request::delete("team/db/config/main")).await.unwrap();
    assert!(answer["warnings"][0].as_str().unwrap().ends_with(": legacy"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_an_account_whose_lease_was_lost() {
    let (postgres, lessor) = (Postgres::start(), Lessor::dev().await);
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "1h").await;
    let answer = lessor.read("team/db/creds/app").await;
    let (user, _) = login(&answer);
    // Somebody deletes the account by hand; another one is left over.
    assert!(postgres.query(&format!("DROP OWNED BY \"{user}\"; DROP ROLE \"{user}\"")).status.success());
    let (code, text) = lessor.cli(&["reconcile", "team/db"]);
    assert!(code == 0 && text.contains(&user), "{text}");
    lessor.write("sys/reconcile/team/db", json!({ "remove": true })).await;
    let report = lessor.write("sys/reconcile/team/db", json!({})).await;
    assert_eq!(report["data"]["missing"], json!([]));
}
