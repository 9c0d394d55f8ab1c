use lessor_client::Request;
use serde_json::Value;
use std::collections::BTreeMap;

use super::authority;
use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

/// The flags that ask for a match, what they ask for, and whether they do so by themselves.
const WANTED: [(&str, &str, bool); 5] = [
    ("direct_sign", "signature_match", true),
    ("indirect_sign", "trust_match", true),
    ("key_id_match", "key_id_match", true),
    ("path_match", "path_match", false),
    ("subject_match", "subject_match", true),
];

pub static COMMAND: Command = Command {
    name: "pki list-intermediates",
    usage: "PARENT [CHILD ...]",
    about: "Tell which issuers were issued by PARENT: those of the mounts or paths given, or of all pki mounts.",
    example: "lessor pki list-intermediates pki_root/issuer/default pki_int",
    flags: &[
        flag("direct_sign", Kind::Bool, "Ask that PARENT's key signed the child; true if left out."),
        flag("indirect_sign", Kind::Bool, "Ask that trust in PARENT is enough for the child; true if left out."),
        flag("key_id_match", Kind::Bool, "Ask that the child names PARENT's key identifier; true if left out."),
        flag("path_match", Kind::Bool, "Ask that PARENT stands in the child's chain."),
        flag("subject_match", Kind::Bool, "Ask that PARENT's subject is the child's issuer; true if left out."),
        flag("use_names", Kind::Bool, "Show issuers by name where they have one."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let Some((parent, children)) = args.rest.split_first() else {
        return Err(Failure::local("Not enough arguments (expected potential parent, got nothing)"));
    };
    let parent = clean(parent);
    let names = args.is("use_names");
    let mut paths = Vec::new();
    for child in children {
        let child = clean(child);
        if ["/issuer/", "/certs/", "/revoked/"].iter().any(|part| child.contains(part)) {
            paths.push(child);
        } else {
            paths.extend(issuers(ctx, &child, names).await?);
        }
    }
    if children.is_empty() {
        for mount in mounts(ctx).await? {
            paths.extend(issuers(ctx, &mount, names).await?);
        }
    }
    let what = format!("Failed to read parent issuer on path {parent}");
    let parent = authority::read(ctx, &what, &parent).await?;
    let mut found = BTreeMap::new();
    for path in paths {
        let child = authority::read(ctx, &format!("Failed to run verification on path {path}"), &path).await?;
        let told = authority::told(child.under(&parent));
        let is = |field: &str| told.iter().any(|(name, is)| *name == field && *is);
        let wanted = WANTED.iter().filter(|(flag, _, usual)| args.boolean(flag).unwrap_or(*usual));
        let all = wanted.into_iter().all(|(_, field, _)| is(field));
        found.insert(path, all);
    }
    let rows: Vec<(String, bool)> = found.into_iter().collect();
    authority::show(ctx, ["intermediate", "match?"], &rows);
    Ok(0)
}

async fn mounts(ctx: &mut Ctx) -> Result<Vec<String>, Failure> {
    let what = "Failed to Read List of Mounts With Potential Issuers";
    let answer = ctx.expect(what, Request::get("sys/mounts")).await.map_err(authority::local)?;
    let all = answer["data"].as_object().cloned().unwrap_or_default();
    Ok(all.into_iter().filter(|(_, mount)| mount["type"] == "pki").map(|(path, _)| clean(&path)).collect())
}

/// Paths of the issuers of a mount.
async fn issuers(ctx: &mut Ctx, mount: &str, names: bool) -> Result<Vec<String>, Failure> {
    let what = format!("failed to read list of issuers within mount {mount}");
    let found = ctx.find(&what, Request::list(&format!("{mount}/issuers"))).await.map_err(authority::local)?;
    let Some(answer) = found else { return Ok(Vec::new()) };
    let ids = answer["data"]["keys"].as_array().cloned().unwrap_or_default();
    let info = &answer["data"]["key_info"];
    let shown = |id: &str| match info[id]["issuer_name"].as_str().filter(|name| names && !name.is_empty()) {
        Some(name) => format!("{mount}/issuer/{name}"),
        None => format!("{mount}/issuer/{id}"),
    };
    Ok(ids.iter().filter_map(Value::as_str).map(shown).collect())
}
