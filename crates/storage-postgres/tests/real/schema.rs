//! Tables that are made, upgraded, or somebody else's.
use crate::postgres::{ROOT, ROOT_PASSWORD};
use crate::{root, shared};
use lessor_storage::{Batch, Storage};
use lessor_storage_postgres::PostgresStorage;

#[tokio::test]
async fn an_older_layout_is_upgraded_and_a_newer_one_refused() {
    let postgres = shared();
    let stanza = root(&postgres);
    let table = stanza.text("table").unwrap();
    let storage = PostgresStorage::open(&stanza).await.unwrap();
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let before = storage.get("k").await.unwrap();
    drop(storage);
    // As layout 1 left it.
    let sql =
        format!("DROP TABLE {table}_sessions; DROP FUNCTION {table}_commit_2; UPDATE {table}_layout SET layout = 1");
    assert!(postgres.query(&sql).status.success());
    let error =
        PostgresStorage::open(&stanza.clone().with("skip_create_table", "true")).await.err().unwrap().to_string();
    assert!(error.contains("has layout 1, this version needs 2"), "{error}");
    let storage = PostgresStorage::open(&stanza).await.unwrap();
    assert_eq!(storage.get("k").await.unwrap(), before);
    storage.commit(Batch::new().put("k", "w")).await.unwrap();
    assert!(storage.version("k").await.unwrap() > before.map(|entry| entry.version));
    postgres.query(&format!("UPDATE {table}_layout SET layout = 9"));
    let error = PostgresStorage::open(&stanza).await.err().unwrap().to_string();
    assert!(error.contains("has layout 9 but this version of Lessor knows 2"), "{error}");
}

#[tokio::test]
async fn a_table_of_another_program_is_left_alone() {
    let postgres = shared();
    postgres.query("CREATE TABLE vault_kv_store (parent_path text, path text, key text, value bytea)");
    let error =
        PostgresStorage::open(&root(&postgres).with("table", "vault_kv_store")).await.err().unwrap().to_string();
    assert!(error.contains("was made by another program"), "{error}");
    let tables =
        postgres.lines(ROOT, ROOT_PASSWORD, "SELECT relname FROM pg_class WHERE relname LIKE 'vault_kv_store%'");
    assert_eq!(tables, ["vault_kv_store"]);
}

#[tokio::test]
async fn odd_names_and_other_schemas_work() {
    let postgres = shared();
    postgres.query("CREATE SCHEMA \"an other\"");
    for table in ["an other.t\"a'b", "Robert'); DROP TABLE x;--"] {
        let storage = PostgresStorage::open(&root(&postgres).with("table", table)).await.unwrap();
        storage.commit(Batch::new().put("k", "v")).await.unwrap();
        assert!(storage.get("k").await.unwrap().is_some());
    }
}

/// The server's defaults may promise less than a commit has to.
#[tokio::test]
async fn an_acknowledged_commit_is_on_disk_whatever_the_role_says() {
    let postgres = shared();
    postgres.query("CREATE ROLE hasty SUPERUSER LOGIN PASSWORD 'hasty'");
    postgres.query("ALTER ROLE hasty SET synchronous_commit = off");
    postgres.query("ALTER ROLE hasty SET default_transaction_isolation = 'repeatable read'");
    let url = postgres.url("hasty", "hasty");
    let storage = PostgresStorage::open(&root(&postgres).with("connection_url", url)).await.unwrap();
    // A trigger tells what a commit works with.
    let table = postgres.lines(
        ROOT,
        ROOT_PASSWORD,
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relowner = 'hasty'::regrole",
    );
    let table = table.iter().find(|name| !name.ends_with("_sessions") && !name.ends_with("_layout")).unwrap();
    let made = postgres.query(&format!(
        "CREATE TABLE told (what text); CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO told \
         VALUES (current_setting('synchronous_commit') || ', ' || current_setting('transaction_isolation')); RETURN NEW; END $$; \
         CREATE TRIGGER tell AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION tell()"
    ));
    assert!(made.status.success());
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let told = postgres.lines(ROOT, ROOT_PASSWORD, "SELECT what FROM told");
    assert_eq!(told, ["on, read committed"]);
}
