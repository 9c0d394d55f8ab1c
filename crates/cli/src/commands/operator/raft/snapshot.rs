use std::path::Path;

use lessor_client::{Method, Request};
use tokio::io::AsyncWriteExt;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::{Args, Kind, aliased};

pub static SAVE: Command = Command {
    name: "operator raft snapshot save",
    usage: "FILE",
    about: "Write a snapshot of the storage to a file.",
    example: "lessor operator raft snapshot save backup.snap",
    flags: &[],
    run: |ctx, args| Box::pin(save(ctx, args)),
};

/// The same under a name that says nothing of the storage engine.
pub static PLAIN_SAVE: Command =
    Command { name: "operator snapshot save", example: "lessor operator snapshot save backup.snap", ..SAVE };

pub static RESTORE: Command = Command {
    name: "operator raft snapshot restore",
    usage: "FILE",
    about: "Replace the storage by a snapshot.",
    example: "lessor operator raft snapshot restore backup.snap",
    flags: &[aliased("force", "f", Kind::Bool, "Although the snapshot was made with other keys.")],
    run: |ctx, args| Box::pin(restore(ctx, args)),
};

/// The same under a name that says nothing of the storage engine.
pub static PLAIN_RESTORE: Command =
    Command { name: "operator snapshot restore", example: "lessor operator snapshot restore backup.snap", ..RESTORE };

async fn save(ctx: &mut Ctx, args: &Args) -> Outcome {
    const WHAT: &str = "Error taking the snapshot";
    arity(args, 1, 1)?;
    let path = args.rest[0].trim();
    if path.is_empty() {
        return Err(Failure::local("Output file name is required"));
    }
    let request = Request::get("sys/storage/raft/snapshot");
    let mut stream = match ctx.open(request).await? {
        Ok(stream) => stream,
        Err(error) => return Err(ctx.failure(WHAT, &error).await),
    };
    // A snapshot that broke off must not look like one.
    let partial = format!("{path}.partial");
    let outcome = async {
        let mut file =
            tokio::fs::File::create(&partial).await.map_err(|error| format!("{partial}: {}", reason(&error)))?;
        while let Some(piece) = stream.chunk().await.map_err(|error| error.to_string())? {
            file.write_all(&piece).await.map_err(|error| format!("{partial}: {error}"))?;
        }
        file.sync_all().await.map_err(|error| format!("{partial}: {error}"))?;
        tokio::fs::rename(&partial, path).await.map_err(|error| format!("{path}: {error}"))
    };
    if let Err(why) = outcome.await {
        // The first error is the one to report.
        let _ = tokio::fs::remove_file(Path::new(&partial)).await;
        return Err(Failure::remote(format!("{WHAT}: {why}")));
    }
    Ok(0)
}

async fn restore(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = args.rest[0].trim();
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|error| Failure::remote(format!("Error opening snapshot file: open {path}: {}", reason(&error))))?;
    let at = if args.is("force") { "sys/storage/raft/snapshot-force" } else { "sys/storage/raft/snapshot" };
    ctx.call("Error installing the snapshot", Request::new(Method::Post, at).bytes(bytes)).await?;
    Ok(0)
}
