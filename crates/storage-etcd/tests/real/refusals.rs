//! What an operator reads when something is wrong.
use crate::etcd::Etcd;
use crate::{shared, stanza};
use lessor_storage::{Batch, Expect, Stanza, Storage};
use lessor_storage_etcd::EtcdStorage;

async fn refusal(stanza: &Stanza) -> String {
    let error = EtcdStorage::open(stanza).await.err().expect("it was opened").to_string();
    assert!(!error.contains("secret"), "{error}");
    error
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let address = format!("http://127.0.0.1:{}", crate::lessor::free_port());
    let error = refusal(&Stanza::new("etcd").with("address", &address)).await;
    assert!(error.contains("etcd does not answer") && error.contains(&address), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_tokens_and_rights_are_checked_and_named() {
    let mut etcd = Etcd::start_with(1, &["--auth-token-ttl=2"]);
    let plain = stanza(&etcd).with("path", "/mine/");
    for arguments in [
        &["user", "add", "root:root-secret"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "mine"],
        &["role", "grant-permission", "mine", "readwrite", "--prefix=true", "/mine/"],
        &["user", "add", "lessor:lessor-secret"],
        &["user", "grant-role", "lessor", "mine"],
        &["user", "add", "other:other-secret"],
        &["auth", "enable"],
    ] {
        etcd.run(arguments);
    }
    etcd.login = vec!["--user=root:root-secret".to_owned()];
    let login = |name: &str, password: &str| plain.clone().with("username", name).with("password", password);
    assert!(refusal(&plain).await.contains("etcd wants a login: set username and password"));
    assert!(refusal(&login("lessor", "wrong-secret")).await.contains("check username and password"));
    let error = refusal(&login("other", "other-secret")).await;
    assert!(error.contains("etcdctl role grant-permission ROLE readwrite --prefix=true /mine/"), "{error}");
    let storage = EtcdStorage::open(&login("lessor", "lessor-secret")).await.unwrap();
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    // Tokens end, and with them all that a member knew when it is killed.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    storage.commit(Batch::new().put("k", "w")).await.unwrap();
    etcd.kill(0);
    etcd.resume(0);
    assert_eq!(storage.get("k").await.unwrap().unwrap().value, b"w");
    // The store of users changes, so every token is old.
    etcd.run(&["role", "add", "another"]);
    storage.commit(Batch::new().put("k", "x")).await.unwrap();
    etcd.run(&["user", "revoke-role", "lessor", "mine"]);
    let error = storage.commit(Batch::new().put("k", "y")).await.unwrap_err().to_string();
    assert!(error.contains("the user lacks rights"), "{error}");
}

#[tokio::test]
async fn a_database_that_is_full_is_named_and_survived() {
    let mut etcd = Etcd::start_with(1, &["--quota-backend-bytes=4000000"]);
    let storage = EtcdStorage::open(&stanza(&etcd)).await.unwrap();
    let mut written = 0;
    let error = loop {
        let batch = Batch::new().put(format!("{written:04}/a"), vec![1; 100_000]).put(format!("{written:04}/b"), "");
        match storage.commit(batch).await {
            Ok(()) => written += 1,
            Err(error) => break error.to_string(),
        }
        assert!(written < 1000, "the database has no end");
    };
    assert!(error.contains("--quota-backend-bytes") && error.contains("alarm disarm"), "{error}");
    assert_eq!(storage.scan("", None, 10_000).await.unwrap().len(), 2 * written, "half a batch was written");
    etcd.kill(0);
    etcd.options = vec!["--quota-backend-bytes=40000000".to_owned()];
    etcd.resume(0);
    etcd.run(&["alarm", "disarm"]);
    for number in 0..written {
        storage.commit(Batch::new().delete(format!("{number:04}/a"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_and_harms_no_other() {
    let etcd = shared();
    let storage = EtcdStorage::open(&stanza(&etcd)).await.unwrap();
    let error = storage.commit(Batch::new().put("large", vec![0; 2 << 20])).await.unwrap_err().to_string();
    assert!(error.contains("raise its --max-request-bytes"), "{error}");
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    assert_eq!(storage.scan("", None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_of_five_thousand_writes_is_one_step_on_a_server_as_it_is_delivered() {
    let etcd = shared();
    let storage = EtcdStorage::open(&stanza(&etcd)).await.unwrap();
    storage.commit(Batch::new().put("guard", "")).await.unwrap();
    let guarded = |expect| Batch::new().expect("guard", expect);
    let fill = |batch: Batch| (0..5000).fold(batch, |batch, at| batch.put(format!("many/{at:05}"), vec![b'x'; 100]));
    storage.commit(fill(guarded(Expect::Absent))).await.unwrap_err();
    assert!(storage.scan("many/", None, 1).await.unwrap().is_empty());
    storage.commit(fill(guarded(Expect::Present))).await.unwrap();
    let found = storage.scan("many/", None, usize::MAX).await.unwrap();
    assert_eq!(found.len(), 5000);
    assert!(found.iter().all(|entry| entry.version == found[0].version));
}

/// More guards than etcd compares at once, among commits with few.
#[tokio::test(flavor = "multi_thread")]
async fn commits_with_hundreds_of_guards_lose_no_update_and_hold_up_nobody_for_long() {
    let etcd = shared();
    let stanza = stanza(&etcd);
    let storage = EtcdStorage::open(&stanza).await.unwrap();
    const KEYS: usize = 250;
    let key = |at: usize| format!("sum/{at:03}");
    storage.commit((0..KEYS).fold(Batch::new(), |batch, at| batch.put(key(at), "0"))).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..6 {
        let storage = EtcdStorage::open(&stanza).await.unwrap();
        tasks.spawn(async move {
            let mut done = 0;
            while done < 8 {
                // Half of them add one to every key, half to a single one.
                let prefix = if task % 2 == 0 { "sum/".to_owned() } else { key(task * 17 + done) };
                let found = storage.scan(&prefix, None, KEYS).await.unwrap();
                let mut batch = Batch::new();
                for entry in &found {
                    let sum: u32 = String::from_utf8_lossy(&entry.value).parse().unwrap();
                    batch =
                        batch.expect(&entry.key, Expect::Version(entry.version)).put(&entry.key, (sum + 1).to_string());
                }
                match storage.commit(batch).await {
                    Ok(()) => done += 1,
                    Err(lessor_storage::Error::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            done
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let found = storage.scan("sum/", None, KEYS).await.unwrap();
    let total: usize = found.iter().map(|entry| String::from_utf8_lossy(&entry.value).parse::<usize>().unwrap()).sum();
    assert_eq!(total, 3 * 8 * KEYS + 3 * 8);
    // The first guard that does not hold is named here too, also where nothing is written.
    let guards = (0..KEYS).fold(Batch::new(), |batch, at| {
        batch.expect(key(at), if at == 201 || at == 222 { Expect::Absent } else { Expect::Present })
    });
    for batch in [guards.clone().put("k", "v"), guards] {
        match storage.commit(batch).await {
            Err(lessor_storage::Error::Conflict { key: named }) => assert_eq!(named, key(201)),
            other => panic!("{other:?}"),
        }
    }
    assert!(storage.get("k").await.unwrap().is_none());
    assert!(etcd.run(&["get", "--prefix", &format!("{}gate", stanza.text("path").unwrap())]).is_empty());
}

/// As if a process had died with the gate closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_was_left_closed_opens_by_itself() {
    let etcd = shared();
    let stanza = stanza(&etcd);
    let storage = EtcdStorage::open(&stanza).await.unwrap();
    let granted = etcd.run(&["lease", "grant", "3"]);
    let lease = granted.split_whitespace().nth(1).unwrap();
    etcd.run(&["put", &format!("--lease={lease}"), &format!("{}gate", stanza.text("path").unwrap()), "1"]);
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
}

#[tokio::test]
async fn a_scan_of_many_pages_is_of_one_moment() {
    let etcd = shared();
    let storage = EtcdStorage::open(&stanza(&etcd)).await.unwrap();
    let fill = |value: &str| (0..1200).fold(Batch::new(), |batch, at| batch.put(format!("{at:05}"), value));
    storage.commit(fill("0")).await.unwrap();
    let writer = tokio::spawn({
        let storage = storage.clone();
        async move {
            for round in 1..20 {
                storage.commit(fill(&round.to_string())).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let found = storage.scan("", None, usize::MAX).await.unwrap();
        assert_eq!(found.len(), 1200);
        assert!(found.iter().all(|entry| entry.value == found[0].value), "two moments in one scan");
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let etcd = shared();
    let stanza = stanza(&etcd);
    etcd.run(&["put", &format!("{}layout", stanza.text("path").unwrap()), "9"]);
    assert!(refusal(&stanza).await.contains("have layout 9 but this version of Lessor knows 1"));
}
