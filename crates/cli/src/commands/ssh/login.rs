//! The two ways in.
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lessor_client::Request;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::keys::{Pair, expanded};
use super::line::Target;
use super::session::{Session, quoted};
use crate::command::{Outcome, clean};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::Args;

/// What a login at a terminal usually wants; a role decides which of them it allows.
const EXTENSIONS: [&str; 5] =
    ["permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc"];

/// One login that is to be made.
pub struct Login<'a> {
    args: &'a Args,
    mount: String,
    role: &'a str,
    user: String,
    target: Target,
    session: Session,
    host_mount: Option<String>,
    host_names: String,
}

impl<'a> Login<'a> {
    pub fn new(ctx: &Ctx, args: &'a Args, role: &'a str, user: String, target: Target) -> Self {
        let pick = |flag: &str, variable: &str| {
            let set = args.text(flag).or_else(|| ctx.env.get(variable));
            set.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let home = ctx.env.home();
        let known = pick("user-known-hosts-file", "SSH_USER_KNOWN_HOSTS_FILE");
        let session = Session {
            program: pick("ssh-executable", "SSH_EXECUTABLE").unwrap_or_else(|| "ssh".to_owned()),
            strict: pick("strict-host-key-checking", "SSH_STRICT_HOST_KEY_CHECKING")
                .unwrap_or_else(|| "ask".to_owned()),
            known_hosts: known.map(|path| expanded(&path, home.as_deref())),
            interactive: ctx.interactive,
            words: args.rest.clone(),
        };
        Self {
            args,
            mount: clean(args.text("mount-point").unwrap_or("ssh")),
            role,
            user,
            target,
            session,
            host_mount: pick("host-key-mount-point", "SSH_HOST_KEY_MOUNT_POINT").map(|mount| clean(&mount)),
            host_names: pick("host-key-hostnames", "SSH_HOST_KEY_HOSTNAMES").unwrap_or_else(|| "*".to_owned()),
        }
    }

    /// Prints what the mount made, where the user wants no more.
    fn only_shown(&self, ctx: &mut Ctx, answer: &Value) -> Option<Outcome> {
        self.args.is("no-exec").then(|| ctx.show_secret_or_field(answer, self.args.text("field")))
    }

    /// Has the user's key signed and lets ssh show the certificate.
    pub async fn with_certificate(mut self, ctx: &mut Ctx, pair: &Pair) -> Outcome {
        let path = pair.public.display();
        let key = std::fs::read_to_string(&pair.public)
            .map_err(|error| Failure::local(format!("failed to read public key {path}: {}", reason(&error))))?;
        let principals = self.args.text("valid-principals").filter(|names| !names.is_empty()).unwrap_or(&self.user);
        let extensions: Value = EXTENSIONS.iter().map(|name| ((*name).to_owned(), json!(""))).collect();
        let body = json!({
            "public_key": key, "valid_principals": principals, "cert_type": "user", "extensions": extensions,
        });
        let request = Request::put(&format!("{}/sign/{}", self.mount, self.role), body);
        let answer =
            ctx.expect(&format!("failed to sign public key {path}"), request).await.map_err(about_extensions)?;
        if let Some(shown) = self.only_shown(ctx, &answer) {
            return shown;
        }
        let signed = answer["data"]["signed_key"].as_str().filter(|text| !text.is_empty());
        let signed = signed.ok_or_else(|| Failure::remote("the server's answer holds no signed_key"))?;
        // Only its owner may enter it; it is gone when the session is over.
        let folder = tempfile::Builder::new().prefix("lessor-ssh-").tempdir();
        let folder = folder.map_err(|error| Failure::local(format!("no temporary folder: {}", reason(&error))))?;
        if let Some(mount) = self.host_mount.clone() {
            let known = folder.path().join("known_hosts");
            save(&known, &self.trusted_hosts(ctx, &mount).await?)?;
            self.session.known_hosts = Some(known);
            self.session.strict = "yes".to_owned();
        }
        let certificate = folder.path().join("certificate.pub");
        save(&certificate, signed)?;
        let options = vec![
            "-i".to_owned(),
            pair.private.display().to_string(),
            "-o".to_owned(),
            format!("CertificateFile={}", quoted(&certificate)),
        ];
        self.session.run(options, None).await
    }

    /// The line of a file of known hosts that trusts the mount's authority.
    async fn trusted_hosts(&self, ctx: &mut Ctx, mount: &str) -> Result<String, Failure> {
        let request = Request::get(&format!("{mount}/config/ca"));
        let answer = ctx.expect("failed to get host signing key", request).await?;
        let key = answer["data"]["public_key"].as_str().filter(|text| !text.is_empty());
        let key = key.ok_or_else(|| Failure::remote(format!("{mount}/config/ca holds no public_key")))?;
        Ok(format!("@cert-authority {} {}\n", self.host_names, key.trim()))
    }

    /// Asks for a password of this host and user, types it where it can, and ends its lease.
    pub async fn with_password(self, ctx: &mut Ctx) -> Outcome {
        let ip = address(&self.target.host).await?;
        let request = Request::put(
            &format!("{}/creds/{}", self.mount, self.role),
            json!({ "username": self.user, "ip": ip.to_string() }),
        );
        let answer = ctx.expect("failed to generate credential: failed to get credentials", request).await?;
        if let Some(shown) = self.only_shown(ctx, &answer) {
            return shown;
        }
        let password = answer["data"]["key"].as_str().filter(|text| !text.is_empty());
        let password = Zeroizing::new(
            password
                .ok_or_else(|| Failure::remote("the server's answer holds no key: is the role of key_type otp?"))?
                .to_owned(),
        );
        let mut options = Vec::new();
        if let (None, Some(port)) = (&self.target.port, answer["data"]["port"].as_u64()) {
            options.extend(["-p".to_owned(), port.to_string()]);
        }
        let typed = sshpass(ctx);
        if typed.is_none() {
            ctx.warn("sshpass is not installed, which would type the password: type it yourself.");
            ctx.say(&format!("OTP for the session is: {}", password.as_str()));
        }
        let ended = self.session.run(options, typed.map(|program| (program, password))).await;
        let revoked = end_lease(ctx, answer["lease_id"].as_str().unwrap_or_default()).await;
        match (ended, revoked) {
            (Ok(0), Err(failure)) => Err(failure),
            (ended, Ok(())) => ended,
            (ended, Err(failure)) => {
                // What ssh ended with says more; the lease ends by itself.
                ctx.warn(&failure.message);
                ended
            }
        }
    }
}

fn about_extensions(failure: Failure) -> Failure {
    if !failure.message.contains("extensions") {
        return failure;
    }
    failure.hint(format!("allowed_extensions of the role has to hold {}, or *", EXTENSIONS.join(", ")))
}

async fn end_lease(ctx: &mut Ctx, lease: &str) -> Result<(), Failure> {
    if lease.is_empty() {
        return Ok(());
    }
    let request = Request::put(&format!("sys/leases/revoke/{lease}"), Value::Null);
    ctx.call("failed to revoke key", request).await.map(drop)
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::local(format!("failed to write {}: {}", path.display(), reason(&error))))
}

/// The program that types passwords, if there is one.
fn sshpass(ctx: &Ctx) -> Option<PathBuf> {
    let path = ctx.env.plain("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    path.split(':').map(|folder| Path::new(folder).join("sshpass")).find(|program| program.is_file())
}

/// The address of a host: passwords are bound to one. IPv4 first, as every resolver of the field answers.
async fn address(host: &str) -> Result<IpAddr, Failure> {
    if let Ok(ip) = host.parse() {
        return Ok(ip);
    }
    let failed = |why: &str| Failure::local(format!("Error resolving the ssh hostname {host:?}: {why}"));
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| failed(&reason(&error)))?;
    let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.first().copied().ok_or_else(|| failed("it has no address"))
}
