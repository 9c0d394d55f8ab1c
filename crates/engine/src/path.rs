//! An engine's endpoints, declared once as data, with the typed handlers behind them.
use crate::page::Page;
use crate::{Context, Error, FieldSpec, Fields, Params, Reply, Result};
use serde_json::Value;
use std::{future::Future, pin::Pin, sync::Arc};

/// What a request wants to do with a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Operation {
    /// GET.
    Read,
    /// POST or PUT of something that is not there yet (by the path's existence check).
    Create,
    /// POST or PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// LIST, or GET with `list=true`.
    List,
    /// SCAN, or GET with `scan=true`: a list of everything below, as deep as it goes (OpenBao).
    Scan,
}

impl Operation {
    /// The word of audit records and policies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Scan => "scan",
        }
    }
    /// Whether the answer is a list of names, and the path may end in `/`.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Scan)
    }
}

/// What it takes to be let in to a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// A token whose policies grant the operation.
    #[default]
    Token,
    /// The same, and the `sudo` capability.
    Sudo,
    /// Nobody is asked who they are (logins).
    Open,
}

/// Reads one name (an alias, a role) out of a login's parameters, captures included.
pub type NameOf = fn(&Fields) -> Option<String>;

/// Finds out the role of a login, from its parameters and what the method knows.
pub type RoleOf = Arc<dyn Fn(Context, Fields) -> BoxFuture<Option<String>> + Send + Sync>;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Handler = Arc<dyn Fn(Context, Fields) -> BoxFuture<Result<Reply>> + Send + Sync>;
type Exists = Arc<dyn Fn(Context, Fields) -> BoxFuture<Result<bool>> + Send + Sync>;

/// One operation of a path.
#[derive(Clone)]
pub struct OperationSpec {
    /// Which.
    pub operation: Operation,
    /// Its parameters, path captures included.
    pub fields: &'static [FieldSpec],
    handler: Handler,
    keeps_unknown: bool,
}

impl OperationSpec {
    /// Its parameters, and of a list those of its pages.
    pub fn parameters(&self) -> impl Iterator<Item = &'static FieldSpec> + Clone {
        let page = if self.operation.is_list() { Page::FIELDS } else { &[] };
        self.fields.iter().chain(page)
    }
}

/// One path: a pattern, its help and its operations.
#[derive(Clone)]
pub struct PathSpec {
    /// `roles/{name}`: literal segments and captures. `{name}` takes one name segment (word characters, `-`
    /// and `.` inside), `{name@}` also `@`, `{name:}` any one segment, `{path*}` everything that is left (may be empty),
    /// `{path+}` the same but not empty. Behind `{path+}` literal segments may follow (`library/{set+}/status`).
    pub pattern: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// What can be done with it.
    pub operations: Vec<OperationSpec>,
    /// Who is let in.
    pub access: Access,
    /// Who logs in here, before it is known whether they may: core refuses those who are locked out.
    pub login_alias: Option<NameOf>,
    /// By which role they log in; quotas ask.
    pub login_role: Option<RoleOf>,
    exists: Option<(&'static [FieldSpec], Exists)>,
}

impl PathSpec {
    /// Whether the path tells creating from updating.
    pub fn has_existence_check(&self) -> bool {
        self.exists.is_some()
    }
}

/// Collects the paths of an engine `E`.
pub struct Paths<E> {
    engine: Arc<E>,
    specs: Vec<PathSpec>,
}

/// Adds operations to one path.
pub struct PathBuilder<E> {
    engine: Arc<E>,
    spec: PathSpec,
}

impl<E: Send + Sync + 'static> Paths<E> {
    /// No paths yet.
    pub fn new(engine: Arc<E>) -> Self {
        Self { engine, specs: Vec::new() }
    }
    /// Declares a path.
    #[must_use]
    pub fn path(
        mut self,
        pattern: &'static str,
        help: &'static str,
        build: impl FnOnce(PathBuilder<E>) -> PathBuilder<E>,
    ) -> Self {
        let spec = PathSpec {
            pattern,
            help,
            operations: Vec::new(),
            access: Access::Token,
            login_alias: None,
            login_role: None,
            exists: None,
        };
        self.specs.push(build(PathBuilder { engine: Arc::clone(&self.engine), spec }).spec);
        self
    }
    /// The finished table. Where several patterns match, the first declared wins.
    pub fn build(self) -> PathTable {
        PathTable { specs: self.specs.into() }
    }
}

