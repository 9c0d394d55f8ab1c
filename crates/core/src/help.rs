//! `?help=1`: what can be done at a path, from the same declarations that requests are parsed by.
use crate::active::Active;
use crate::mount::Mounted;
use crate::openapi::{Document, Mounts};
use crate::request::Request;
use crate::response::Response;
use lessor_engine::path::OperationSpec;
use lessor_engine::{FieldSpec, PathSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

const PATHS: &str = "The following paths are supported by this backend. To view help for\n\
any of the paths below, use the help command with any route matching\n\
the path pattern. Note that depending on the policy of your auth token,\n\
you may or may not be able to access certain paths.";

/// The help of a path, or of the whole mount; `None` where the mount has no such path.
pub fn answer(active: &Active, mounted: &Mounted, route: &str, request: &Request) -> Option<Response> {
    let mut document = Document::new(Mounts::Within);
    let asked_for_mount =
        route.is_empty() || request.path.trim_end_matches('/') == mounted.entry.path.trim_end_matches('/');
    let text = if asked_for_mount {
        document.add(mounted, |_| true);
        of_mount(active, mounted)
    } else {
        let matched = mounted.backend.paths.find(route)?;
        document.add_path(mounted, matched.spec());
        of_path(matched.spec(), route)
    };
    let document = document.finish(&active.settings.version);
    Some(Response::bare(200, json!({ "help": text, "see_also": Value::Null, "openapi": document })))
}

fn of_path(spec: &PathSpec, route: &str) -> String {
    let mut text = format!("Request:        {route}\nMatching Route: {}\n\n{}\n\n", route_of(spec), spec.help);
    let fields: BTreeMap<&str, &FieldSpec> =
        spec.operations.iter().flat_map(OperationSpec::parameters).map(|field| (field.name, field)).collect();
    if !fields.is_empty() {
        text.push_str("## PARAMETERS\n\n");
    }
    for field in fields.values() {
        // Writing to a String cannot fail.
        let _ = write!(text, "    {} ({})\n\n        {}\n\n", field.name, field.kind.word(), field.doc);
    }
    let words: Vec<&str> = spec.operations.iter().map(|operation| operation.operation.word()).collect();
    let _ = write!(text, "## DESCRIPTION\n\n{}\n\nOperations: {}.", spec.help, words.join(", "));
    text
}

fn of_mount(active: &Active, mounted: &Mounted) -> String {
    let entry = &mounted.entry;
    let factories = active.mounts.factories();
    let list = if entry.is_auth() { &factories.methods } else { &factories.engines };
    let known = list.iter().find(|factory| factory.kind() == entry.kind);
    let description = known.map_or(entry.description.as_str(), |factory| factory.description());
    let mut routes: Vec<(String, &str)> =
        mounted.backend.paths.specs().iter().map(|spec| (route_of(spec), spec.help)).collect();
    routes.sort_unstable();
    let routes: Vec<String> = routes.iter().map(|(route, help)| format!("    {route}\n        {help}")).collect();
    format!("## DESCRIPTION\n\n{description}\n\n## PATHS\n\n{PATHS}\n\n{}", routes.join("\n\n"))
}

/// The pattern as the regular expression that Vault's help shows.
fn route_of(spec: &PathSpec) -> String {
    let segments = spec.pattern.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return segment.replace('.', "\\.");
        };
        match name.as_bytes().last() {
            Some(b'*') => format!("(?P<{}>.*)", &name[..name.len() - 1]),
            Some(b'+') => format!("(?P<{}>.+)", &name[..name.len() - 1]),
            Some(b'@') => format!("(?P<{}>\\w(([\\w-.@]+)?\\w)?)", &name[..name.len() - 1]),
            Some(b':') => format!("(?P<{}>[^/]+)", &name[..name.len() - 1]),
            _ => format!("(?P<{name}>\\w(([\\w-.]+)?\\w)?)"),
        }
    });
    let joined = segments.collect::<Vec<_>>().join("/");
    let lists = spec.operations.iter().any(|operation| operation.operation.is_list());
    let slash = if lists && !joined.ends_with(')') { "/?" } else { "" };
    format!("^{joined}{slash}$")
}
