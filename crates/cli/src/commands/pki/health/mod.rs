//! `pki health-check`: what is wrong, or could be better, with a mount. Each check is a function over what the server
//! tells ([`server`]); parameters are declared as data ([`config`]).
mod acme;
mod authorities;
mod config;
mod leaves;
mod roles;
mod server;
mod tidy;
mod tune;

use std::pin::Pin;

use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::columns;
use config::{Parameter, Settings};
use server::Server;

pub static COMMAND: Command = Command {
    name: "pki health-check",
    usage: "MOUNT",
    about: "Judge the health of a pki mount. The exit code is that of the worst finding: 0 none, 2 informational, 3 warning, 4 critical, 5 not offered by this server, 6 not permitted; 1 is a fault of the line.",
    example: "lessor pki health-check -return-indicator=critical pki_int",
    flags: &[
        flag("health-config", Kind::Text, "JSON file with parameters of the checks; -list shows those there are."),
        flag(
            "return-indicator",
            Kind::Text,
            "The mildest finding that makes the exit code other than 0: informational (if left out), warning, critical, or permission.",
        ),
        flag("default-disabled", Kind::Bool, "Run only the checks that the file enables."),
        flag("list", Kind::Bool, "Show the checks with their parameters, and run none."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

/// How bad it is; the number is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    NotApplicable = 0,
    Ok = 1,
    Informational = 2,
    Warning = 3,
    Critical = 4,
    InvalidVersion = 5,
    InsufficientPermissions = 6,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::NotApplicable => "not_applicable",
            Self::Ok => "ok",
            Self::Informational => "informational",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::InvalidVersion => "invalid_version",
            Self::InsufficientPermissions => "insufficient_permissions",
        }
    }
}

/// One thing a check says.
pub struct Finding {
    status: Status,
    endpoint: String,
    message: String,
}

impl Finding {
    fn new(status: Status, endpoint: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, endpoint: endpoint.into(), message: message.into() }
    }

    /// The token may not look at what a check needs.
    fn forbidden(endpoint: impl Into<String>) -> Self {
        let message = "The token may not read this; without it the check cannot say more.";
        Self::new(Status::InsufficientPermissions, endpoint, message)
    }

    /// The server does not know the endpoint.
    fn unknown(endpoint: impl Into<String>) -> Self {
        Self::new(Status::InvalidVersion, endpoint, "This server does not offer the endpoint that the check looks at.")
    }

    fn json(&self) -> Value {
        json!({
            "endpoint": self.endpoint, "message": self.message, "status": self.status.name(),
            "status_code": self.status as i32,
        })
    }
}

type Findings = Result<Vec<Finding>, Failure>;
type Judging<'a> = Pin<Box<dyn Future<Output = Findings> + 'a>>;

/// One check.
struct Check {
    name: &'static str,
    /// Whether it runs unless the configuration disables it.
    enabled: bool,
    parameters: &'static [Parameter],
    judge: for<'a> fn(&'a mut Server<'_>, &'a Settings) -> Judging<'a>,
}

/// In the order they are run and shown.
static CHECKS: [&Check; 14] = [
    &authorities::VALIDITY,
    &authorities::LISTS,
    &authorities::HARDWARE,
    &leaves::OF_ROOTS,
    &roles::LOCALHOST,
    &roles::GLOBS,
    &roles::STORED,
    &tune::AUDIT,
    &tune::MODIFIED_SINCE,
    &tidy::ENABLED,
    &tidy::LAST_RUN,
    &leaves::COUNT,
    &acme::ENABLED,
    &acme::HEADERS,
];

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    if args.is("list") {
        return list(ctx);
    }
    let mount = match args.rest.as_slice() {
        [mount] => clean(mount),
        [] => return Err(Failure::local("Not enough arguments (expected mount path, got nothing)")),
        many => {
            let text = format!("Too many arguments (expected only mount path, got {} arguments)", many.len());
            return Err(Failure::local(text));
        }
    };
    let cut_off = match args.text("return-indicator").unwrap_or_default() {
        "" | "default" | "informational" => Status::Informational,
        "warning" => Status::Warning,
        "critical" => Status::Critical,
        "permission" => Status::InvalidVersion,
        other => {
            let known = "default, informational, warning, critical and permission";
            return Err(Failure::local(format!("invalid value {other:?} for flag -return-indicator: use {known}")));
        }
    };
    let file = args.text("health-config").filter(|path| !path.is_empty());
    let file = file.map(read_config).transpose().map_err(Failure::local)?.unwrap_or_default();
    let mut chosen = Vec::new();
    for check in CHECKS {
        let usually = check.enabled && !args.is("default-disabled");
        let settings = Settings::new(check.name, check.parameters, usually, file.get(check.name))
            .map_err(|why| Failure::local(format!("Failed to build health check configuration: {why}")))?;
        if settings.enabled {
            chosen.push((check, settings));
        }
    }
    let unknown = file.keys().filter(|name| CHECKS.iter().all(|check| check.name != name.as_str()));
    for name in unknown {
        ctx.warn(&format!("The configuration names a check that is not known here: {name}"));
    }
    let mut server = Server::of(ctx, mount).await?;
    let mut results = Vec::new();
    for (check, settings) in &chosen {
        let found = (check.judge)(&mut server, settings).await;
        let failed = |failure: Failure| Failure {
            code: 1,
            message: format!("Failed to run health check {}: {}", check.name, failure.message),
            hint: failure.hint,
        };
        results.push((check.name, found.map_err(failed)?));
    }
    show(ctx, &results);
    let worst = results.iter().flat_map(|(_, found)| found).map(|finding| finding.status).max();
    Ok(worst.filter(|worst| *worst >= cut_off).map_or(0, |worst| worst as i32))
}

fn read_config(path: &str) -> Result<Map<String, Value>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("Failed to read configuration file {path}: {}", reason(&error)))?;
    serde_json::from_str(&text).map_err(|error| format!("Failed to parse configuration file {path}: {error}"))
}

fn list(ctx: &mut Ctx) -> Outcome {
    let all: Map<String, Value> = CHECKS.iter().map(|check| (check.name.to_owned(), config::usual(check))).collect();
    if ctx.is_table() {
        ctx.say("Default health check config:");
        let text = crate::output::json_text(&crate::output::sorted(&Value::Object(all)));
        ctx.say(&text);
    } else {
        ctx.show_value(&crate::output::sorted(&Value::Object(all)));
    }
    Ok(0)
}

fn show(ctx: &mut Ctx, results: &[(&str, Vec<Finding>)]) {
    if !ctx.is_table() {
        let list = |found: &[Finding]| Value::Array(found.iter().map(Finding::json).collect());
        let all: Map<String, Value> = results.iter().map(|(name, found)| ((*name).to_owned(), list(found))).collect();
        ctx.show_value(&crate::output::sorted(&Value::Object(all)));
        return;
    }
    for (name, found) in results {
        ctx.say(&format!("{name}\n{}", "-".repeat(name.len())));
        let rows: Vec<Vec<String>> =
            found.iter().map(|f| vec![f.status.name().to_owned(), f.endpoint.clone(), f.message.clone()]).collect();
        ctx.say(&columns(&["status", "endpoint", "message"], &rows));
        ctx.say("\n");
    }
}
