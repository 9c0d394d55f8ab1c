//! `ssh`: logs in to a host with a certificate or a one-time password that an ssh mount makes for this login alone.
mod keys;
mod line;
mod login;
mod session;

use crate::command::{Command, Outcome};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, REST, flag};
use login::Login;

static FLAGS: &[Flag] = &[
    flag("mode", Kind::Text, "What is asked of the mount: ca (a certificate) or otp (a one-time password)."),
    flag("role", Kind::Text, "The role of the mount that allows it."),
    flag("mount-point", Kind::Text, "Path of the ssh mount; ssh/ if left out."),
    flag("no-exec", Kind::Bool, "Print what the mount made instead of logging in."),
    flag("field", Kind::Text, "With -no-exec, print only this field."),
    flag(
        "public-key-path",
        Kind::Text,
        "ca: the public key to sign. Left out: id_ed25519, id_ecdsa or id_rsa in ~/.ssh.",
    ),
    flag("private-key-path", Kind::Text, "ca: the private key that belongs to it."),
    flag("valid-principals", Kind::Text, "ca: names the certificate is for, by commas; the user if left out."),
    flag(
        "host-key-mount-point",
        Kind::Text,
        "ca: the mount that signed the host's key; only such a key is then trusted (VAULT_SSH_HOST_KEY_MOUNT_POINT).",
    ),
    flag(
        "host-key-hostnames",
        Kind::Text,
        "ca: hosts that mount is trusted for, by commas; * if left out (VAULT_SSH_HOST_KEY_HOSTNAMES).",
    ),
    flag(
        "strict-host-key-checking",
        Kind::Text,
        "ssh's StrictHostKeyChecking; ask if left out (VAULT_SSH_STRICT_HOST_KEY_CHECKING).",
    ),
    flag("user-known-hosts-file", Kind::Text, "ssh's UserKnownHostsFile (VAULT_SSH_USER_KNOWN_HOSTS_FILE)."),
    flag("ssh-executable", Kind::Text, "The ssh program; ssh if left out (VAULT_SSH_EXECUTABLE)."),
    REST,
];

pub static COMMAND: Command = Command {
    name: "ssh",
    usage: "USER@HOST [ssh options] [command]",
    about: "Log in to a host with a certificate or a one-time password of an ssh mount. What follows USER@HOST is ssh's own; its exit code is passed on.",
    example: "lessor ssh -mode=ca -role=ops deploy@web1.acme.internal",
    flags: FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let mode = args.text("mode").unwrap_or_default().to_lowercase();
    let pair = if mode == "ca" { Some(keys::find(ctx, args).map_err(Failure::local)?) } else { None };
    if args.rest.is_empty() {
        return Err(Failure::local("Not enough arguments, (expected 1-n, got 0)"));
    }
    let target = line::parse(&args.rest).map_err(Failure::local)?;
    let user = match &target.user {
        Some(user) => user.clone(),
        None => own_name(ctx).await?,
    };
    let Some(role) = args.text("role").filter(|role| !role.is_empty()) else {
        return Err(Failure::local("No -role specified: name the role that may be used for this login"));
    };
    let login = Login::new(ctx, args, role, user, target);
    match (mode.as_str(), pair) {
        ("ca", Some(pair)) => login.with_certificate(ctx, &pair).await,
        ("otp", _) => login.with_password(ctx).await,
        ("dynamic", _) => {
            Err(Failure::local("Unsupported SSH mode: dynamic keys are gone from the field's servers; use ca or otp"))
        }
        ("", _) => Err(Failure::local("No -mode specified: use -mode=ca or -mode=otp")),
        (other, _) => Err(Failure::local(format!("Unknown SSH mode: {other}"))),
    }
}

/// Whom ssh would log in as where the line names nobody.
async fn own_name(ctx: &Ctx) -> Result<String, Failure> {
    if let Some(name) = ctx.env.plain("USER").or_else(|| ctx.env.plain("LOGNAME")) {
        return Ok(name.to_owned());
    }
    let said =
        tokio::process::Command::new("id").arg("-un").output().await.ok().filter(|output| output.status.success());
    let name = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    name.filter(|name| !name.is_empty()).ok_or_else(|| Failure::local("your user name is unknown: write USER@HOST"))
}
