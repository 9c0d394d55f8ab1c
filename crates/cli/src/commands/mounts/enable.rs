//! Mounts something.
use super::{enable_body, kind_of};
use crate::command::{Outcome, arity, mount};
use crate::context::Ctx;
use crate::flags::Args;
use lessor_client::Request;

/// What is particular about one kind of mount.
pub struct Enabling {
    /// Where they are mounted.
    pub path: &'static str,
    /// In front of an error; knows the type.
    pub failure: fn(&str) -> String,
    /// What was mounted, by its type and whether it was given as a plugin.
    pub what: fn(&str, bool) -> String,
}

impl Enabling {
    /// Runs the command.
    ///
    /// # Errors
    /// What the server says.
    pub async fn run(&self, ctx: &mut Ctx, args: &Args) -> Outcome {
        arity(args, 1, 1)?;
        let given = args.rest[0].trim();
        let kind = kind_of(args, given)?;
        let path = mount(args.text("path").unwrap_or(kind));
        let request = format!("{}/{}", self.path, path.trim_end_matches('/'));
        if let Some(answer) = &ctx.call(&(self.failure)(kind), Request::post(&request, enable_body(args, kind))).await?
        {
            ctx.show_warnings(answer);
        }
        ctx.say(&format!("Success! Enabled {} at: {path}", (self.what)(kind, given == "plugin")));
        Ok(0)
    }
}
