//! The program's command line on the program's own server.
use crate::lessor::{Lessor, PROGRAM};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

fn passes(lessor: &Lessor, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let (code, text) = lessor.cli(&words);
    assert_eq!(code, 0, "{line}: {text}");
    text
}

#[tokio::test]
async fn everyday_commands_work_on_a_dev_server() {
    let lessor = Lessor::dev().await;
    assert!(passes(&lessor, "status -format=json").contains("\"sealed\": false"));
    assert!(passes(&lessor, "kv put secret/app user=u password=p").contains("======= Metadata ======="));
    assert_eq!(passes(&lessor, "kv get -field=password secret/app"), "p");
    assert_eq!(passes(&lessor, "kv list -format=json secret"), "[\n  \"app\"\n]\n");
    passes(&lessor, "secrets enable -path=kv1 kv");
    passes(&lessor, "write kv1/a x=1");
    assert_eq!(passes(&lessor, "read -field=x kv1/a"), "1");
    passes(&lessor, "secrets move kv1 kv2");
    passes(&lessor, "secrets disable kv2");
    assert!(passes(&lessor, "token create -policy=default -ttl=1h").contains("token_duration       1h"));
    assert_eq!(lessor.cli(&["kv", "get", "secret/none"]).0, 2);
    assert_eq!(lessor.cli(&["read", "-nope", "x"]).0, 1);
    assert_eq!(lessor.cli(&["nonsense"]).0, 127);
}

#[tokio::test]
async fn the_stored_token_is_used_until_the_environment_names_another() {
    let lessor = Lessor::dev().await;
    let home = tempfile::tempdir().unwrap();
    let run = |name: &str, words: &[&str], token: Option<&str>| {
        let program = home.path().join(name);
        if !program.exists() {
            std::os::unix::fs::symlink(PROGRAM, &program).unwrap();
        }
        let mut command = Command::new(&program);
        command.args(words).env_clear().env("HOME", home.path()).env("VAULT_ADDR", &lessor.address);
        command.envs(token.map(|token| ("VAULT_TOKEN", token)));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run("vault", &["token", "lookup"], None).0, 2, "nobody logged in");
    let (code, text) = run("vault", &["login", "root"], None);
    assert!(code == 0 && text.contains("\"vault login\""), "{text}");
    assert_eq!(std::fs::read_to_string(home.path().join(".vault-token")).unwrap(), "root");
    assert_eq!(run("bao", &["token", "lookup"], None).0, 0);
    assert_eq!(run("bao", &["print", "token"], Some("other")).1, "other\n");
    assert_eq!(run("bao", &["token", "lookup"], Some("other")).0, 2);
}

#[tokio::test]
async fn monitor_shows_what_the_server_logs_below_its_own_level() {
    let lessor = Lessor::dev().await;
    let mut watching = Command::new(PROGRAM)
        .args(["monitor", "-log-level=debug", "-log-format=json"])
        .envs([("VAULT_ADDR", lessor.address.as_str()), ("VAULT_TOKEN", "root"), ("HOME", "/nonexistent")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(watching.stdout.take().unwrap());
    let (seen, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| seen.send(line)));
    // It shows what happens after it has begun, so that is made to happen until it is seen.
    let shown = (0..100).find_map(|at| {
        passes(&lessor, &format!("secrets enable -path=kv{at} kv"));
        lines.recv_timeout(Duration::from_millis(100)).ok()
    });
    watching.kill().unwrap();
    watching.wait().unwrap();
    let line: serde_json::Value = serde_json::from_str(&shown.unwrap()).unwrap();
    assert_eq!((&line["fields"]["message"], &line["fields"]["kind"]), (&"mounted".into(), &"kv".into()));
    assert_eq!(lessor.cli(&["monitor", "-log-level=loud"]).0, 1);
}

#[test]
fn a_configuration_is_checked_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("-config={}", path.display())
    };
    let data = directory.path().join("data");
    let good = format!(
        "storage \"embedded\" {{ path = {data:?} }}\nlistener \"tcp\" {{ address = \"127.0.0.1:0\"\n tls_disable = true }}\n"
    );
    let code = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("operator").args(arguments).env_clear().output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(code(&["validate-config", &write("good.hcl", good.clone())]).0, 0);
    let (odd, text) = code(&["validate-config", &write("odd.hcl", format!("{good}bogus = 1\n"))]);
    assert!(odd == 2 && text.contains("bogus"), "{text}");
    assert_eq!(code(&["validate-config", &write("bad.hcl", "storage \"embedded\" {".into())]).0, 1);
    assert_eq!(code(&["validate-config"]).0, 3);
    let (doubtful, text) = code(&["diagnose", &write("good.hcl", good)]);
    assert!(doubtful == 2 && text.contains("[ success ] Check Storage") && text.contains("TLS is disabled"), "{text}");
}
