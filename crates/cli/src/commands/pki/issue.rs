//! `pki issue`: an intermediate authority in one command: its request, its signature by the parent, its import.
use lessor_client::{Method, Request};
use serde_json::{Map, Value, json};

use super::authority;
use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};

pub static FLAGS: &[Flag] = &[
    flag(
        "type",
        Kind::Text,
        "Where the key comes from: internal (made), existing (key_ref) or kms; internal if left out.",
    ),
    flag("issuer_name", Kind::Text, "Name of the new issuer."),
];

pub static COMMAND: Command = Command {
    name: "pki issue",
    usage: "PARENT CHILD_MOUNT key=value ...",
    about: "Make an intermediate authority in CHILD_MOUNT that the issuer PARENT signs. Data is what intermediate/generate and sign-intermediate take.",
    example: "lessor pki issue -issuer_name=int1 pki_root/issuer/default pki_int common_name=\"Issuing 1\" ttl=43800h",
    flags: FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let [parent, mount, words @ ..] = args.rest.as_slice() else { return Err(too_few()) };
    if words.is_empty() {
        return Err(too_few());
    }
    let data = ctx.parse_data(words)?;
    issue(ctx, args, &clean(parent), &clean(mount), data).await
}

fn too_few() -> Failure {
    Failure::local("Not enough arguments: PARENT, CHILD_MOUNT and some key=value are needed")
}

/// What exists already when a later step fails, for whoever has to go on or clean up.
#[derive(Default)]
struct Made {
    key_id: String,
    serial: String,
    chain: String,
}

impl Made {
    fn told(&self, parent: &str, mount: &str) -> String {
        let mut steps = Vec::new();
        if !self.key_id.is_empty() {
            let key = &self.key_id;
            steps.push(format!("{mount} has a new key {key}: lessor delete {mount}/key/{key} removes it"));
        }
        if !self.serial.is_empty() {
            let (root, serial) = (parent.split("/issuer/").next().unwrap_or(parent), &self.serial);
            steps.push(format!(
                "{root} signed certificate {serial}: lessor write {root}/revoke serial_number={serial} revokes it"
            ));
            steps.push(format!(
                "to go on, import it with lessor write {mount}/issuers/import/cert pem_bundle=@chain.pem, chain.pem being\n{}",
                self.chain
            ));
        }
        steps.join("\n")
    }
}

/// Runs every step; what is left behind by a failure is told with it.
pub async fn issue(ctx: &mut Ctx, args: &Args, parent: &str, mount: &str, data: Map<String, Value>) -> Outcome {
    if !parent.contains("/issuer/") {
        return Err(Failure::local(format!("PARENT is no issuer: {parent}")).hint("write MOUNT/issuer/NAME"));
    }
    authority::read(ctx, &format!("Unable to access parent issuer {parent}"), parent).await?;
    let mut made = Made::default();
    match steps(ctx, args, parent, mount, data, &mut made).await {
        Ok(id) => {
            let path = format!("{mount}/issuer/{id}");
            let what = format!("Error reading the new issuer at {path}");
            let answer = ctx.expect(&what, Request::get(&path)).await.map_err(authority::local)?;
            ctx.show_secret(&answer);
            Ok(0)
        }
        Err(failure) => {
            let left = made.told(parent, mount);
            let message = if left.is_empty() { failure.message } else { format!("{}\n\n{left}", failure.message) };
            Err(Failure { code: 1, message, hint: failure.hint })
        }
    }
}

async fn steps(
    ctx: &mut Ctx,
    args: &Args,
    parent: &str,
    mount: &str,
    mut data: Map<String, Value>,
    made: &mut Made,
) -> Result<String, Failure> {
    let kind = args.text("type").filter(|kind| !kind.is_empty()).unwrap_or("internal");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();

    let request = Request::put(&format!("{mount}/intermediate/generate/{kind}"), Value::Object(data.clone()));
    let answer = ctx.expect(&format!("Failed to generate the request on {mount}"), request).await?;
    let csr = text(&answer["data"]["csr"]);
    if csr.is_empty() {
        return Err(Failure::local(format!("{mount} made no request: is it a pki mount?")));
    }
    if kind == "internal" {
        made.key_id = text(&answer["data"]["key_id"]);
    }

    data.insert("csr".to_owned(), json!(csr));
    let request = Request::put(&format!("{parent}/sign-intermediate"), Value::Object(data));
    let signed = ctx.expect(&format!("Error signing the intermediate by {parent}"), request).await?;
    let signed = &signed["data"];
    made.serial = text(&signed["serial_number"]);
    let chain: Vec<String> = signed["ca_chain"].as_array().into_iter().flatten().map(text).collect();
    made.chain = format!("{}\n", chain.join("\n"));

    let id = import(ctx, mount, &text(&signed["certificate"])).await?;
    if let Some(name) = args.text("issuer_name").filter(|name| !name.is_empty()) {
        rename(ctx, mount, &id, name).await?;
    }
    let authority = import(ctx, mount, &text(&signed["issuing_ca"])).await?;
    let parents_name = parent.rsplit('/').next().unwrap_or_default();
    if let Err(failure) = rename(ctx, mount, &authority, parents_name).await {
        // Its certificate is there; only how it is called is not as at home.
        ctx.warn(&failure.message);
    }
    if chain.len() > 2 {
        let bundle = json!({ "pem_bundle": made.chain });
        let request = Request::put(&format!("{mount}/issuers/import/cert"), bundle);
        ctx.expect(&format!("Error importing the chain into {mount}"), request).await?;
    }
    Ok(id)
}

/// Imports one certificate and returns its issuer's id.
async fn import(ctx: &mut Ctx, mount: &str, certificate: &str) -> Result<String, Failure> {
    let what = format!("Error importing a certificate into {mount}");
    let request = Request::put(&format!("{mount}/issuers/import/cert"), json!({ "pem_bundle": certificate }));
    let answer = ctx.expect(&what, request).await?;
    let ids: Vec<&String> = answer["data"]["mapping"].as_object().into_iter().flatten().map(|(id, _)| id).collect();
    match ids.as_slice() {
        [id] => Ok((*id).clone()),
        _ => Err(Failure::local(format!("{what}: one issuer was expected, there are {}", ids.len()))),
    }
}

async fn rename(ctx: &mut Ctx, mount: &str, id: &str, name: &str) -> Result<(), Failure> {
    if name.is_empty() || name == "default" || name == id {
        return Ok(());
    }
    let request = Request::new(Method::Patch, &format!("{mount}/issuer/{id}")).body(json!({ "issuer_name": name }));
    ctx.call(&format!("Error naming issuer {id} {name}"), request).await.map(drop)
}
