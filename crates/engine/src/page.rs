//! Lists a page at a time: `after` and `limit`, for every list of every engine (OpenBao has them on some).
use crate::{FieldError, Fields, Operation, Outcome, Params, Reply};
use serde_json::Value;

/// What a caller wants of a list.
#[derive(Params, Default)]
pub struct Page {
    /// Names behind this one only, in alphabetical order.
    after: String,
    /// At most so many names; all of them if 0 or less.
    limit: i64,
}

impl Page {
    /// Takes the page out of a request's parameters.
    ///
    /// # Errors
    /// When `limit` is no number.
    pub(crate) fn take(operation: Operation, raw: &mut Fields) -> Result<Self, FieldError> {
        if operation.is_list() { Self::parse(raw) } else { Ok(Self::default()) }
    }
    fn is_whole(&self) -> bool {
        self.after.is_empty() && self.limit <= 0
    }
    fn keep(&self, keys: &mut Vec<String>) {
        keys.sort_unstable();
        keys.retain(|key| *key > self.after);
        keys.truncate(usize::try_from(self.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX));
    }
    /// Leaves of a list what is on the page.
    pub(crate) fn cut(&self, reply: &mut Reply) {
        if self.is_whole() {
            return;
        }
        match &mut reply.outcome {
            Outcome::List(keys) => self.keep(keys),
            Outcome::Data(data) => {
                let Some(Value::Array(listed)) = data.get_mut("keys") else { return };
                let mut keys = listed.drain(..).filter_map(|key| key.as_str().map(str::to_owned)).collect();
                self.keep(&mut keys);
                if let Some(Value::Object(told)) = data.get_mut("key_info") {
                    told.retain(|key, _| keys.binary_search(key).is_ok());
                }
                reply.outcome = if keys.is_empty() {
                    Outcome::Missing(None)
                } else {
                    data.insert("keys".to_owned(), keys.into());
                    Outcome::Data(std::mem::take(data))
                };
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(after: &str, limit: i64) -> Page {
        Page { after: after.to_owned(), limit }
    }

    fn listed(page: &Page) -> Vec<String> {
        let mut reply = Reply::list(["b", "a/", "d", "c"].map(str::to_owned).to_vec());
        page.cut(&mut reply);
        let Outcome::List(keys) = reply.outcome else { panic!("no list") };
        keys
    }

    #[test]
    fn a_page_begins_behind_a_name_that_need_not_be_there_and_ends_at_the_limit() {
        assert_eq!(listed(&page("a/", 2)), ["b", "c"]);
        assert_eq!(listed(&page("bb", 0)), ["c", "d"]);
        assert_eq!(listed(&page("", -1)), ["b", "a/", "d", "c"], "a whole list stays as the engine made it");
        assert!(listed(&page("d", 5)).is_empty());
    }

    #[test]
    fn what_is_told_of_keys_is_cut_with_them() {
        let mut reply = Reply::data(json!({"keys": ["x", "y"], "key_info": {"x": 1, "y": 2}, "more": true}));
        page("x", 1).cut(&mut reply);
        let Outcome::Data(data) = &reply.outcome else { panic!("no data") };
        assert_eq!(Value::Object(data.clone()), json!({"keys": ["y"], "key_info": {"y": 2}, "more": true}));
        page("y", 1).cut(&mut reply);
        assert!(matches!(reply.outcome, Outcome::Missing(None)));
    }

    #[test]
    fn only_lists_have_pages_and_a_limit_is_a_number() {
        let mut raw = Fields::from_iter([("limit".to_owned(), json!("3")), ("other".to_owned(), json!(1))]);
        assert_eq!(Page::take(Operation::Read, &mut raw).unwrap().limit, 0);
        assert_eq!(Page::take(Operation::List, &mut raw).unwrap().limit, 3);
        assert_eq!(raw.keys().collect::<Vec<_>>(), ["other"]);
        raw.insert("limit".to_owned(), json!("many"));
        assert!(Page::take(Operation::Scan, &mut raw).is_err());
    }
}
