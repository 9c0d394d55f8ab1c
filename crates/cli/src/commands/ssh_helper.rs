//! The host's side of one-time passwords: PAM runs it (`pam_exec.so expose_authtok`), it reads the password from its
//! input and lets the user in if the server knows it for this host and this user. The configuration file is that of
//! vault-ssh-helper.

use std::io::Read;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use lessor_client::{Client, Config, PemSource, Request, TlsSettings};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

/// Longer than every password there is.
const LONGEST: u64 = 4096;
/// Somebody waits at a prompt.
const TIMEOUT: Duration = Duration::from_secs(10);

pub static COMMAND: Command = Command {
    name: "ssh-helper",
    usage: "",
    about: "Check a one-time password from standard input for the user in PAM_USER, as PAM asks.",
    example: "auth requisite pam_exec.so quiet expose_authtok /usr/bin/lessor ssh-helper -config=/etc/lessor-ssh-helper.hcl",
    flags: &[
        flag("config", Kind::Text, "The configuration file; /etc/lessor-ssh-helper.hcl if left out."),
        flag("verify-only", Kind::Bool, "Only check that the server is reached and the mount is there."),
        flag("dev", Kind::Bool, "Let vault_addr be http://, for tests."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

/// What the file says.
struct Settings {
    client: Config,
    mount: String,
    roles: Vec<String>,
    blocks: Vec<IpNet>,
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn settings(text: &str, dev: bool) -> Result<Settings, String> {
    let body = lessor_hcl::parse(text).map_err(|error| error.to_string())?;
    let json = body.to_json();
    let given = |name: &str| {
        let value = &json[name];
        value.as_str().map(str::to_owned).filter(|text| !text.is_empty())
    };
    let address = given("vault_addr").ok_or("vault_addr is missing")?;
    if !dev && !address.starts_with("https://") {
        return Err("vault_addr has to be https://: passwords would be read on the way".to_owned());
    }
    let tls = TlsSettings {
        ca_cert: given("ca_cert").map(|path| PemSource::File(PathBuf::from(path))),
        ca_path: given("ca_path").map(PathBuf::from),
        server_name: given("tls_server_name"),
        skip_verify: json["tls_skip_verify"] == true || json["tls_skip_verify"] == "true",
        ..TlsSettings::default()
    };
    let client = Config { address, namespace: given("namespace"), tls, timeout: TIMEOUT, ..Config::default() };
    let roles = given("allowed_roles").ok_or("allowed_roles is missing: name roles, or \"*\" for all")?;
    let block = |text: &str| text.parse::<IpNet>().map_err(|_| format!("allowed_cidr_list: {text} is no block"));
    let blocks = list(&given("allowed_cidr_list").unwrap_or_default()).map(block).collect::<Result<_, _>>()?;
    let mount = given("ssh_mount_point").unwrap_or_else(|| "ssh".to_owned()).trim_matches('/').to_owned();
    Ok(Settings { client, mount, roles: list(&roles).map(str::to_owned).collect(), blocks })
}

/// Whether an address is one of this host: only those can be bound, unless the kernel is told otherwise.
fn is_own(ip: IpAddr) -> Result<bool, String> {
    let family = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
    let switch = std::fs::read_to_string(format!("/proc/sys/net/{family}/ip_nonlocal_bind")).unwrap_or_default();
    if switch.trim() == "1" {
        return Err("net.ip_nonlocal_bind is set, so own addresses cannot be told: use allowed_cidr_list".to_owned());
    }
    Ok(!ip.is_unspecified() && !ip.is_multicast() && UdpSocket::bind((ip, 0)).is_ok())
}

/// Whether what the server answered is for this user on this host.
fn check(settings: &Settings, data: &Value, user: &str) -> Result<(), String> {
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    if user.is_empty() || text("username") != user {
        return Err("the password is for another user".to_owned());
    }
    let role = text("role_name");
    if !settings.roles.iter().any(|allowed| allowed == "*" || allowed == role) {
        return Err(format!("role {role:?} is not in allowed_roles"));
    }
    let ip: IpAddr = text("ip").parse().map_err(|_| "the server told no address".to_owned())?;
    if settings.blocks.iter().any(|block| block.contains(&ip)) || is_own(ip)? {
        return Ok(());
    }
    Err(format!("the password is for the host at {ip}"))
}

/// The password as PAM hands it over: up to the first zero or line end.
fn password(input: impl Read) -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default()));
    input.take(LONGEST).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    let end = bytes.iter().position(|byte| matches!(byte, 0 | b'\n' | b'\r')).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "the password is no text".to_owned())?;
    if text.is_empty() { Err("there is no password on standard input".to_owned()) } else { Ok(text.to_owned().into()) }
}

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let path = args.text("config").unwrap_or("/etc/lessor-ssh-helper.hcl");
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::local(format!("the configuration {path} cannot be read: {}", reason(&error))))?;
    let settings =
        settings(&text, args.is("dev")).map_err(|why| Failure::local(format!("the configuration {path}: {why}")))?;
    let client = Client::new(settings.client.clone()).map_err(|error| Failure::local(error.to_string()))?;
    let verify = format!("{}/verify", settings.mount);
    let ask = async |otp: &str| -> Result<Value, Failure> {
        let response = client.send(Request::put(&verify, json!({ "otp": otp }))).await;
        let response = response.and_then(lessor_client::Response::into_json);
        response.map(|body| body["data"].clone()).map_err(|error| Failure::local(error.to_string()))
    };
    if args.is("verify-only") {
        let data = ask("verify-echo-request").await?;
        if data["message"] != "verify-echo-response" {
            return Err(Failure::local(format!("{} is no ssh mount", settings.mount)));
        }
        ctx.say("The server is reached, and the mount is there.");
        return Ok(0);
    }
    let password = password(std::io::stdin().lock()).map_err(Failure::local)?;
    // PAM sets it; nobody who logs in can.
    let user = std::env::var("PAM_USER").unwrap_or_default();
    // The echo would be a password that everybody knows.
    if password.as_str() == "verify-echo-request" {
        return Err(Failure::local("this is no password"));
    }
    let data = ask(&password).await?;
    check(&settings, &data, &user).map_err(Failure::local)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "vault_addr = \"https://v:8200\"\nallowed_roles = \"a, b\"\nallowed_cidr_list = \"10.0.0.0/8\"";

    #[test]
    fn only_the_user_the_role_and_the_host_of_the_password_are_let_in() {
        let settings = settings(FILE, false).unwrap();
        let told = |user: &str, role: &str, ip: &str| {
            check(&settings, &json!({ "username": user, "role_name": role, "ip": ip }), "ann")
        };
        assert!(told("ann", "a", "10.1.1.1").is_ok() && told("ann", "b", "127.0.0.1").is_ok());
        assert!(told("bob", "a", "10.1.1.1").is_err() && told("ann", "c", "10.1.1.1").is_err());
        assert!(told("ann", "a", "192.0.2.1").is_err() && told("ann", "a", "0.0.0.0").is_err());
        assert!(check(&settings, &json!({}), "").is_err(), "an answer without a user is for nobody");
    }

    #[test]
    fn a_file_that_would_send_passwords_in_clear_or_names_no_role_is_refused() {
        assert!(settings(&FILE.replace("https", "http"), false).is_err());
        assert!(settings(&FILE.replace("https", "http"), true).is_ok());
        assert!(settings("vault_addr = \"https://v\"", false).is_err());
    }

    #[test]
    fn the_password_ends_at_the_zero_that_pam_sends() {
        assert_eq!(password(&b"abc\0"[..]).unwrap().as_str(), "abc");
        assert!(password(&b"\0"[..]).is_err());
    }
}
