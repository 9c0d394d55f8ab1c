//! `pki reissue`: an intermediate authority like one that exists.
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::{Map, Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;

use super::authority;
use super::signature::{curve_bits, digest_of};
use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::duration;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "pki reissue",
    usage: "PARENT TEMPLATE CHILD_MOUNT [key=value ...]",
    about: "Make an intermediate authority in CHILD_MOUNT that the issuer PARENT signs, with the subject, names, key and validity of the issuer TEMPLATE. Data changes some of it.",
    example: "lessor pki reissue pki_root/issuer/r2 pki_int/issuer/int1 pki_int ttl=43800h",
    flags: super::issue::FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let [parent, template, mount, words @ ..] = args.rest.as_slice() else {
        return Err(Failure::local("Not enough arguments: PARENT, TEMPLATE and CHILD_MOUNT are needed"));
    };
    let changes = ctx.parse_data(words)?;
    let template = clean(template);
    let existing = authority::read(ctx, &format!("Error fetching template certificate {template}"), &template).await?;
    let key = match args.text("type") {
        Some("existing") if existing.key_id.is_empty() => {
            return Err(Failure::local(format!("{template} has no key here that could be used again")));
        }
        Some("existing") => Some((existing.key_id.as_str(), existing.certificate.key_id())),
        _ => None,
    };
    let mut data = existing.certificate.read(fields).unwrap_or_default();
    match key {
        Some((key, id)) => {
            data.insert("key_ref".to_owned(), json!(key));
            data.insert("skid".to_owned(), json!(hex(&id)));
        }
        None => data.extend(existing.certificate.read(key_fields).unwrap_or_default()),
    }
    super::issue::issue(ctx, args, &clean(parent), &clean(mount), changed(data, changes)).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The template with the user's changes; what says the same in other words gives way.
fn changed(mut data: Map<String, Value>, changes: Map<String, Value>) -> Map<String, Value> {
    if changes.contains_key("not_after") {
        data.remove("ttl");
    }
    if changes.get("key_type").is_some_and(|kind| data.get("key_type") != Some(kind)) {
        data.remove("key_bits");
    }
    data.extend(changes);
    data
}

/// Values of a subject's attribute by its number below 2.5.4 (X.520).
fn values(cert: &X509Certificate<'_>, attribute: u32) -> Vec<String> {
    let wanted = format!("2.5.4.{attribute}");
    let all = cert.subject().iter_attributes().filter(|pair| pair.attr_type().to_id_string() == wanted);
    all.filter_map(|pair| pair.as_str().ok()).map(str::to_owned).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
}

/// Parameters that would make a certificate like this one, without its key.
fn fields(cert: &X509Certificate<'_>) -> Map<String, Value> {
    let sans = cert.subject_alternative_name().ok().flatten();
    let sans = sans.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
    let pick = |choose: fn(&GeneralName<'_>) -> Option<String>| sans.iter().filter_map(choose).collect::<Vec<_>>();
    let names = pick(|name| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) => Some((*text).to_owned()),
        _ => None,
    });
    let addresses = pick(|name| match name {
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    let uris = pick(|name| match name {
        GeneralName::URI(text) => Some((*text).to_owned()),
        _ => None,
    });
    let common_name = values(cert, 3).pop().unwrap_or_default();
    let basic = cert.basic_constraints().ok().flatten();
    let path_length = basic.and_then(|basic| basic.value.path_len_constraint).map_or(-1, i64::from);
    let validity = cert.validity();
    let lives = validity.not_after.timestamp() - validity.not_before.timestamp();
    let (digest, pss) = digest_of(cert);
    let pairs = [
        ("alt_names", json!(names.join(","))),
        ("common_name", json!(common_name)),
        ("country", json!(values(cert, 6))),
        ("exclude_cn_from_sans", json!(!common_name.is_empty() && !names.contains(&common_name))),
        ("ip_sans", json!(addresses.join(","))),
        ("locality", json!(values(cert, 7))),
        ("max_path_length", json!(path_length)),
        ("organization", json!(values(cert, 10))),
        ("ou", json!(values(cert, 11))),
        ("permitted_dns_domains", json!(permitted(cert).join(","))),
        ("postal_code", json!(values(cert, 17))),
        ("province", json!(values(cert, 8))),
        ("serial_number", json!(values(cert, 5).pop().unwrap_or_default())),
        ("signature_bits", json!(digest.unwrap_or_default())),
        ("street_address", json!(values(cert, 9))),
        ("ttl", json!(duration::full(Duration::from_secs(lives.unsigned_abs())))),
        ("uri_sans", json!(uris.join(","))),
        ("use_pss", json!(pss)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn permitted(cert: &X509Certificate<'_>) -> Vec<String> {
    let constraints = cert.name_constraints().ok().flatten();
    let trees = constraints.and_then(|found| found.value.permitted_subtrees.as_deref()).unwrap_or_default();
    let domain = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) => Some((*text).to_owned()),
        _ => None,
    };
    trees.iter().filter_map(|tree| domain(&tree.base)).collect()
}

/// Parameters that would make a key like this one's.
fn key_fields(cert: &X509Certificate<'_>) -> Map<String, Value> {
    let key = cert.public_key();
    let (kind, bits) = match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => ("rsa", u64::try_from(rsa.key_size()).unwrap_or_default()),
        Ok(PublicKey::EC(_)) => ("ec", curve_bits(key).map(u64::from).unwrap_or_default()),
        _ => ("ed25519", 0),
    };
    Map::from_iter([("key_type".to_owned(), json!(kind)), ("key_bits".to_owned(), json!(bits))])
}
