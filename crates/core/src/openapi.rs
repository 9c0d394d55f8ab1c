//! OpenAPI 3.0.2 of the mounted paths, from the same declarations that requests are parsed by; with Vault's extensions.
use crate::mount::Mounted;
use lessor_engine::path::{Access, OperationSpec};
use lessor_engine::{FieldKind, FieldSpec, Operation, PathSpec};
use serde_json::{Map, Value, json};

/// How a document names mounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mounts {
    /// By where they are.
    Real,
    /// By a parameter, `{kv_mount_path}`, so that one document is good for every server.
    Generic,
    /// Not at all: paths within the mount.
    Within,
}

/// A document under way.
pub struct Document {
    names: Mounts,
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

/// One capture of a pattern, or a literal segment.
enum Segment<'a> {
    Literal(&'a str),
    Capture(&'a str),
}

fn segments(pattern: &str) -> impl Iterator<Item = Segment<'_>> {
    pattern.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Segment::Capture(name.trim_end_matches(['*', '+', '@', ':'])),
            None => Segment::Literal(segment),
        }
    })
}

impl Document {
    /// Nothing yet.
    pub fn new(names: Mounts) -> Self {
        Self { names, paths: Map::new(), schemas: Map::new() }
    }
    /// Adds the paths of a mount that `shown` picks.
    pub fn add(&mut self, mounted: &Mounted, shown: impl Fn(&PathSpec) -> bool) {
        for spec in mounted.backend.paths.specs().iter().filter(|spec| shown(spec)) {
            self.add_path(mounted, spec);
        }
    }
    /// Adds one path of a mount.
    pub fn add_path(&mut self, mounted: &Mounted, spec: &PathSpec) {
        let captures: Vec<&str> = segments(spec.pattern)
            .filter_map(|segment| if let Segment::Capture(name) = segment { Some(name) } else { None })
            .collect();
        let within: Vec<String> = segments(spec.pattern)
            .map(|segment| match segment {
                Segment::Literal(text) => text.to_owned(),
                Segment::Capture(name) => format!("{{{name}}}"),
            })
            .collect();
        let mut parameters: Vec<Value> = captures.iter().map(|name| path_parameter(spec, name)).collect();
        let mount = self.mount(mounted, &mut parameters);
        let path = format!("/{mount}{}", within.join("/"));
        let mut item = Map::from_iter([("description".to_owned(), json!(spec.help))]);
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), json!(parameters));
        }
        item.insert("x-vault-displayAttrs".to_owned(), json!({ "operationPrefix": prefix(mounted) }));
        if spec.access == Access::Sudo {
            item.insert("x-vault-sudo".to_owned(), json!(true));
        }
        if spec.access == Access::Open {
            item.insert("x-vault-unauthenticated".to_owned(), json!(true));
        }
        if spec.has_existence_check() {
            item.insert("x-vault-createSupported".to_owned(), json!(true));
        }
        let has = |wanted| spec.operations.iter().find(|operation| operation.operation == wanted);
        let list = has(Operation::List);
        if let Some(read) = has(Operation::Read).or(list) {
            let only = has(Operation::Read).is_none();
            let lists = Lists { list: list.map(|_| only), scan: has(Operation::Scan).is_some() };
            item.insert("get".to_owned(), self.reading(mounted, spec, read, &captures, lists));
        }
        for (wanted, method) in [(Operation::Update, "post"), (Operation::Patch, "patch")] {
            if let Some(operation) = has(wanted) {
                item.insert(method.to_owned(), self.writing(mounted, spec, operation, &captures));
            }
        }
        if let Some(delete) = has(Operation::Delete) {
            let mut value = operation_head(mounted, spec, delete.operation);
            value["responses"] = json!({ "204": { "description": "empty body" } });
            item.insert("delete".to_owned(), value);
        }
        self.paths.entry(path).or_insert(Value::Object(item));
    }
    fn mount(&self, mounted: &Mounted, parameters: &mut Vec<Value>) -> String {
        let path = &mounted.entry.path;
        let movable = !matches!(mounted.entry.kind.as_str(), "system" | "identity" | "cubbyhole" | "token");
        match self.names {
            Mounts::Within => String::new(),
            Mounts::Generic if movable => {
                let name = format!("{}_mount_path", mounted.entry.kind.replace('-', "_"));
                let (auth, default) = path.strip_prefix("auth/").map_or(("", path.as_str()), |rest| ("auth/", rest));
                parameters.push(json!({
                    "name": name,
                    "description": "Path that the backend was mounted at",
                    "in": "path",
                    "schema": { "type": "string", "default": default.trim_end_matches('/') },
                    "required": true,
                }));
                format!("{auth}{{{name}}}/")
            }
            Mounts::Generic | Mounts::Real => path.clone(),
        }
    }
    /// GET: reads, or lists, or both.
    fn reading(
        &self,
        mounted: &Mounted,
        spec: &PathSpec,
        operation: &OperationSpec,
        captures: &[&str],
        lists: Lists,
    ) -> Value {
        let mut value = operation_head(mounted, spec, operation.operation);
        let fields = operation.parameters().filter(|field| !captures.contains(&field.name));
        let mut query: Vec<Value> = fields
            .map(|field| {
                json!({
                    "name": field.name, "description": field.doc, "in": "query",
                    "schema": schema_type(field.kind), "required": field.required,
                })
            })
            .collect();
        match lists.list {
            None => {}
            Some(true) if lists.scan => query.push(json!({
                "name": "list", "description": "Must be set to `true` or else `scan` must be", "in": "query",
                "schema": { "type": "string", "enum": ["true"] },
            })),
            Some(true) => query.push(json!({
                "name": "list", "description": "Must be set to `true`", "in": "query",
                "schema": { "type": "string", "enum": ["true"] }, "required": true,
            })),
            Some(false) => query.push(json!({
                "name": "list", "description": "Return a list if `true`", "in": "query",
                "schema": { "type": "string" },
            })),
        }
        if lists.scan {
            query.push(json!({
                "name": "scan", "description": "Return a recursive list if `true`", "in": "query",
                "schema": { "type": "string" },
            }));
        }
        if !query.is_empty() {
            value["parameters"] = json!(query);
        }
        value["responses"] = json!({ "200": { "description": "OK" } });
        value
    }
    fn writing(&mut self, mounted: &Mounted, spec: &PathSpec, operation: &OperationSpec, captures: &[&str]) -> Value {
        let mut value = operation_head(mounted, spec, operation.operation);
        let body: Vec<&FieldSpec> = operation.fields.iter().filter(|field| !captures.contains(&field.name)).collect();
        if !body.is_empty() {
            let name = format!("{}Request", pascal(&operation_id(mounted, spec, operation.operation)));
            self.schemas.entry(name.clone()).or_insert_with(|| schema(&body));
            let reference = format!("#/components/schemas/{name}");
            value["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": { "$ref": reference } } },
            });
        }
        value["responses"] = json!({ "200": { "description": "OK" } });
        value
    }
    /// The finished document.
    pub fn finish(mut self, version: &str) -> Value {
        self.paths.sort_keys();
        self.schemas.sort_keys();
        json!({
            "openapi": "3.0.2",
            "info": {
                "title": "Lessor API",
                "description": "HTTP API that gives you full access to Lessor. All API routes are prefixed with `/v1/`.",
                "version": version,
                "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            },
            "paths": self.paths,
            "components": { "schemas": self.schemas },
        })
    }
}

