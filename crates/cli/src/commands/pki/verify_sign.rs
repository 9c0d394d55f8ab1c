use super::authority;
use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "pki verify-sign",
    usage: "POSSIBLE-ISSUER POSSIBLE-ISSUED",
    about: "Tell whether one issuer signed another: by signature, chain, key identifier, subject and trust.",
    example: "lessor pki verify-sign pki_root/issuer/default pki_int/issuer/default",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let [issuer, issued] = args.rest.as_slice() else {
        return Err(Failure::local(match args.rest.len() {
            0 => "Not enough arguments (expected potential issuer and issued, got nothing)".to_owned(),
            1 => "Not enough arguments (expected both potential issuer and issued, got only one)".to_owned(),
            many => format!("Too many arguments (expected only potential issuer and issued, got {many} arguments)"),
        }));
    };
    let (issuer, issued) = (clean(issuer), clean(issued));
    let parent = authority::read(ctx, &format!("Failed to read issuer: {issuer}"), &issuer).await?;
    let child = authority::read(ctx, &format!("Failed to read issued: {issued}"), &issued).await?;
    if ctx.is_table() {
        ctx.say(&format!("issuer:{issuer}"));
        ctx.say(&format!("issued:{issued}\n"));
    }
    let rows: Vec<(String, bool)> =
        authority::told(child.under(&parent)).map(|(name, is)| (name.to_owned(), is)).to_vec();
    authority::show(ctx, ["field", "value"], &rows);
    Ok(0)
}
