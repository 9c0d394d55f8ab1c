use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "policy fmt",
    usage: "FILE",
    about: "Lay a policy file out the usual way, in place.",
    example: "lessor policy fmt reader.hcl",
    flags: &[],
    run: |ctx, args| Box::pin(async move { run(ctx, args) }),
};

fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = args.rest[0].trim();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::local(format!("Error reading source file: open {path}: {}", reason(&error))))?;
    let laid = lessor_hcl::format(&text).map_err(|error| Failure::local(format!("failed to parse policy: {error}")))?;
    // Written beside it and renamed: a crash leaves the old file.
    let beside = format!("{path}.{:08x}", rand::random::<u32>());
    let write = || -> std::io::Result<()> {
        std::fs::write(&beside, laid)?;
        std::fs::set_permissions(&beside, std::fs::metadata(path)?.permissions())?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        Failure::local(format!("Error writing target file: {path}: {}", reason(&error)))
    })?;
    ctx.say(&format!("Success! Formatted policy: {path}"));
    Ok(0)
}
