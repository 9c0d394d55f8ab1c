//! `debug`: what a person who looks into trouble wants to know, gathered for some time and packed.

mod bundle;
mod targets;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::duration;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use bundle::Bundle;
use targets::{TARGETS, Target};

pub static COMMAND: Command = Command {
    name: "debug",
    usage: "",
    about: "Gather the server's state for some time and pack it. What the token may not read is left out and noted.",
    example: "lessor debug -duration=1m -target=metrics -target=server-status",
    flags: &[
        flag("duration", Kind::Duration, "How long to gather, 2m when not given."),
        flag("interval", Kind::Duration, "Pause between two looks at the state, 30s when not given."),
        flag("metrics-interval", Kind::Duration, "Pause between two looks at the metrics, 10s when not given."),
        flag("log-format", Kind::Text, "standard or json, of the log that is gathered; standard when not given."),
        flag(
            "target",
            Kind::List,
            "config, host, log, metrics, pprof, replication-status or server-status; may be repeated, all when not given.",
        ),
        flag("output", Kind::Text, "Directory or archive to write, lessor-debug-<time> when not given."),
        flag("compress", Kind::Bool, "Pack everything as .tar.gz, true when not given."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

/// What is gathered, for how long, and where it goes.
struct Plan {
    duration: Duration,
    interval: Duration,
    metrics_interval: Duration,
    log_format: String,
    targets: Vec<&'static Target>,
    output: PathBuf,
    compress: bool,
}

fn plan(args: &Args) -> Result<Plan, Failure> {
    let time = |flag: &str, seconds| args.duration(flag).unwrap_or(Duration::from_secs(seconds));
    let (duration, interval, metrics_interval) =
        (time("duration", 120), time("interval", 30), time("metrics-interval", 10));
    if interval.is_zero() || metrics_interval.is_zero() {
        return Err(Failure::local("Error during validation: intervals must be longer than zero"));
    }
    let wanted = args.comma_list("target");
    let mut targets = Vec::new();
    for name in &wanted {
        let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
            let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            return Err(Failure::local(format!(
                "Error during validation: unknown target {name:?}, known are: {}",
                known.join(", ")
            )));
        };
        targets.push(target);
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    let compress = args.boolean("compress").unwrap_or(true);
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let name = args.text("output").map_or_else(|| format!("lessor-debug-{seconds}"), str::to_owned);
    let output = if compress && !name.ends_with(".tar.gz") { format!("{name}.tar.gz") } else { name };
    Ok(Plan {
        duration: duration.max(interval),
        interval,
        metrics_interval,
        log_format: args.text("log-format").unwrap_or("standard").to_owned(),
        targets,
        output: PathBuf::from(output),
        compress,
    })
}

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let plan = plan(args)?;
    if plan.output.exists() {
        return Err(Failure::local(format!("output path already exists: {}", plan.output.display())));
    }
    let names: Vec<&str> = plan.targets.iter().map(|target| target.name).collect();
    let address = ctx.config().address.clone();
    ctx.say(&format!(
        "==> Starting debug capture...\n         Server Address: {address}\n               Duration: {}\n               Interval: {}\n       Metrics Interval: {}\n                Targets: {}\n                 Output: {}\n",
        duration::full(plan.duration),
        duration::full(plan.interval),
        duration::full(plan.metrics_interval),
        names.join(", "),
        plan.output.display()
    ));
    let mut bundle = Bundle::default();
    gather(ctx, &plan, &mut bundle).await?;
    let index = bundle.index(&address, &names, plan.duration, plan.interval, plan.metrics_interval);
    bundle.add("index.json", index.into_bytes());
    let written = if plan.compress { bundle.archive(&plan.output) } else { bundle.directory(&plan.output) };
    written.map_err(|why| Failure::local(format!("Error writing {}: {why}", plan.output.display())))?;
    for problem in bundle.problems() {
        ctx.warn(&format!("not captured: {problem}"));
    }
    ctx.say(&format!("Success! Bundle written to: {}", plan.output.display()));
    Ok(0)
}

/// Looks at each target once at the start and then at its pace, and follows the log meanwhile.
async fn gather(ctx: &mut Ctx, plan: &Plan, bundle: &mut Bundle) -> Result<(), Failure> {
    let start = Instant::now();
    let end = start + plan.duration;
    let wants_log = plan.targets.iter().any(|target| target.name == "log");
    let mut log = if wants_log { targets::open_log(ctx, &plan.log_format, bundle).await? } else { None };
    let pace = |target: &Target| if target.name == "metrics" { plan.metrics_interval } else { plan.interval };
    let mut due: Vec<(Instant, &'static Target)> =
        plan.targets.iter().filter(|target| !target.paths.is_empty()).map(|target| (start, *target)).collect();
    loop {
        let next = due.iter().map(|(at, _)| *at).min().unwrap_or(end).min(end);
        tokio::select! {
            () = sleep_until(next) => {}
            piece = targets::next_piece(&mut log) => match piece {
                Some(bytes) => {
                    bundle.append("lessor.log", &bytes);
                    continue;
                }
                None => {
                    log = None;
                    continue;
                }
            },
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let now = Instant::now();
        for (at, target) in &mut due {
            if *at <= now {
                targets::look(ctx, target, bundle).await?;
                *at = now + pace(target);
            }
        }
        if now >= end {
            return Ok(());
        }
    }
}
