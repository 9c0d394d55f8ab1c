use lessor_client::Request;

use crate::command::{Command, Outcome, arity, clean};
use crate::commands::login::{METHODS, Method};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "auth help",
    usage: "TYPE | PATH",
    about: "Show how to log in with an auth method, named by its type or by where it is mounted.",
    example: "lessor auth help userpass",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let given = clean(&args.rest[0]);
    let kind = if given == "token" || METHODS.iter().any(|method| method.name == given) {
        given.clone()
    } else {
        let answer = ctx.expect("Error listing auth methods", Request::get("sys/auth")).await?;
        let mounted = mounts::entries(&answer).into_iter().find(|(path, _)| clean(path) == given);
        match mounted.and_then(|(_, mount)| mount["type"].as_str().map(str::to_owned)) {
            Some(kind) => kind,
            None => {
                let text = format!("No auth method available on the server at \"{given}/\"");
                return Err(Failure::local(text).hint("\"lessor auth list\" shows what is mounted where"));
            }
        }
    };
    if kind == "token" {
        ctx.say(TOKEN);
        return Ok(0);
    }
    let Some(method) = METHODS.iter().find(|method| method.name == kind) else {
        return Err(Failure::local(format!("No method-specific CLI handler available for auth method \"{kind}\""))
            .hint(format!("\"lessor path-help auth/{given}/login\" shows what its login takes")));
    };
    let text = text(method);
    ctx.say(&text);
    Ok(0)
}

const TOKEN: &str = "Usage: lessor login TOKEN [CONFIG K=V...]

  Check a token and store it. It comes from \"lessor token create\" or from whoever hands out tokens.

      $ lessor login hvs.CAESI...

Configuration:

  token=<string>
      The token; - reads it from stdin, and without one it is asked for.

  lookup=<bool>
      false stores the token without looking it up.";

fn text(method: &Method) -> String {
    let Method { name, about, example, keys, .. } = method;
    let keys: Vec<String> = keys.iter().map(|(key, help)| format!("  {key}=<string>\n      {help}")).collect();
    format!(
        "Usage: lessor login -method={name} [CONFIG K=V...]\n\n  {about}\n\n      $ {example}\n\nConfiguration:\n\n{}",
        keys.join("\n\n")
    )
}
