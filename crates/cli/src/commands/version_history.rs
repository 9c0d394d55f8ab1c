use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::spaced;

pub static COMMAND: Command = Command {
    name: "version-history",
    usage: "",
    about: "Show which versions of the server wrote its storage, and since when.",
    example: "lessor version-history",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error reading version history", Request::list("sys/version-history")).await?;
    ctx.warn(
        "\nNote:\nUse of this command requires a server running Vault 1.10.0 or greater.\n\
         Version tracking was added in 1.9.0. Earlier versions have not been tracked.\n",
    );
    if !ctx.is_table() {
        ctx.show_secret(&answer);
        return Ok(0);
    }
    let info = &answer["data"]["key_info"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // Each server knows one of the two dates of its program.
    let committed =
        info.as_object().into_iter().flatten().any(|(_, version)| !text(&version["commit_date"]).is_empty());
    let (title, key) = if committed { ("Commit Date", "commit_date") } else { ("Build Date", "build_date") };
    let row = |name: &Value| {
        let version = &info[name.as_str().unwrap_or_default()];
        vec![text(name), text(&version["timestamp_installed"]), text(&version[key])]
    };
    let rows: Vec<Vec<String>> = answer["data"]["keys"].as_array().into_iter().flatten().map(row).collect();
    ctx.say(&spaced(&["Version", "Installation Time", title], &rows, "  "));
    Ok(0)
}
