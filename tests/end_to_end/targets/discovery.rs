//! Google's published description of its APIs (discovery documents, in PyPI's google-api-python-client), against which
//! stand-ins check what they are asked and what they answer.
use super::cache;
use crate::auth_remote::stand_in::Asked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex_lite::Regex;
use serde_json::{Map, Value};

struct Method {
    id: String,
    verb: String,
    /// With its parameters in braces, behind the service's own path.
    path: String,
    /// The older form, whose `{+name}` holds several segments.
    template: String,
    parameters: Map<String, Value>,
    request: String,
    response: String,
    document: usize,
}

/// Some of the documents.
pub struct Discovery {
    documents: Vec<Value>,
    methods: Vec<Method>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn collect(document: &Value, at: &Value, index: usize, into: &mut Vec<Method>) {
    let base = text(&document["servicePath"]);
    for method in at["methods"].as_object().into_iter().flat_map(Map::values) {
        let path = method.get("flatPath").unwrap_or(&method["path"]);
        into.push(Method {
            id: text(&method["id"]),
            verb: text(&method["httpMethod"]),
            path: format!("/{base}{}", text(path)),
            template: format!("/{base}{}", text(&method["path"])),
            parameters: method["parameters"].as_object().cloned().unwrap_or_default(),
            request: text(&method["request"]["$ref"]),
            response: text(&method["response"]["$ref"]),
            document: index,
        });
    }
    for resource in at["resources"].as_object().into_iter().flat_map(Map::values) {
        collect(document, resource, index, into);
    }
}

/// The parameters of a path that fits a pattern, segment by segment.
fn fit<'a>(pattern: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (patterns, segments): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if patterns.len() != segments.len() {
        return None;
    }
    let mut found = Vec::new();
    for (pattern, segment) in patterns.into_iter().zip(segments) {
        let Some((name, suffix)) = pattern.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            if pattern == segment {
                continue;
            }
            return None;
        };
        let value = segment.strip_suffix(suffix).filter(|value| !value.is_empty())?;
        if suffix.is_empty() && value.contains(':') {
            return None;
        }
        found.push((name, value));
    }
    Some(found)
}

fn matches(pattern: &Value, value: &str) -> bool {
    let Some(pattern) = pattern.as_str() else { return true };
    Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(value)
}

fn check_query(document: &Value, method: &Method, query: &str) -> Result<(), String> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let common = document["parameters"].get(name.as_ref());
        let own = method.parameters.get(name.as_ref()).filter(|known| known["location"] == "query");
        let known = own.or(common).ok_or_else(|| format!("{}: no query parameter {name}", method.id))?;
        let listed = known["enum"].as_array().is_none_or(|list| list.iter().any(|one| one == value.as_ref()));
        if !listed || !matches(&known["pattern"], &value) {
            return Err(format!("{}: {name} cannot be {value:?}", method.id));
        }
    }
    Ok(())
}

fn check_path(method: &Method, path: &str, found: &[(&str, &str)]) -> Result<(), String> {
    for (name, known) in method.parameters.iter().filter(|(_, known)| known["location"] == "path") {
        let several = method.template.split_once(&format!("{{+{name}}}"));
        let value = match several {
            Some((before, behind)) => path.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind)),
            None => found.iter().find(|(known, _)| known == name).map(|(_, value)| *value),
        };
        let value = value.ok_or_else(|| format!("{}: {name} is missing in {path}", method.id))?;
        if !matches(&known["pattern"], value) {
            return Err(format!("{}: {name} cannot be {value:?}", method.id));
        }
    }
    Ok(())
}

/// Whether a value is of a schema, and has no field that the schema has not.
fn check_value(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        return check_value(document, &document["schemas"][name], value, at);
    }
    let wrong = || Err(format!("{at}: {value} is no {}", schema["type"]));
    match (schema["type"].as_str().unwrap_or("any"), value) {
        ("any", _) | ("boolean", Value::Bool(_)) | ("integer" | "number", Value::Number(_)) => Ok(()),
        ("string", Value::String(text)) => match schema["format"].as_str() {
            Some("byte") if STANDARD.decode(text).is_err() => wrong(),
            Some("int64" | "uint64") if text.parse::<i128>().is_err() => wrong(),
            _ => Ok(()),
        },
        ("array", Value::Array(list)) => {
            list.iter().try_for_each(|one| check_value(document, &schema["items"], one, &format!("{at}[]")))
        }
        ("object", Value::Object(fields)) => fields.iter().try_for_each(|(name, value)| {
            let place = format!("{at}.{name}");
            match schema["properties"].get(name).or(schema.get("additionalProperties")) {
                Some(schema) => check_value(document, schema, value, &place),
                None => Err(format!("{place}: there is no such field")),
            }
        }),
        _ => wrong(),
    }
}

