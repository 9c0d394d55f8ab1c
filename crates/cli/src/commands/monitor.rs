use lessor_client::Request;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "monitor",
    usage: "",
    about: "Show the server's log as it is written, until interrupted.",
    example: "lessor monitor -log-level=debug",
    flags: &[
        flag("log-level", Kind::Text, "trace, debug, info, warn or error; info when not given."),
        flag("log-format", Kind::Text, "standard or json; standard when not given."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let level = args.text("log-level").unwrap_or("info").trim().to_lowercase();
    if !LEVELS.contains(&level.as_str()) {
        let known = LEVELS.join(" ");
        return Err(Failure::local(format!("{level} is an unknown log level. Valid log levels are: [{known}]")));
    }
    let format = args.text("log-format").unwrap_or("standard").trim().to_lowercase();
    if !matches!(format.as_str(), "standard" | "json") {
        return Err(Failure::local(format!("{format} is an unknown log format. Valid formats are: [standard json]")));
    }
    let request = Request::get("sys/monitor").query("log_level", &level).query("log_format", &format);
    let mut stream = match ctx.open(request).await? {
        Ok(stream) => stream,
        Err(error) => return Err(ctx.failure("Error starting monitor", &error).await),
    };
    loop {
        let piece = tokio::select! {
            piece = stream.chunk() => piece,
            // Whoever has seen enough ends it; that is no failure.
            _ = tokio::signal::ctrl_c() => return Ok(0),
        };
        match piece {
            Ok(Some(bytes)) => ctx.io.raw(&bytes),
            Ok(None) => return Ok(0),
            Err(error) => return Err(Failure::remote(format!("Error reading from monitor: {error}"))),
        }
    }
}
