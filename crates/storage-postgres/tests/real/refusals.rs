//! What an operator reads when something is wrong.
use crate::postgres::{Postgres, ROOT, ROOT_PASSWORD};
use crate::{root, shared, stanza};
use lessor_storage::{Batch, Stanza, Storage};
use lessor_storage_postgres::PostgresStorage;

async fn refusal(stanza: &Stanza) -> String {
    let error = PostgresStorage::open(stanza).await.err().expect("it was opened").to_string();
    assert!(!error.contains(ROOT_PASSWORD) && !error.contains("wrong-secret"), "{error}");
    error
}

#[tokio::test]
async fn a_wrong_url_password_or_database_is_told_apart() {
    let postgres = shared();
    let url = postgres.url(ROOT, ROOT_PASSWORD);
    let nobody = format!("postgresql://u:wrong-secret@127.0.0.1:{}/postgres", crate::lessor::free_port());
    for (stanza, expected) in [
        (stanza(&postgres.url(ROOT, "wrong-secret")), "refused the password"),
        (stanza(&url.replace("/postgres?", "/nothing?")), "the database in connection_url does not exist"),
        (stanza(&nobody).with("max_connect_retries", "0"), "no connection to PostgreSQL"),
        (stanza("postgresql://u:wrong-secret@nowhere.invalid/d").with("max_connect_retries", "0"), "no connection"),
        (stanza(&url).with("table", "nowhere.t"), "the schema nowhere does not exist: CREATE SCHEMA nowhere"),
    ] {
        let error = refusal(&stanza).await;
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn missing_rights_are_named_with_the_grants_that_give_them() {
    let postgres = shared();
    postgres.query("CREATE ROLE plain LOGIN PASSWORD 'plain'");
    let plain = |table: &str| {
        Stanza::new("postgresql").with("connection_url", postgres.url("plain", "plain")).with("table", table)
    };
    let error = refusal(&plain("theirs")).await;
    assert!(error.contains("GRANT USAGE, CREATE ON SCHEMA public"), "{error}");
    // Made by the owner; the account has to be let in.
    let owned = root(&postgres).with("table", "owned");
    let owner = PostgresStorage::open(&owned).await.unwrap();
    owner.commit(Batch::new().put("k", "v")).await.unwrap();
    let error = refusal(&plain("owned")).await;
    assert!(error.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON \"owned\", \"owned_sessions\""), "{error}");
    for grant in [
        "SELECT ON owned_layout",
        "SELECT, INSERT, UPDATE ON owned, owned_sessions",
        "USAGE ON SEQUENCE owned_versions",
    ] {
        postgres.query(&format!("GRANT {grant} TO plain"));
        let error = refusal(&plain("owned")).await;
        assert!(error.contains("the account lacks rights"), "{error}");
    }
    postgres.query("GRANT DELETE ON owned, owned_sessions TO plain");
    let storage = PostgresStorage::open(&plain("owned").with("skip_create_table", "true")).await.unwrap();
    storage.commit(Batch::new().put("k", "w").delete("other")).await.unwrap();
    assert_eq!(storage.get("k").await.unwrap().unwrap().value, b"w");
    // Taken away while it runs.
    postgres.query("REVOKE INSERT ON owned FROM plain");
    let error = storage.commit(Batch::new().put("k", "x")).await.unwrap_err().to_string();
    assert!(error.contains("the account lacks rights: GRANT"), "{error}");
}

#[tokio::test]
async fn a_replica_is_named_and_its_primary_found_among_several_hosts() {
    let primary = Postgres::start();
    let stanza = root(&primary);
    PostgresStorage::open(&stanza).await.unwrap();
    let standby = primary.standby();
    let replica = Stanza::new("postgresql")
        .with("table", stanza.text("table").unwrap())
        .with("connection_url", standby.url(ROOT, ROOT_PASSWORD));
    let error = refusal(&replica).await;
    assert!(error.contains("a read-only replica: give the primary's address"), "{error}");
    let both = format!(
        "postgresql://{ROOT}:{ROOT_PASSWORD}@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        standby.port, primary.port
    );
    let found = PostgresStorage::open(&stanza.clone().with("connection_url", both)).await.unwrap();
    found.commit(Batch::new().put("k", "v")).await.unwrap();
    primary.query(&format!("ALTER ROLE {ROOT} SET default_transaction_read_only = on"));
    let error = refusal(&stanza).await;
    assert!(error.contains("read-only replica"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_named_loses_nothing_and_is_survived() {
    let postgres = Postgres::start();
    let small = Disk::mount();
    postgres.query(&format!("CREATE TABLESPACE small LOCATION '{}'", small.0.path().join("space").display()));
    let stanza = root(&postgres);
    let storage = PostgresStorage::open(&stanza).await.unwrap();
    let table = stanza.text("table").unwrap();
    postgres.query(&format!("ALTER TABLE {table} SET TABLESPACE small"));
    postgres.query(&format!("ALTER INDEX {table}_pkey SET TABLESPACE small"));
    let mut written = 0;
    let error = loop {
        let batch = Batch::new().put(format!("{written:04}/a"), vec![1; 100_000]).put(format!("{written:04}/b"), "");
        match storage.commit(batch).await {
            Ok(()) => written += 1,
            Err(error) => break error.to_string(),
        }
        assert!(written < 1000, "the disk has no end");
    };
    assert!(error.contains("the disk of the PostgreSQL server is full"), "{error}");
    assert!(written > 3);
    assert_eq!(storage.scan("", None, 10_000).await.unwrap().len(), 2 * written, "half a batch was written");
    let mut batch = Batch::new();
    for number in 0..written {
        batch = batch.delete(format!("{number:04}/a"));
    }
    storage.commit(batch).await.unwrap();
    small.grow();
    storage.commit(Batch::new().put("again", vec![1; 100_000])).await.unwrap();
    assert!(storage.get("again").await.unwrap().is_some());
    drop(postgres);
    drop(small);
}

/// A file system of a few megabytes in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Self {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(directory.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "a small file system cannot be mounted: run the tests as root");
        std::fs::create_dir(directory.path().join("space")).unwrap();
        let _ = std::process::Command::new("chown").args(["-R", "nobody:nogroup"]).arg(directory.path()).status();
        Self(directory)
    }
    fn grow(&self) {
        let grown = std::process::Command::new("mount").args(["-o", "remount,size=64m"]).arg(self.0.path()).status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_named() {
    let postgres = shared();
    let storage = PostgresStorage::open(&root(&postgres)).await.unwrap();
    let key: String = (0..4000).map(|_| char::from(rand::random_range(b'!'..b'~'))).collect();
    let error = storage.commit(Batch::new().put(key, "v")).await.unwrap_err().to_string();
    assert!(error.contains("longer than PostgreSQL can index"), "{error}");
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
}
