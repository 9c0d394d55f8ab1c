//! `lessor ssh` with OpenSSH's own client and server.
use crate::lessor::{Lessor, PROGRAM};
use crate::ssh::setup;
use crate::ssh_helper::by_password;
use crate::targets::sshd::Sshd;
use lessor_client::Request;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Exit code, what it printed, and what it left in its temporary folder.
fn ssh(lessor: &Lessor, arguments: &[&str], ssh_words: &[&str]) -> (i32, String, usize) {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .args(["ssh", "-non-interactive"])
        .args(arguments)
        .args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=10", "-o", "BatchMode=no"])
        .args(ssh_words)
        .envs([("VAULT_ADDR", lessor.address.as_str()), ("VAULT_TOKEN", "root"), ("HOME", "/nonexistent")])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap_or(-1), text, std::fs::read_dir(temporary.path()).unwrap().count())
}

/// With the user's key, certificates of the role `ops`, and these flags besides.
fn certified(lessor: &Lessor, sshd: &Sshd, key: &Path, flags: &[&str], words: &[&str]) -> (i32, String) {
    let (key, port) = (format!("-private-key-path={}", key.display()), sshd.port.to_string());
    let mut all = vec!["-mode=ca", "-role=ops", &key];
    all.extend(flags);
    // Flags of Lessor stand in front of the host, ssh's own behind it.
    all.push("-user-known-hosts-file=/dev/null");
    all.push("deploy@127.0.0.1");
    let mut behind = vec!["-p", &port];
    behind.extend(words);
    let (code, text, left) = ssh(lessor, &all, &behind);
    assert_eq!(left, 0, "temporary files were left: {text}");
    (code, text)
}

const TRUSTING: &str = "-strict-host-key-checking=no";

#[tokio::test(flavor = "multi_thread")]
async fn lessor_ssh_logs_in_with_a_certificate_and_passes_ssh_s_exit_code_on() {
    let (lessor, sshd, key) = setup("ed25519").await;
    let everything = json!({
        "key_type": "ca", "allow_user_certificates": true, "allowed_users": "deploy,other", "allowed_extensions": "*",
    });
    lessor.write("ssh/roles/ops", everything.clone()).await;
    let (code, text) = certified(&lessor, &sshd, &key, &[TRUSTING], &["echo in; exit 7"]);
    assert!(code == 7 && text.contains("in\n"), "{code} {text} {}", sshd.log());
    let (code, text) = certified(&lessor, &sshd, &key, &[TRUSTING, "-valid-principals=other"], &["echo in"]);
    assert!(code == 255 && text.contains("Permission denied"), "{code} {text}");
    // A host that shows a certificate of the mount's authority is trusted, any other is not.
    lessor.write("sys/mounts/foreign", json!({ "type": "ssh" })).await;
    lessor.write("foreign/config/ca", json!({ "key_type": "ed25519" })).await;
    let named = ["-o", "HostKeyAlias=web1.acme.internal", "echo in"];
    let (code, text) = certified(&lessor, &sshd, &key, &["-host-key-mount-point=ssh"], &named);
    assert!(code == 0 && text.contains("in\n"), "{code} {text}");
    let only = ["-host-key-mount-point=ssh", "-host-key-hostnames=*.acme.internal"];
    assert_eq!(certified(&lessor, &sshd, &key, &only, &named).0, 0);
    assert_eq!(certified(&lessor, &sshd, &key, &["-host-key-mount-point=ssh", "-host-key-hostnames=x"], &named).0, 255);
    let (code, text) = certified(&lessor, &sshd, &key, &["-host-key-mount-point=foreign"], &named);
    assert!(code == 255 && text.contains("Host key verification failed"), "{code} {text}");
    // The role decides; what is missing is named.
    lessor
        .write(
            "ssh/roles/ops",
            json!({ "allowed_extensions": "permit-pty", "key_type": "ca",
        "allow_user_certificates": true, "allowed_users": "deploy" }),
        )
        .await;
    let (code, text) = certified(&lessor, &sshd, &key, &[TRUSTING], &["echo in"]);
    assert!(code == 2 && text.contains("Hint: allowed_extensions of the role"), "{code} {text}");
    // A server that is away ends it before ssh starts.
    lessor.write("ssh/roles/ops", everything).await;
    let (code, text) = certified(&lessor, &sshd, &key, &[TRUSTING, "-address=http://127.0.0.1:1"], &["echo in"]);
    assert!(code == 2 && !text.contains("in\n"), "{code} {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lessor_ssh_types_a_one_time_password_and_ends_its_lease() {
    let lessor = Lessor::dev().await;
    let sshd = by_password(&lessor, "allowed_roles = \"*\"").await;
    // The role tells the port.
    let role = json!({ "key_type": "otp", "default_user": "deploy", "allowed_users": "nobody-here",
        "cidr_list": "127.0.0.0/8", "port": sshd.port });
    lessor.write("ssh/roles/otp", role).await;
    let flags = ["-mode=otp", "-role=otp", TRUSTING, "-user-known-hosts-file=/dev/null"];
    let typed = |user: &str, words: &[&str]| ssh(&lessor, &[&flags[..], &[user]].concat(), words);
    let (code, text, _) = typed("deploy@localhost", &["echo in; exit 3"]);
    assert!(code == 3 && text.contains("in\n"), "{code} {text} {}", sshd.log());
    let (code, text, _) = typed("nobody-here@127.0.0.1", &["echo in"]);
    // sshpass says 5 where the password is refused.
    assert!(matches!(code, 5 | 255) && !text.contains("in\n"), "{code} {text}");
    let (status, _) = lessor.refused(Request::list("sys/leases/lookup/ssh/creds/otp")).await;
    assert_eq!(status, 404, "no lease is left, whatever ssh ended with");
    let (code, text, _) = typed("deploy@192.0.2.9", &["echo in"]);
    assert!(code == 2 && text.contains("IP does not belong to role"), "{code} {text}");
    let (code, text, _) = ssh(&lessor, &["-mode=dynamic", "-role=otp", "deploy@127.0.0.1"], &[]);
    assert!(code == 1 && text.contains("dynamic"), "{code} {text}");
}