impl<E: Send + Sync + 'static> PathBuilder<E> {
    /// Answers `operation` with `handler`, an `async fn(Arc<E>, Context, P) -> Result<Reply>`.
    #[must_use]
    pub fn on<P, H, F>(mut self, operation: Operation, handler: H) -> Self
    where
        P: Params,
        H: Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        let engine = Arc::clone(&self.engine);
        let call: Handler = Arc::new(move |cx, mut raw| match P::parse(&mut raw) {
            Ok(params) => Box::pin(handler(Arc::clone(&engine), cx, params)),
            Err(error) => Box::pin(std::future::ready(Err(Error::from(error)))),
        });
        self.spec.operations.push(OperationSpec {
            operation,
            fields: P::FIELDS,
            handler: call,
            keeps_unknown: P::KEEPS_UNKNOWN,
        });
        self
    }
    /// Asks for the `sudo` capability too.
    #[must_use]
    pub fn sudo(mut self) -> Self {
        self.spec.access = Access::Sudo;
        self
    }
    /// Lets everybody in.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.spec.access = Access::Open;
        self
    }
    /// Makes this a login whose failures count against the alias that `alias` reads out of the parameters.
    #[must_use]
    pub fn locks_out(mut self, alias: NameOf) -> Self {
        self.spec.login_alias = Some(alias);
        self
    }
    /// Tells by which role somebody logs in here.
    #[must_use]
    pub fn login_role(self, role: NameOf) -> Self {
        self.login_role_by(move |_, _, raw| std::future::ready(role(&raw)))
    }
    /// The same where the parameters alone do not name the role.
    #[must_use]
    pub fn login_role_by<F>(mut self, role: impl Fn(Arc<E>, Context, Fields) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        let engine = Arc::clone(&self.engine);
        self.spec.login_role = Some(Arc::new(move |cx, raw| Box::pin(role(Arc::clone(&engine), cx, raw))));
        self
    }
    /// GET.
    #[must_use]
    pub fn read<P: Params, F>(self, handler: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        self.on(Operation::Read, handler)
    }
    /// POST and PUT. Without [`PathBuilder::exists`] every write is an update.
    #[must_use]
    pub fn write<P: Params, F>(self, handler: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        self.on(Operation::Update, handler)
    }
    /// PATCH.
    #[must_use]
    pub fn patch<P: Params, F>(self, handler: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        self.on(Operation::Patch, handler)
    }
    /// DELETE.
    #[must_use]
    pub fn delete<P: Params, F>(self, handler: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        self.on(Operation::Delete, handler)
    }
    /// LIST.
    #[must_use]
    pub fn list<P: Params, F>(self, handler: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        self.on(Operation::List, handler)
    }
    /// SCAN.
    #[must_use]
    pub fn scan<P: Params, F>(self, handler: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        self.on(Operation::Scan, handler)
    }
    /// Tells whether what the path names is there: decides between the `create` and `update` capability.
    #[must_use]
    pub fn exists<P: Params, F>(mut self, check: impl Fn(Arc<E>, Context, P) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<bool>> + Send + 'static,
    {
        let engine = Arc::clone(&self.engine);
        let check: Exists = Arc::new(move |cx, mut raw| match P::parse(&mut raw) {
            Ok(params) => Box::pin(check(Arc::clone(&engine), cx, params)),
            Err(error) => Box::pin(std::future::ready(Err(Error::from(error)))),
        });
        self.spec.exists = Some((P::FIELDS, check));
        self
    }
}

/// The declared paths of a backend.
#[derive(Clone)]
pub struct PathTable {
    specs: Arc<[PathSpec]>,
}

