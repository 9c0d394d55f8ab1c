//! `kv`: which version a mount speaks is asked first, and decides the paths.

pub mod delete;
pub mod enable_versioning;
pub mod get;
pub mod list;
pub mod metadata;
pub mod put;
pub mod rollback;
pub mod scan;

use lessor_client::{Error, Request};
use serde_json::Value;

use crate::command::clean;
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};
use crate::output::kv;

/// The flag every command here has.
pub const MOUNT: Flag = flag("mount", Kind::Text, "Mount of the secret; PATH is then below it.");

/// A secret's place.
pub struct Place {
    /// With its slash.
    pub mount: String,
    /// Below the mount.
    pub path: String,
    /// Whether the mount keeps versions.
    pub versioned: bool,
}

impl Place {
    /// The path of a request: below `kind` where there are versions.
    pub fn at(&self, kind: &str) -> String {
        let Self { mount, path, versioned } = self;
        if *versioned { format!("{mount}{kind}/{path}") } else { format!("{mount}{path}") }
    }
}

/// Asks what `path` belongs to.
pub async fn find(ctx: &mut Ctx, args: &Args, path: &str) -> Result<Place, Failure> {
    let mut path = clean(path);
    let asked = match args.text("mount") {
        Some(mount) => clean(mount),
        None => path.clone(),
    };
    let request = Request::get(&format!("sys/internal/ui/mounts/{asked}")).unwrapped();
    let answer = match ctx.probe(request).await? {
        Ok(response) => response.json.unwrap_or_default(),
        // A server without that endpoint has no versions either.
        Err(Error::Api(api)) if api.status == 404 => Value::Null,
        Err(error) => return Err(ctx.failure("", &error).await),
    };
    let data = &answer["data"];
    let mount = match data["path"].as_str() {
        Some(mount) => mount.to_owned(),
        None => match args.text("mount") {
            Some(mount) => format!("{}/", clean(mount)),
            None => String::new(),
        },
    };
    if args.text("mount").is_none() {
        let below = path.strip_prefix(mount.trim_end_matches('/')).unwrap_or(&path);
        path = below.trim_start_matches('/').to_owned();
    }
    let versioned = data["options"]["version"].as_str() == Some("2");
    Ok(Place { mount, path, versioned })
}

/// Refuses mounts without versions; `refusal` says what is not possible there.
pub fn need_versions(place: &Place, refusal: Failure) -> Result<(), Failure> {
    if place.versioned {
        return Ok(());
    }
    Err(refusal.hint(format!("\"lessor kv enable-versioning {}\" upgrades it", place.mount)))
}

/// What a write of a version answers.
pub fn show_written(ctx: &mut Ctx, place: &Place, secret: &Value, field: Option<&str>) -> Result<i32, Failure> {
    if let Some(name) = field {
        return ctx.show_field(secret, name);
    }
    if !ctx.is_table() || secret["wrap_info"].is_object() {
        ctx.show_secret(secret);
        return Ok(0);
    }
    ctx.show_warnings(secret);
    let path = place.at("data");
    ctx.say(&kv::path_section("Secret Path", &path));
    ctx.say(&kv::section("Metadata", &secret["data"]));
    Ok(0)
}

/// `1,2` and repeated flags.
pub fn versions(args: &Args) -> Vec<String> {
    args.comma_list("versions")
}
