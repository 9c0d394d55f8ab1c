//! One entry of the catalog: look at it, add it, remove it.

use lessor_client::Request;
use serde_json::{Map, Value, json};

use super::kind;
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};
use crate::output::{data_rows, key_value, sorted};

const VERSION: Flag = flag("version", Kind::Text, "Version of the plugin, such as v1.0.0.");

pub static INFO: Command = Command {
    name: "plugin info",
    usage: "TYPE NAME",
    about: "Show a plugin of the catalog.",
    example: "lessor plugin info database postgresql-database-plugin",
    flags: &[VERSION, flag("field", Kind::Text, "Print only this field.")],
    run: |ctx, args| Box::pin(info(ctx, args)),
};

pub static REGISTER: Command = Command {
    name: "plugin register",
    usage: "TYPE NAME",
    about: "Add a plugin to the catalog. Its program must lie in the server's plugin directory.",
    example: "lessor plugin register -sha256=d3f0a8be02f6... -version=v1.0.0 secret my-plugin",
    flags: &[
        flag("args", Kind::List, "Arguments the program is started with, separated by commas."),
        flag("command", Kind::Text, "Program to start, the plugin's name when not given."),
        flag("env", Kind::List, "Environment variable as KEY=value, may be repeated."),
        flag("oci", Kind::Bool, "The server's configuration names the plugin's image."),
        flag("oci-image", Kind::Text, "Image to run instead of a program."),
        flag("runtime", Kind::Text, "Runtime of the image."),
        flag("sha256", Kind::Text, "Checksum of the program, in hexadecimal."),
        VERSION,
    ],
    run: |ctx, args| Box::pin(register(ctx, args)),
};

pub static DEREGISTER: Command = Command {
    name: "plugin deregister",
    usage: "TYPE NAME",
    about: "Remove a plugin from the catalog. What is mounted goes on.",
    example: "lessor plugin deregister -version=v1.0.0 secret my-plugin",
    flags: &[VERSION],
    run: |ctx, args| Box::pin(deregister(ctx, args)),
};

/// What is shown of an entry.
const FIELDS: [&str; 7] = ["args", "builtin", "command", "deprecation_status", "name", "sha256", "version"];

fn place(args: &Args) -> Result<(String, String), Failure> {
    arity(args, 2, 2)?;
    Ok((kind(&args.rest[0])?, args.rest[1].trim().to_owned()))
}

async fn info(ctx: &mut Ctx, args: &Args) -> Outcome {
    let (kind, name) = place(args)?;
    let mut request = Request::get(&format!("sys/plugins/catalog/{kind}/{name}"));
    if let Some(version) = args.text("version") {
        request = request.query("version", version);
    }
    let answer = ctx.expect(&format!("Error reading plugin named {name}"), request).await?;
    let data: Map<String, Value> = FIELDS.iter().map(|key| ((*key).to_owned(), answer["data"][*key].clone())).collect();
    let data = Value::Object(data);
    if let Some(field) = args.text("field") {
        return ctx.show_field(&json!({ "data": data }), field);
    }
    if ctx.is_table() {
        let mut rows = data_rows(&data);
        for (key, value) in &mut rows {
            if key == "args" && value == "<nil>" {
                *value = "[]".to_owned();
            }
        }
        ctx.say(&key_value(&rows));
    } else {
        let data = sorted(&data);
        ctx.show_value(&data);
    }
    Ok(0)
}

async fn register(ctx: &mut Ctx, args: &Args) -> Outcome {
    if args.text("sha256").is_none() && !args.is("oci") && args.text("oci-image").is_none() {
        return Err(Failure::local("SHA256 is required for all plugins, please provide -sha256"));
    }
    let (kind, name) = place(args)?;
    let mut body = Map::new();
    body.insert("sha256".into(), json!(args.text("sha256").unwrap_or_default()));
    body.insert("command".into(), json!(args.text("command").unwrap_or(&name)));
    body.insert("args".into(), json!(args.comma_list("args")));
    body.insert("version".into(), json!(args.text("version").unwrap_or_default()));
    for (flag, key) in [("oci-image", "oci_image"), ("runtime", "runtime")] {
        if let Some(value) = args.text(flag) {
            body.insert(key.into(), json!(value));
        }
    }
    if args.is("oci") {
        body.insert("oci".into(), json!(true));
    }
    if args.has("env") {
        body.insert("env".into(), json!(args.list("env")));
    }
    let request = Request::put(&format!("sys/plugins/catalog/{kind}/{name}"), Value::Object(body));
    if let Some(answer) = ctx.call(&format!("Error registering plugin {name}"), request).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Registered plugin: {name}"));
    Ok(0)
}

async fn deregister(ctx: &mut Ctx, args: &Args) -> Outcome {
    let (kind, name) = place(args)?;
    let request = Request::delete(&format!("sys/plugins/catalog/{kind}/{name}"))
        .query("version", args.text("version").unwrap_or_default());
    ctx.call(&format!("Error deregistering plugin named {name}"), request).await?;
    ctx.say(&format!("Success! Deregistered plugin (if it was registered): {name}"));
    Ok(0)
}