impl Discovery {
    /// Documents by their names, such as `iam.v1`.
    pub fn load(names: &[&str]) -> Self {
        let list = cache("google-2").join("lib");
        let python = std::fs::read_dir(&list).unwrap().next().unwrap().unwrap().path();
        let folder = python.join("site-packages/googleapiclient/discovery_cache/documents");
        let (mut documents, mut methods) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            collect(&document, &document, index, &mut methods);
            documents.push(document);
        }
        Self { documents, methods }
    }
    /// Which published method a request asks for.
    ///
    /// # Errors
    /// What no published method allows.
    pub fn check(&self, asked: &Asked) -> Result<&str, String> {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let fits = |method: &&Method| method.verb == asked.method && fit(&method.path, path).is_some();
        let method = self.methods.iter().find(fits);
        let method = method.ok_or_else(|| format!("no published method is {} {path}", asked.method))?;
        let document = &self.documents[method.document];
        check_path(method, path, &fit(&method.path, path).unwrap_or_default())?;
        check_query(document, method, query)?;
        match (method.request.as_str(), asked.body.as_str()) {
            ("", "") => {}
            ("", _) => return Err(format!("{}: has no body", method.id)),
            (_, "") => return Err(format!("{}: needs a body", method.id)),
            (name, body) => {
                let value = serde_json::from_str(body).map_err(|error| format!("{}: {error}", method.id))?;
                check_value(document, &document["schemas"][name], &value, &method.id)?;
            }
        }
        Ok(&method.id)
    }
    /// Whether the answer to a method is one that Google could give.
    ///
    /// # Errors
    /// What is not in its schema.
    pub fn check_answer(&self, id: &str, answer: &Value) -> Result<(), String> {
        let method = self.methods.iter().find(|method| method.id == id).ok_or("unknown method")?;
        let document = &self.documents[method.document];
        check_value(document, &document["schemas"][&method.response], answer, id)
    }
}

fn asked(method: &str, path: &str, body: &str) -> Asked {
    Asked { method: method.into(), path: path.into(), headers: Vec::new(), body: body.into() }
}

#[test]
fn what_google_does_not_publish_is_told() {
    let discovery = Discovery::load(&["iam.v1", "compute.v1", "cloudresourcemanager.v1"]);
    let check = |method: &str, path: &str, body: &str| discovery.check(&asked(method, path, body)).map(str::to_owned);
    let key = "/v1/projects/-/serviceAccounts/a@p/keys/k";
    assert_eq!(check("GET", key, "").unwrap(), "iam.projects.serviceAccounts.keys.get");
    assert_eq!(check("POST", "/v1/projects/p:getAncestry", "{}").unwrap(), "cloudresourcemanager.projects.getAncestry");
    for (method, path, body, text) in [
        ("GET", "/v1/projects/-/accounts/a", "", "no published method"),
        ("PUT", "/v1/projects/p:getAncestry", "{}", "no published method"),
        ("GET", &format!("{key}?publicKeyType=TYPE_X"), "", "publicKeyType cannot be"),
        ("GET", &format!("{key}?kind=x"), "", "no query parameter kind"),
        ("GET", "/compute/v1/projects/p/zones/z/instances/Upper", "", "instance cannot be"),
        ("GET", key, "{}", "has no body"),
        ("POST", "/v1/projects/p:getAncestry", "", "needs a body"),
        ("POST", "/v1/projects/p:getAncestry", "{\"x\":1}", "no such field"),
    ] {
        let error = check(method, path, body).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
    let answer = serde_json::json!({ "ancestor": [{ "resourceId": { "type": 1 } }] });
    assert!(discovery.check_answer("cloudresourcemanager.projects.getAncestry", &answer).is_err());
}
