use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::key_value;

pub static COMMAND: Command = Command {
    name: "operator raft join",
    usage: "[LEADER_ADDRESS | AUTO_JOIN]",
    about: "Make the server a node of a cluster, named by the API address of its leader or by a discovery string.",
    example: "lessor operator raft join https://node1.example:8200",
    flags: &[
        flag("auto-join-scheme", Kind::Text, "Scheme of discovered addresses, https when not given."),
        flag("auto-join-port", Kind::Number, "Port of discovered addresses, 8200 when not given."),
        flag("leader-ca-cert", Kind::Text, "CA certificate of the leader as PEM text, or @file."),
        flag("leader-client-cert", Kind::Text, "Client certificate for the leader as PEM text, or @file."),
        flag("leader-client-key", Kind::Text, "Key of that certificate as PEM text, or @file."),
        flag("leader-tls-servername", Kind::Text, "Name to check in the leader's certificate."),
        flag("non-voter", Kind::Bool, "Join without a vote."),
        flag("retry", Kind::Bool, "Go on trying until it works."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

fn pem(args: &Args, flag: &str) -> Result<String, Failure> {
    let given = args.text(flag).unwrap_or_default();
    match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::local(format!("-{flag}: open {path}: {}", reason(&error)))),
        None => Ok(given.to_owned()),
    }
}

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let target = args.rest.first().map(|target| target.trim()).unwrap_or_default();
    // A discovery string is a list of words such as "provider=aws ...", an address never has one.
    let discovery = target.split_whitespace().any(|word| word.starts_with("provider="));
    let mut body: Map<String, Value> = Map::new();
    let (address, auto) = if discovery { ("", target) } else { (target, "") };
    body.insert("leader_api_addr".into(), json!(address));
    body.insert("auto_join".into(), json!(auto));
    body.insert("auto_join_scheme".into(), json!(args.text("auto-join-scheme").unwrap_or("https")));
    body.insert("auto_join_port".into(), json!(args.number("auto-join-port").unwrap_or(8200)));
    for flag in ["leader-ca-cert", "leader-client-cert", "leader-client-key"] {
        body.insert(flag.replace('-', "_"), json!(pem(args, flag)?));
    }
    if let Some(name) = args.text("leader-tls-servername") {
        body.insert("leader_tls_servername".into(), json!(name));
    }
    body.insert("retry".into(), json!(args.is("retry")));
    body.insert("non_voter".into(), json!(args.is("non-voter")));
    let request = Request::post("sys/storage/raft/join", Value::Object(body));
    let answer = ctx.expect("Error joining the node to the Raft cluster", request).await?;
    if !ctx.is_table() {
        ctx.show_value(&answer);
        return Ok(0);
    }
    ctx.say(&key_value(&[("Joined".to_owned(), (answer["joined"] == true).to_string())]));
    Ok(0)
}
