//! The path of a rule: exact, a prefix, or with `+` for whole segments; and which of several that match counts.
use std::cmp::{Ordering, Reverse};

/// A path pattern. `*` means something at the very end only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    /// This path.
    Exact(String),
    /// Everything that begins so.
    Prefix(String),
    /// `+` stands for one whole segment.
    Segments(Segments),
}

/// A pattern with `+` in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Segments {
    /// Without the `*` at the end.
    text: String,
    /// `None` for `+`.
    parts: Vec<Option<String>>,
    /// Whether it ended in `*`.
    open: bool,
    first_wildcard: usize,
    wildcards: usize,
}

/// What decides between patterns that match the same path; the greatest counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority<'a> {
    first_wildcard: usize,
    closed: bool,
    wildcards: Reverse<usize>,
    length: usize,
    text: &'a str,
}

impl Pattern {
    /// Refuses what has no meaning.
    ///
    /// # Errors
    /// Vault's words.
    pub fn check(path: &str) -> Result<(), &'static str> {
        if path.contains("+*") { Err("invalid use of wildcards ('+*' is forbidden)") } else { Ok(()) }
    }
    /// Reads a whole path, namespace included.
    pub fn read(path: &str) -> Self {
        // Vault's test, which also takes `/+a` for a wildcard; such a segment matches only itself.
        if path == "+" || path.contains("/+") || path.starts_with("+/") {
            let (text, open) = path.strip_suffix('*').map_or((path, false), |text| (text, true));
            let parts: Vec<_> = text.split('/').map(|part| (part != "+").then(|| part.to_owned())).collect();
            return Self::Segments(Segments {
                first_wildcard: text.find('+').unwrap_or(text.len()),
                wildcards: parts.iter().filter(|part| part.is_none()).count(),
                text: text.to_owned(),
                parts,
                open,
            });
        }
        match path.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(path.to_owned()),
        }
    }
}

impl Segments {
    /// As it is shown.
    pub fn written(&self) -> String {
        format!("{}{}", self.text, if self.open { "*" } else { "" })
    }
    pub fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let last = self.parts.len() - 1;
        for (at, part) in self.parts.iter().enumerate() {
            let Some(segment) = segments.next() else { return false };
            let fits = match part {
                None => true,
                Some(text) if self.open && at == last => segment.starts_with(text.as_str()),
                Some(text) => segment == text,
            };
            if !fits {
                return false;
            }
        }
        self.open || segments.next().is_none()
    }
    /// Whether something below `folder` (which ends in a slash) can match.
    pub fn reaches_below(&self, folder: &str) -> bool {
        let mut segments = folder.trim_end_matches('/').split('/');
        let fits = |part: &Option<String>, segment: &str| part.as_ref().is_none_or(|text| text == segment);
        let Some((last, before)) = self.parts.split_last() else { return false };
        for part in before {
            match segments.next() {
                None => return true,
                Some(segment) if fits(part, segment) => {}
                Some(_) => return false,
            }
        }
        // The last part names something inside the folder, or begins the name of the folder itself.
        match (segments.next(), last) {
            (None, _) => true,
            (Some(segment), Some(text)) => self.open && segment.starts_with(text.as_str()),
            (Some(_), None) => false,
        }
    }
    pub fn priority(&self) -> Priority<'_> {
        Priority {
            first_wildcard: self.first_wildcard,
            closed: !self.open,
            wildcards: Reverse(self.wildcards),
            length: self.text.len(),
            text: &self.text,
        }
    }
    /// The one that counts first.
    pub fn most_specific_first(&self, other: &Self) -> Ordering {
        other.priority().cmp(&self.priority())
    }
}

impl<'a> Priority<'a> {
    pub fn of_prefix(prefix: &'a str) -> Self {
        Self { first_wildcard: prefix.len(), closed: false, wildcards: Reverse(0), length: prefix.len(), text: prefix }
    }
}