/// A path that matched, with what it captured.
pub struct Matched {
    specs: Arc<[PathSpec]>,
    at: usize,
    /// Captured segments by name.
    pub captures: Vec<(&'static str, String)>,
}

impl PathTable {
    /// All declarations, in order.
    pub fn specs(&self) -> &[PathSpec] {
        &self.specs
    }
    /// The first declaration that matches `path` (relative to the mount).
    pub fn find(&self, path: &str) -> Option<Matched> {
        self.specs.iter().enumerate().find_map(|(at, spec)| {
            // A trailing slash is what a list request leaves behind a fixed path, and nothing else may.
            let lists = || spec.operations.iter().any(|known| known.operation.is_list());
            let fits = !path.ends_with('/') || spec.pattern.contains("*}") || spec.pattern.contains("+}") || lists();
            let captures = fits.then(|| captures(spec.pattern, path)).flatten()?;
            Some(Matched { specs: Arc::clone(&self.specs), at, captures })
        })
    }
}

impl Matched {
    /// The declaration.
    pub fn spec(&self) -> &PathSpec {
        &self.specs[self.at]
    }
    /// The operation's declaration; `Create` falls back to `Update`.
    pub fn operation(&self, operation: Operation) -> Option<&OperationSpec> {
        let wanted = if operation == Operation::Create { Operation::Update } else { operation };
        self.spec().operations.iter().find(|spec| spec.operation == wanted)
    }
    /// Whether the path tells creating from updating.
    pub fn has_existence_check(&self) -> bool {
        self.spec().has_existence_check()
    }
    /// Whether what the path names is there.
    ///
    /// # Errors
    /// When the check itself fails.
    pub async fn exists(&self, cx: Context, raw: &Fields) -> Result<bool> {
        let Some((fields, check)) = &self.spec().exists else { return Ok(true) };
        let given = fields.iter().filter_map(|field| raw.get_key_value(field.name));
        let mut asked: Fields = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.capture_into(&mut asked);
        check(cx, asked).await
    }
    /// Puts the captures over body values; returns the names of body values they replaced.
    pub fn capture_into(&self, raw: &mut Fields) -> Vec<&'static str> {
        let mut replaced = Vec::new();
        for (name, value) in &self.captures {
            if raw.insert((*name).to_owned(), Value::String(value.clone())).is_some() {
                replaced.push(*name);
            }
        }
        replaced
    }
    /// Where it has to be found out first whether something exists, a parameter that does not fit is refused there,
    /// without the words that are put before it everywhere else.
    fn as_vault_words_it(&self, operation: &OperationSpec, error: Error) -> Error {
        match error {
            Error::Invalid(text) if self.has_existence_check() && operation.operation == Operation::Update => {
                Error::Invalid(text.strip_prefix("Field validation failed: ").map(str::to_owned).unwrap_or(text))
            }
            other => other,
        }
    }
    /// Runs the operation.
    ///
    /// # Errors
    /// What the handler says, or a parameter that does not fit.
    pub async fn call(&self, operation: &OperationSpec, cx: Context, mut raw: Fields) -> Result<Reply> {
        let page = Page::take(operation.operation, &mut raw)?;
        let replaced = self.capture_into(&mut raw);
        let mut unknown: Vec<String> = Vec::new();
        if !operation.keeps_unknown {
            let known = |name: &str| operation.fields.iter().any(|field| field.name == name);
            let captured = |name: &str| self.captures.iter().any(|(captured, _)| *captured == name);
            unknown = raw.keys().filter(|name| !known(name) && !captured(name)).cloned().collect();
            unknown.sort_unstable();
        }
        let mut reply = (operation.handler)(cx, raw).await.map_err(|error| self.as_vault_words_it(operation, error))?;
        page.cut(&mut reply);
        let answers = !matches!(reply.outcome, crate::Outcome::Empty | crate::Outcome::Missing(None));
        if !unknown.is_empty() && answers {
            reply.warnings.push(format!("Endpoint ignored these unrecognized parameters: [{}]", unknown.join(" ")));
        }
        if !replaced.is_empty() && answers {
            reply.warnings.push(format!(
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [{}]",
                replaced.join(" ")
            ));
        }
        Ok(reply)
    }
}

fn captures(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    let mut rest = Some(path);
    for segment in pattern.split('/') {
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("*}")) {
            found.push((name, rest.unwrap_or_default().to_owned()));
            return Some(found);
        }
        let text = rest?;
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("+}")) {
            let behind = pattern.split_once(segment).map_or("", |(_, behind)| behind);
            let text = text.strip_suffix(behind).filter(|text| !text.is_empty())?;
            found.push((name, text.to_owned()));
            return Some(found);
        }
        let (head, tail) = text.split_once('/').map_or((text, None), |(head, tail)| (head, Some(tail)));
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix(":}")) {
            (!head.is_empty()).then(|| found.push((name, head.to_owned())))?;
        } else if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("@}")) {
            is_name(head, true).then(|| found.push((name, head.to_owned())))?;
        } else if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            is_name(head, false).then(|| found.push((name, head.to_owned())))?;
        } else if head != segment {
            return None;
        }
        rest = tail;
    }
    rest.is_none_or(str::is_empty).then_some(found)
}

/// `\w(([\w-.]+)?\w)?`, Vault's name pattern; with `at` also `@` inside.
fn is_name(text: &str, at: bool) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inner = |c: char| word(c) || c == '-' || c == '.' || (at && c == '@');
    text.chars().next().is_some_and(word) && text.chars().next_back().is_some_and(word) && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &'static str, path: &str) -> Option<Vec<String>> {
        captures(pattern, path).map(|found| found.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn names_keep_to_vaults_pattern() {
        assert_eq!(names("roles/{name}", "roles/a.b-c_d").unwrap(), ["a.b-c_d"]);
        assert!(names("roles/{name}", "roles/-a").is_none());
        assert!(names("roles/{name}", "roles/a/b").is_none());
        assert!(names("roles/{name}", "roles/a@b").is_none());
        assert_eq!(names("roles/{name@}", "roles/a@b").unwrap(), ["a@b"]);
        assert_eq!(names("cert/{serial:}/raw", "cert/1a:2b/raw").unwrap(), ["1a:2b"]);
        assert!(names("cert/{serial:}/raw", "cert//raw").is_none());
    }

    #[test]
    fn rest_captures_take_slashes() {
        assert_eq!(names("data/{path*}", "data/a/b").unwrap(), ["a/b"]);
        assert_eq!(names("data/{path*}", "data/").unwrap(), [""]);
        assert!(names("data/{path+}", "data/").is_none());
        assert_eq!(names("{path*}", "").unwrap(), [""]);
        assert_eq!(names("set/{name+}/status", "set/a/b/status").unwrap(), ["a/b"]);
        assert!(names("set/{name+}/status", "set/a/b").is_none());
        assert!(names("set/{name+}/status", "set/status").is_none());
        assert_eq!(names("roles", "roles/").unwrap(), [""; 0]);
    }
}