fn prefix(mounted: &Mounted) -> String {
    match mounted.entry.kind.as_str() {
        "system" => "system".to_owned(),
        kind => kind.to_owned(),
    }
}

/// What a GET may ask for beside what the path names.
#[derive(Clone, Copy)]
struct Lists {
    /// Whether it lists, and if so, whether it does that only.
    list: Option<bool>,
    scan: bool,
}

/// Kinds that are both engines and auth methods: the names of the methods' operations and bodies say so, or a document would
/// describe the one by the other.
const TWOFOLD: [&str; 5] = ["aws", "azure", "gcp", "kubernetes", "ldap"];

/// `kv-read-data-path`, `ldap-auth-read-config`; unique within an engine or method.
fn operation_id(mounted: &Mounted, spec: &PathSpec, operation: Operation) -> String {
    let verb = match operation {
        Operation::Read => "read",
        Operation::Create | Operation::Update => "write",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
        Operation::List => "list",
        Operation::Scan => "scan",
    };
    let words = segments(spec.pattern).map(|segment| match segment {
        Segment::Literal(text) => text.to_owned(),
        Segment::Capture(name) => name.to_owned(),
    });
    let method = mounted.entry.is_auth() && TWOFOLD.contains(&mounted.entry.kind.as_str());
    let head = [Some(prefix(mounted)), method.then(|| "auth".to_owned()), Some(verb.to_owned())];
    let words: Vec<String> = head.into_iter().flatten().chain(words).collect();
    words.join("-").replace(['_', '.'], "-")
}

fn pascal(id: &str) -> String {
    id.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}

fn operation_head(mounted: &Mounted, spec: &PathSpec, operation: Operation) -> Value {
    let tag = match mounted.entry.kind.as_str() {
        "system" => "system",
        "identity" => "identity",
        _ if mounted.entry.is_auth() => "auth",
        _ => "secrets",
    };
    json!({ "operationId": operation_id(mounted, spec, operation), "tags": [tag] })
}

fn path_parameter(spec: &PathSpec, name: &str) -> Value {
    let fields = spec.operations.iter().flat_map(|operation| operation.fields);
    let field = fields.clone().find(|field| field.name == name);
    json!({
        "name": name,
        "description": field.map_or("", |field| field.doc),
        "in": "path",
        "schema": { "type": "string" },
        "required": true,
    })
}

fn schema_type(kind: FieldKind) -> Value {
    match kind {
        FieldKind::String => json!({ "type": "string" }),
        FieldKind::Integer => json!({ "type": "integer" }),
        FieldKind::Float => json!({ "type": "number", "format": "float" }),
        FieldKind::Boolean => json!({ "type": "boolean" }),
        FieldKind::Duration => json!({ "type": "integer", "format": "seconds" }),
        FieldKind::StringList | FieldKind::CommaList => json!({ "type": "array", "items": { "type": "string" } }),
        FieldKind::KeyValues => json!({ "type": "object", "format": "kvpairs" }),
        FieldKind::Object => json!({ "type": "object", "format": "map" }),
        FieldKind::Any => json!({}),
    }
}

fn default(field: &FieldSpec) -> Option<Value> {
    let text = field.default?;
    Some(match field.kind {
        FieldKind::Boolean | FieldKind::Integer | FieldKind::Float => serde_json::from_str(text).unwrap_or(json!(text)),
        _ => json!(text),
    })
}

fn schema(fields: &[&FieldSpec]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut property = schema_type(field.kind);
        property["description"] = json!(field.doc);
        if let Some(default) = default(field) {
            property["default"] = default;
        }
        if field.secret {
            property["x-vault-displayAttrs"] = json!({ "sensitive": true });
        }
        properties.insert(field.name.to_owned(), property);
    }
    properties.sort_keys();
    let mut schema = json!({ "type": "object", "properties": properties });
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}
