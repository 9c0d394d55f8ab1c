//! Names of roles and sets: paths in lower case.
use crate::Engine;
use lessor_engine::{Context, Error, Params, Reply, Result};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Named {
    /// Name; it may be a path of names.
    pub(crate) name: String,
}

#[derive(Params)]
pub(crate) struct InSet {
    /// Name of the set; it may be a path of names.
    pub(crate) set: String,
}

/// What stands behind a set's name in paths.
const TAKEN: [&str; 3] = ["status", "check-out", "check-in"];

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inner = |c: char| word(c) || c == '-' || c == '.' || c == '@';
    text.chars().next().is_some_and(word) && text.chars().next_back().is_some_and(word) && text.chars().all(inner)
}

/// As it is stored.
///
/// # Errors
/// When it is no name, or one that paths are built with.
pub(crate) fn checked(name: &str) -> Result<String> {
    let name = name.to_lowercase();
    let parts: Vec<&str> = name.split('/').collect();
    if name.len() > 512 || !parts.iter().all(|part| is_name(part)) {
        return Err(Error::invalid(format!(
            "{name:?} is no name: use letters, digits, _, -, . and @ inside, with / between its parts"
        )));
    }
    let ends = parts.last().is_some_and(|last| TAKEN.contains(last));
    if parts[0] == "manage" || ends {
        return Err(Error::invalid(format!("{name:?} cannot be a name: paths of the engine end or begin with it")));
    }
    Ok(name)
}

async fn list(cx: &Context, prefix: &str, below: &str) -> Result<Reply> {
    let below = below.trim_matches('/').to_lowercase();
    let folder = if below.is_empty() { prefix.to_owned() } else { format!("{prefix}{below}/") };
    Ok(Reply::list(cx.view.list(&folder).await?))
}

macro_rules! lists {
    ($all:ident, $below:ident, $prefix:expr) => {
        pub(crate) async fn $all(_: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
            list(&cx, $prefix, "").await
        }
        pub(crate) async fn $below(_: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
            list(&cx, $prefix, &at.name).await
        }
    };
}

lists!(static_roles, static_roles_below, "static-role/");
lists!(roles, roles_below, "role/");
lists!(sets, sets_below, "library/");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths_in_lower_case_and_no_others() {
        assert_eq!(checked("Team-A/svc.Report").unwrap(), "team-a/svc.report");
        for name in ["", "/", "a/", "/a", "a//b", "-a", "a b", "a,b", "manage", "manage/x", "a/status", "check-out"] {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}
