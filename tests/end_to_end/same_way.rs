//! Lessor's main job from beginning to end, typed with its own command line and with OpenBao's: both see the same.
use crate::lessor::{Lessor, PROGRAM};
use crate::targets::aws::Aws;
use crate::targets::postgres::Postgres;
use crate::targets::tool;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Somebody at a terminal.
struct Typist<'a> {
    program: PathBuf,
    lessor: &'a Lessor,
    /// Every command with its exit code and the first word of every line it printed.
    seen: Vec<String>,
}

impl Typist<'_> {
    /// Types a line whose words are separated by single spaces; the last ones may be given apart.
    fn types(&mut self, line: &str, more: &[&str]) -> String {
        let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
        let (code, text) = self.lessor.typed(&self.program, &words);
        assert_eq!(code, 0, "{} {line}: {text}", self.program.display());
        let rows: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        self.seen.push(format!("{line}: {}", rows.join(" ")));
        text
    }

    /// A credential: its lease, its two halves, and when it was asked for.
    fn asks(&mut self, path: &str, halves: [&str; 2]) -> (String, String, String, Instant) {
        let asked = Instant::now();
        let answer: Value = serde_json::from_str(&self.types(&format!("read -format=json {path}"), &[])).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&answer["lease_id"]), text(&answer["data"][halves[0]]), text(&answer["data"][halves[1]]), asked)
    }
}

async fn gone(what: &str, asked: Instant, ttl: u64, mut lives: impl FnMut() -> bool) {
    while lives() {
        assert!(asked.elapsed() < Duration::from_secs(ttl + 15), "{what} outlived its lease");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(asked.elapsed() >= Duration::from_secs(ttl - 1), "{what} ended before its lease");
}

async fn aws(typist: &mut Typist<'_>) {
    let moto = Aws::moto();
    let (old, old_secret) = moto.root.clone();
    typist.types("secrets enable -path=cloud aws", &[]);
    let (id, secret) = (format!("access_key={old}"), format!("secret_key={old_secret}"));
    let (iam, sts) = (format!("iam_endpoint={}", moto.endpoint), format!("sts_endpoint={}", moto.endpoint));
    let place = ["region=us-east-1", "sts_region=us-east-1"];
    typist.types("write cloud/config/root", &[&id, &secret, &iam, &sts, place[0], place[1]]);
    typist.types("write cloud/config/lease lease=20s lease_max=1h", &[]);
    let policy = "policy_arns=arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
    typist.types("write cloud/roles/developer credential_type=iam_user", &[policy]);
    typist.types("list cloud/roles", &[]);

    let (lease, id, secret, asked) = typist.asks("cloud/creds/developer", ["access_key", "secret_key"]);
    typist.types("lease lookup", &[&lease]);
    let who = moto.as_key(&id, &secret, "", "print(sts.get_caller_identity()['Arn'])").unwrap();
    assert!(who.contains("user/vault-root-developer-"), "{who}");
    let denied = moto.as_key(&id, &secret, "", "iam.list_users()").unwrap_err();
    assert!(denied.contains("AccessDenied"), "the policy of the role is all it may do: {denied}");
    gone("the user", asked, 20, || !moto.made().is_empty()).await;
    assert!(!moto.accepts(&id, &secret), "the key is refused");

    typist.types("write -f cloud/config/rotate-root", &[]);
    assert!(!moto.accepts(&old, &old_secret), "the old root key is refused");
    let (lease, id, secret, _) = typist.asks("cloud/creds/developer", ["access_key", "secret_key"]);
    assert!(moto.accepts(&id, &secret), "and the new one makes keys");
    typist.types("lease revoke -sync", &[&lease]);
    assert!(!moto.accepts(&id, &secret));
}

async fn postgres(typist: &mut Typist<'_>) {
    let postgres = Postgres::start();
    assert!(postgres.query("CREATE ROLE vaultroot WITH SUPERUSER LOGIN PASSWORD 'vaultroot-first'").status.success());
    typist.types("secrets enable database", &[]);
    let url = format!("connection_url={}", postgres.template());
    typist.types(
        "write database/config/main plugin_name=postgresql-database-plugin allowed_roles=app",
        &[&url, "username=vaultroot", "password=vaultroot-first"],
    );
    let create =
        "creation_statements=CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'";
    typist.types("write database/roles/app db_name=main default_ttl=10s max_ttl=1h", &[create]);

    let (lease, user, password, asked) = typist.asks("database/creds/app", ["username", "password"]);
    typist.types("lease lookup", &[&lease]);
    assert!(postgres.accepts(&user, &password));
    let mut session = postgres.psql(&user, &password, "SELECT pg_sleep(120)").spawn().unwrap();
    gone("the open session", asked, 10, || session.try_wait().unwrap().is_none()).await;
    assert!(!session.wait().unwrap().success(), "it was cut, it did not end by itself");
    gone("the account", asked, 10, || !postgres.made().is_empty()).await;
    assert!(!postgres.accepts(&user, &password));

    typist.types("write -f database/rotate-root/main", &[]);
    assert!(!postgres.accepts("vaultroot", "vaultroot-first"), "the old root password is refused");
}

async fn walk(program: &Path) -> Vec<String> {
    let lessor = Lessor::dev().await;
    let mut typist = Typist { program: program.to_owned(), lessor: &lessor, seen: Vec::new() };
    aws(&mut typist).await;
    postgres(&mut typist).await;
    typist.types("secrets disable cloud", &[]);
    typist.types("secrets list", &[]);
    typist.seen
}

#[tokio::test(flavor = "multi_thread")]
async fn bao_and_lessor_walk_the_same_way() {
    let ours = walk(Path::new(PROGRAM)).await;
    let theirs = walk(&tool("bao-2.7.2", "bao")).await;
    assert!(ours.len() > 15);
    assert_eq!(ours, theirs);
}
