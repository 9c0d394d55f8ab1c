//! `custom_response_headers`: headers of answers by status; an exact code goes over its class, a class over the default.
use super::Fault;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use lessor_hcl::{Body, Value};
use std::collections::BTreeMap;

/// Headers by status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    default: Vec<(HeaderName, HeaderValue)>,
    /// By their first digit.
    classes: BTreeMap<u16, Vec<(HeaderName, HeaderValue)>>,
    codes: BTreeMap<u16, Vec<(HeaderName, HeaderValue)>>,
}

impl ResponseHeaders {
    /// Puts the headers of a status over what is there.
    pub fn apply(&self, status: u16, headers: &mut HeaderMap) {
        let class = self.classes.get(&(status / 100));
        for set in [Some(&self.default), class, self.codes.get(&status)].into_iter().flatten() {
            for (name, _) in set {
                headers.remove(name);
            }
            for (name, value) in set {
                headers.append(name, value.clone());
            }
        }
    }
}

pub(super) fn response_headers(body: &Body) -> Result<ResponseHeaders, Fault> {
    let mut headers = ResponseHeaders::default();
    for block in body.blocks("custom_response_headers", 0)? {
        for item in &block.body.items {
            let Value::Object(set) = &item.value.value else {
                return Err(Fault::Value(format!("custom_response_headers: \"{}\" must be a map", item.name())));
            };
            let set = read(set)?;
            match item.name() {
                "default" => headers.default = set,
                name => match name.strip_suffix("xx").and_then(|class| class.parse().ok()) {
                    Some(class) if (1..=5).contains(&class) => drop(headers.classes.insert(class, set)),
                    _ => drop(headers.codes.insert(code(name)?, set)),
                },
            }
        }
    }
    Ok(headers)
}

fn code(name: &str) -> Result<u16, Fault> {
    let code = name.parse().ok().filter(|code| (100..600).contains(code));
    code.ok_or_else(|| {
        Fault::Value(format!("custom_response_headers: \"{name}\" is no status: use \"default\", \"2xx\" or \"200\""))
    })
}

fn read(set: &Body) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let wrong = |name: &str, why: &str| Fault::Value(format!("custom_response_headers: \"{name}\": {why}"));
    let mut headers = Vec::new();
    for item in &set.items {
        let name = item.name();
        if name.to_ascii_lowercase().starts_with("x-vault-") {
            return Err(wrong(name, "names that begin with X-Vault- are the server's own"));
        }
        let parsed: HeaderName = name.parse().map_err(|_| wrong(name, "no header has such a name"))?;
        for text in item.value.strings(name)? {
            let value = HeaderValue::from_str(text).map_err(|_| wrong(name, "a header cannot hold that value"))?;
            headers.push((parsed.clone(), value));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_code_goes_over_its_class_and_a_class_over_the_default() {
        let text = r#"custom_response_headers {
            "default" = { "A" = ["1"], "B" = ["1", "2"] }
            "4xx" = { "A" = ["4"] }
            "404" = { "A" = ["404"] } }"#;
        let Ok(headers) = response_headers(&lessor_hcl::parse(text).unwrap()) else { panic!("refused") };
        for (status, a) in [(200, "1"), (400, "4"), (404, "404")] {
            let mut map = HeaderMap::new();
            headers.apply(status, &mut map);
            assert_eq!(map["a"], a, "{status}");
            assert_eq!(map.get_all("b").iter().count(), 2);
        }
        let own = lessor_hcl::parse(r#"custom_response_headers { "default" = { "X-Vault-Token" = ["1"] } }"#).unwrap();
        assert!(response_headers(&own).is_err());
    }
}
