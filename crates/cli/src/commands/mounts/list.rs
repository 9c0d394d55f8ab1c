//! Lists mounts, in short or in detail.
use super::{details, entries};
use crate::command::{Outcome, arity};
use crate::context::Ctx;
use crate::flags::{Args, Flag, Kind, flag};
use lessor_client::Request;
use serde_json::{Map, Value};

/// The one flag of the command.
pub const DETAILED: Flag = flag("detailed", Kind::Bool, "Show TTLs, options and versions as well.");

/// What is particular about one kind of mount.
pub struct Listing {
    /// In front of an error.
    pub failure: &'static str,
    /// Where they are listed.
    pub path: &'static str,
    /// A column that only this kind has among the details, and its value.
    pub own: (&'static str, fn(&Value) -> String),
    /// The columns of the short form, by title and key, behind the path.
    pub columns: &'static [(&'static str, &'static str)],
}

impl Listing {
    /// Runs the command.
    ///
    /// # Errors
    /// What the server says.
    pub async fn run(&self, ctx: &mut Ctx, args: &Args) -> Outcome {
        arity(args, 0, 0)?;
        let answer = ctx.expect(self.failure, Request::get(self.path)).await?;
        let found = entries(&answer);
        let detailed = args.is("detailed");
        let short = |path: &String, mount: &Value| {
            let text = |key: &str| mount[key].as_str().unwrap_or_default().to_owned();
            std::iter::once(path.clone()).chain(self.columns.iter().map(|(_, key)| text(key))).collect()
        };
        let row = |(path, mount): &(String, Value)| {
            if detailed { details(path, mount, &(self.own.1)(mount)) } else { short(path, mount) }
        };
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        let header = if detailed { self.detailed() } else { self.short() };
        ctx.show_columns(&header, &rows, &Value::Object(Map::from_iter(found)));
        Ok(0)
    }
    fn short(&self) -> Vec<&'static str> {
        std::iter::once("Path").chain(self.columns.iter().map(|(title, _)| *title)).collect()
    }
    fn detailed(&self) -> Vec<&'static str> {
        let mut titles = vec!["Path", "Plugin", "Accessor", "Default TTL", "Max TTL", self.own.0, "Replication"];
        titles.extend(["Seal Wrap", "External Entropy Access", "Options", "Description", "UUID", "Version"]);
        titles.extend(["Running Version", "Running SHA256", "Deprecation Status"]);
        titles
    }
}
