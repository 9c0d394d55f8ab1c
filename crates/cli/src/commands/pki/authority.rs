//! An issuer of a mount, as the server tells it.
use lessor_client::Request;
use serde_json::{Value, json};

use super::certificate::{Certificate, Relation};
use crate::context::Ctx;
use crate::failure::Failure;

/// A certificate with its chain and, where it has one, its key's id.
pub struct Authority {
    pub certificate: Certificate,
    pub chain: Vec<Certificate>,
    pub key_id: String,
}

/// Every failure of these commands but those of parsed flags is exit code 1, the server's refusals too.
pub fn local(failure: Failure) -> Failure {
    Failure { code: 1, ..failure }
}

fn parsed(what: &str, text: &str) -> Result<Certificate, Failure> {
    Certificate::from_pem(text).map_err(|why| Failure::local(format!("{what}: {why}")))
}

/// Reads the issuer at `path`; `what` stands in front of a failure.
///
/// # Errors
/// When there is none, or the server refuses.
pub async fn read(ctx: &mut Ctx, what: &str, path: &str) -> Result<Authority, Failure> {
    let found = ctx.find(what, Request::get(path)).await.map_err(local)?;
    let data = found.map(|answer| answer["data"].clone()).unwrap_or_default();
    let Some(certificate) = data["certificate"].as_str() else {
        return Err(Failure::local(format!("{what}: there is no issuer at {path}")).hint("write MOUNT/issuer/NAME"));
    };
    let chain = data["ca_chain"].as_array().map(Vec::as_slice).unwrap_or_default();
    let chain = chain.iter().filter_map(Value::as_str).filter(|text| !text.trim().is_empty());
    Ok(Authority {
        certificate: parsed(what, certificate)?,
        chain: chain.map(|text| parsed(what, text)).collect::<Result<_, _>>()?,
        key_id: data["key_id"].as_str().unwrap_or_default().to_owned(),
    })
}

impl Authority {
    /// This one as a child of `parent`.
    pub fn under(&self, parent: &Self) -> Relation {
        self.certificate.relation(&parent.certificate, &self.chain)
    }
}

/// What is told of a relation, by name.
pub fn told(relation: Relation) -> [(&'static str, bool); 5] {
    [
        ("key_id_match", relation.key_id),
        ("path_match", relation.path),
        ("signature_match", relation.signature),
        ("subject_match", relation.subject),
        ("trust_match", relation.trust),
    ]
}

/// Prints what is true and what is not, below a line `header`.
pub fn show(ctx: &mut Ctx, header: [&str; 2], rows: &[(String, bool)]) {
    if !ctx.is_table() {
        let all = rows.iter().map(|(name, is)| (name.clone(), json!(is))).collect();
        ctx.show_value(&Value::Object(all));
        return;
    }
    let cells: Vec<Vec<String>> = rows.iter().map(|(name, is)| vec![name.clone(), is.to_string()]).collect();
    ctx.say(&crate::output::columns(&header, &cells));
    ctx.say("\n");
}
