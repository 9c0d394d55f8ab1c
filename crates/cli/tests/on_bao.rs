//! Commands without a twin to compare with, on a server of OpenBao: completion, debug, monitor.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may block its own thread and say why it skips"
)]
mod harness;

use std::io::Read;

use harness::bao::{Bao, Server};
use harness::program::{Outcome, run};

fn env(server: &Server, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let home = server.home.path().display().to_string();
    let mut env = vec![
        ("HOME".to_owned(), home),
        ("VAULT_ADDR".to_owned(), server.address()),
        ("VAULT_TOKEN".to_owned(), "root".to_owned()),
    ];
    env.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    env
}

async fn lessor(server: &Server, line: &str) -> Outcome {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    run("lessor", &words, &env(server, &[]), "").await
}

async fn completed(server: &Server, line: &str) -> Vec<String> {
    let outcome = run("lessor", &[], &env(server, &[("COMP_LINE", line)]), "").await;
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "a shell would show errors as words");
    outcome.out.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_shell_is_told_commands_flags_and_what_the_server_has() {
    let Some(bao) = Bao::find() else { return };
    let server = bao.start(&[]).ready();
    assert_eq!(lessor(&server, "kv put secret/apps/web a=1").await.code, 0);
    assert_eq!(lessor(&server, "kv put secret/apps/worker a=1").await.code, 0);
    let cases: &[(&str, &[&str])] = &[
        ("lessor sec", &["secrets"]),
        ("lessor kv metadata p", &["patch", "put"]),
        ("lessor kv get -fo", &["-format"]),
        ("lessor kv get -format=y", &["-format=yaml"]),
        ("lessor login -method us", &["userpass"]),
        ("lessor kv get sec", &["secret/"]),
        ("lessor kv get secret/", &["secret/apps/"]),
        ("lessor kv get -version 1 secret/apps/w", &["secret/apps/web", "secret/apps/worker"]),
        ("lessor read secret/metadata/apps/wo", &["secret/metadata/apps/worker"]),
        ("lessor read auth/", &["auth/token/"]),
        ("lessor policy read d", &["default"]),
        ("lessor secrets enable trans", &["transit"]),
        ("lessor nonsense ", &[]),
    ];
    for (line, want) in cases {
        assert_eq!(completed(&server, line).await, *want, "{line}");
    }
    let nobody = run(
        "lessor",
        &[],
        &[("COMP_LINE".into(), "lessor kv get s".into()), ("VAULT_ADDR".into(), "http://127.0.0.1:1".into())],
        "",
    )
    .await;
    assert_eq!((nobody.code, nobody.out.as_str(), nobody.err.as_str()), (0, "", ""), "no server, no words");
}

#[tokio::test]
async fn debug_packs_what_the_token_may_read() {
    let Some(bao) = Bao::find() else { return };
    let server = bao.start(&[]).ready();
    let archive = server.home.path().join("found.tar.gz");
    let line = format!(
        "debug -duration=1s -interval=1s -metrics-interval=1s -target=server-status -target=metrics -target=host -output={}",
        archive.display()
    );
    let outcome = lessor(&server, &line).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let again = lessor(&server, &line).await;
    assert!(again.code == 1 && again.err.contains("already exists"), "nothing is overwritten: {again:?}");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&archive).unwrap()));
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        if name.ends_with("server_status.json") {
            let samples: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(samples.as_array().unwrap().iter().any(|sample| sample["initialized"] == true), "{text}");
        }
        names.push(name);
    }
    for want in ["found/index.json", "found/metrics.json", "found/server_status.json"] {
        assert!(names.iter().any(|name| name == want), "{want} is missing in {names:?}");
    }
}

#[tokio::test]
async fn a_token_without_rights_gets_a_bundle_that_says_so() {
    let Some(bao) = Bao::find() else { return };
    let server = bao.start(&[]).ready();
    let output = server.home.path().join("poor");
    let line = format!("debug -duration=1s -interval=1s -target=config -compress=false -output={}", output.display());
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let outcome = run("lessor", &words, &env(&server, &[("VAULT_TOKEN", "none")]), "").await;
    assert_eq!(outcome.code, 0);
    assert!(outcome.err.contains("not captured: config"), "{}", outcome.err);
    assert!(std::fs::read_to_string(output.join("index.json")).unwrap().contains("permission denied"));
}

#[tokio::test]
async fn monitor_shows_what_the_server_logs() {
    let Some(bao) = Bao::find() else { return };
    let server = bao.start(&[]).ready();
    let words = ["monitor", "-log-level=debug"].map(str::to_owned);
    let env = env(&server, &[]);
    let (out, watching) = harness::program::watched("lessor", &words, &env);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut made = 0;
    while !out.text().contains("successful mount") {
        assert!(std::time::Instant::now() < end, "nothing was shown: {}", out.text());
        made += 1;
        // The server shows what happens after the monitor has begun, so it is made to happen until seen.
        lessor(&server, &format!("secrets enable -path=k{made} kv")).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    watching.abort();
}
