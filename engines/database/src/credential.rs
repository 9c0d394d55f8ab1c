//! `credential_type` and `credential_config`: what kind of secret an account gets. Which kinds a platform takes is asked
//! when one is issued; a role may be written before its database.
use lessor_engine::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// The options of a kind, as they are kept and shown: those that are unknown are left out, those that are missing are
/// filled in.
pub(crate) type Options = BTreeMap<String, String>;

/// Keys that are kept and never shown.
const SECRET: [&str; 1] = ["ca_private_key"];

/// Lays what a request says over what is kept.
///
/// # Errors
/// When the kind is not known, or an option is none of its values.
pub(crate) fn merged(kind: &str, kept: &Options, asked: Option<Options>) -> Result<Options> {
    let known: &[&str] = match kind {
        "password" => &["password_policy"],
        "rsa_private_key" => &["key_bits", "format"],
        "client_certificate" => {
            &["common_name_template", "ca_cert", "ca_private_key", "key_type", "key_bits", "signature_bits"]
        }
        other => return Err(Error::invalid(format!("invalid credential_type {other:?}"))),
    };
    let mut options = kept.clone();
    options.extend(asked.unwrap_or_default());
    options.retain(|name, value| known.contains(&name.as_str()) && !value.is_empty());
    match kind {
        "rsa_private_key" => {
            one_of(&mut options, "key_bits", &["2048", "3072", "4096"])?;
            one_of(&mut options, "format", &["pkcs8"])?;
        }
        "client_certificate" => certificate(&mut options)?,
        _ => {}
    }
    Ok(options)
}

/// The first of the values is the default.
fn one_of(options: &mut Options, name: &str, values: &[&str]) -> Result<()> {
    let value = options.entry(name.to_owned()).or_insert_with(|| values[0].to_owned());
    if values.contains(&value.as_str()) {
        return Ok(());
    }
    Err(Error::invalid(format!("credential_config: {name} {value:?} is not supported: use {}", values.join(", "))))
}

fn certificate(options: &mut Options) -> Result<()> {
    for needed in ["common_name_template", "ca_cert", "ca_private_key", "key_type"] {
        if !options.contains_key(needed) {
            return Err(Error::invalid(format!("credential_config: {needed} is required for client_certificate")));
        }
    }
    crate::naming::parse(&options["common_name_template"])?;
    for (name, word) in [("ca_cert", "CERTIFICATE"), ("ca_private_key", "PRIVATE KEY")] {
        if !options[name].contains("-----BEGIN ") || !options[name].contains(word) {
            return Err(Error::invalid(format!("credential_config: {name} must be PEM text of a {word}")));
        }
    }
    let bits: &[&str] = match options["key_type"].as_str() {
        "rsa" => &["2048", "3072", "4096"],
        "ec" => &["256", "224", "384", "521"],
        "ed25519" => &["0"],
        other => {
            let text = format!("credential_config: key_type {other:?} is not supported: use rsa, ec or ed25519");
            return Err(Error::invalid(text));
        }
    };
    if bits == ["0"] {
        options.remove("key_bits");
    } else {
        one_of(options, "key_bits", bits)?;
    }
    one_of(options, "signature_bits", &["256", "384", "512"])
}

/// As it is read back: numbers as numbers, secrets masked.
pub(crate) fn shown(options: &Options) -> Value {
    options
        .iter()
        .filter(|(name, _)| !SECRET.contains(&name.as_str()))
        .map(|(name, value)| {
            let number = name.ends_with("_bits").then(|| value.parse::<u64>().ok()).flatten();
            (name.clone(), number.map_or_else(|| Value::from(value.clone()), Value::from))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn defaults_are_filled_in_and_unknown_options_left_out() {
        let rsa = merged("rsa_private_key", &Options::new(), Some(options(&[("other", "x")]))).unwrap();
        assert_eq!(rsa, options(&[("format", "pkcs8"), ("key_bits", "2048")]));
        assert_eq!(shown(&rsa), serde_json::json!({ "format": "pkcs8", "key_bits": 2048 }));
        let kept =
            merged("password", &options(&[("password_policy", "strong")]), Some(options(&[("x", "y")]))).unwrap();
        assert_eq!(kept, options(&[("password_policy", "strong")]));
        // Another kind has other options.
        assert!(merged("password", &rsa, None).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_value_of_an_option_is_refused_by_name() {
        for (kind, asked, named) in [
            ("magic", vec![], "invalid credential_type"),
            ("rsa_private_key", vec![("key_bits", "1024")], "key_bits"),
            ("rsa_private_key", vec![("format", "pkcs1")], "format"),
            ("client_certificate", vec![("key_type", "rsa")], "common_name_template"),
        ] {
            let error = merged(kind, &Options::new(), Some(options(&asked))).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_key_of_a_certificate_authority_is_not_shown() {
        let asked = options(&[
            ("common_name_template", "{{.RoleName}}"),
            ("ca_cert", "-----BEGIN CERTIFICATE-----"),
            ("ca_private_key", "-----BEGIN PRIVATE KEY-----"),
            ("key_type", "ec"),
        ]);
        let kept = merged("client_certificate", &Options::new(), Some(asked)).unwrap();
        let shown = shown(&kept);
        assert!(shown.get("ca_private_key").is_none() && shown["key_bits"] == 256 && shown["signature_bits"] == 256);
    }
}
