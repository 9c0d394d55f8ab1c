//! Configuration files: whether they can be read, and whether a server could start with them here.

use std::path::{Path, PathBuf};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};
use crate::server_args::ConfigReport;

const CONFIG: Flag =
    flag("config", Kind::List, "Configuration file or directory, may be repeated (VAULT_CONFIG_PATH).");

pub static VALIDATE: Command = Command {
    name: "operator validate-config",
    usage: "",
    about: "Check configuration files, on any machine. Exit code 0: fine, 1: broken, 2: something in them has no effect.",
    example: "lessor operator validate-config -config=/etc/lessor/lessor.hcl",
    flags: &[CONFIG],
    run: |ctx, args| Box::pin(async move { validate(ctx, args) }),
};

pub static DIAGNOSE: Command = Command {
    name: "operator diagnose",
    usage: "",
    about: "Check whether a server could start here: configuration, storage, listeners. Exit code 0: fine, 1: it could not, 2: something is doubtful.",
    example: "lessor operator diagnose -config=/etc/lessor/lessor.hcl",
    flags: &[
        CONFIG,
        flag(
            "skip",
            Kind::List,
            "listener or storage, to leave that check out while the server runs; may be repeated.",
        ),
        flag("debug", Kind::Bool, "Accepted for the sake of existing scripts: everything is shown anyway."),
    ],
    run: |ctx, args| Box::pin(async move { diagnose(ctx, args) }),
};

/// How a check ended, worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Success,
    Skipped,
    Warning,
    Failure,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }

    fn code(self) -> i32 {
        match self {
            Self::Success | Self::Skipped => 0,
            Self::Warning => 2,
            Self::Failure => 1,
        }
    }
}

type Check = (Mark, String);

fn report(ctx: &Ctx, args: &Args) -> Result<Result<ConfigReport, String>, Failure> {
    arity(args, 0, 0)?;
    let mut paths: Vec<PathBuf> = args.list("config").iter().map(PathBuf::from).collect();
    if paths.is_empty() {
        paths.extend(ctx.env.get("CONFIG_PATH").map(PathBuf::from));
    }
    if paths.is_empty() {
        // The field's tools tell this mistake apart from a broken file by its own code.
        return Err(Failure { code: 3, ..Failure::local("Must specify a configuration file using -config.") });
    }
    Ok((ctx.builtins.check_config)(&paths))
}

fn show(ctx: &mut Ctx, checks: &[Check]) -> Outcome {
    for (mark, text) in checks {
        ctx.say(&format!("[ {} ] {text}", mark.name()));
    }
    Ok(checks.iter().map(|(mark, _)| *mark).max().unwrap_or(Mark::Success).code())
}

fn parsed(report: &Result<ConfigReport, String>, title: &str) -> Vec<Check> {
    match report {
        Err(why) => vec![(Mark::Failure, format!("{title}: Could not parse configuration: {why}"))],
        Ok(report) if report.warnings.is_empty() => vec![(Mark::Success, title.to_owned())],
        Ok(report) => report.warnings.iter().map(|text| (Mark::Warning, format!("{title}: {text}"))).collect(),
    }
}

fn validate(ctx: &mut Ctx, args: &Args) -> Outcome {
    let report = report(ctx, args)?;
    let checks = parsed(&report, "Validate Config");
    show(ctx, &checks)
}

fn diagnose(ctx: &mut Ctx, args: &Args) -> Outcome {
    let report = report(ctx, args)?;
    let mut checks = parsed(&report, "Parse Configuration");
    if let Ok(report) = &report {
        let skip = args.comma_list("skip");
        let skipped = |what: &str| skip.iter().any(|name| name == what);
        checks.push(match &report.storage {
            _ if skipped("storage") => (Mark::Skipped, "Check Storage".to_owned()),
            Some(path) => storage(path),
            None => (Mark::Skipped, "Check Storage: nothing on disk is configured".to_owned()),
        });
        for (address, tls) in &report.listeners {
            if skipped("listener") {
                checks.push((Mark::Skipped, format!("Check Listener {address}")));
            } else {
                checks.push(listener(address));
            }
            checks.push(certificate(address, tls.as_ref()));
        }
        if report.listeners.is_empty() {
            checks.push((Mark::Failure, "Check Listeners: no listener is configured".to_owned()));
        }
    }
    show(ctx, &checks)
}

/// Whether files can be made where the storage lies, or will lie.
fn storage(path: &Path) -> Check {
    let existing = path.ancestors().find(|part| part.is_dir()).unwrap_or(Path::new("/"));
    let probe = existing.join(format!(".lessor-diagnose-{:08x}", rand::random::<u32>()));
    match std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => (Mark::Success, format!("Check Storage: {} can be written", path.display())),
        Err(error) => (Mark::Failure, format!("Check Storage: {}: {error}", existing.display())),
    }
}

fn listener(address: &str) -> Check {
    match std::net::TcpListener::bind(address) {
        Ok(_) => (Mark::Success, format!("Check Listener {address}")),
        Err(error) => (Mark::Failure, format!("Check Listener {address}: {error}")),
    }
}

fn certificate(address: &str, tls: Option<&(PathBuf, PathBuf)>) -> Check {
    let title = format!("Check Listener TLS {address}");
    let Some((chain, key)) = tls else {
        return (Mark::Warning, format!("{title}: TLS is disabled in a listener config stanza"));
    };
    for (path, label) in [(chain, "CERTIFICATE"), (key, "PRIVATE KEY")] {
        match std::fs::read_to_string(path) {
            Ok(text) if text.contains(&format!("{label}-----")) => {}
            Ok(_) => return (Mark::Failure, format!("{title}: {} holds no {}", path.display(), label.to_lowercase())),
            Err(error) => return (Mark::Failure, format!("{title}: {}: {error}", path.display())),
        }
    }
    (Mark::Success, title)
}
