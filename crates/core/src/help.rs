//! `?help=1`: what can be done at a path, from the same declarations that requests are parsed by.
use crate::mount::Mounted;
use crate::request::Request;
use crate::response::Response;
use serde_json::json;
use std::fmt::Write;

/// The help text of a path, or of the whole mount.
pub fn answer(mounted: &Mounted, route: &str, request: &Request) -> Response {
    let text = match mounted.backend.paths.find(route).filter(|_| !route.is_empty()) {
        Some(matched) => {
            let mut text = format!(
                "Request:        {}\nMatching Route: {}\n\n{}\n\n## PARAMETERS\n",
                request.path,
                matched.spec().pattern,
                matched.spec().help
            );
            let mut shown: Vec<&str> = Vec::new();
            for field in matched.spec().operations.iter().flat_map(|operation| operation.fields) {
                if !shown.contains(&field.name) {
                    shown.push(field.name);
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\n    {} ({})\n\n        {}\n", field.name, field.kind.word(), field.doc);
                }
            }
            let words: Vec<&str> = matched.spec().operations.iter().map(|spec| spec.operation.word()).collect();
            text + "\n## OPERATIONS\n\n    " + &words.join(", ") + "\n"
        }
        None => {
            let mut text = format!("## DESCRIPTION\n\n{}\n\n## PATHS\n", mounted.entry.kind);
            for spec in mounted.backend.paths.specs() {
                let _ = write!(text, "\n    {}\n\n        {}\n", spec.pattern, spec.help);
            }
            text
        }
    };
    Response::bare(200, json!({ "help": text }))
}
