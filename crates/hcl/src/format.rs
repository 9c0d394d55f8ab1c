//! The one way to lay a document out: what `policy fmt` writes.
//!
//! Objects and attributes keep their order, texts and comments; lines, indents and the alignment of `=`
//! are set anew. Attributes on lines that follow each other stay together, anything else is set apart by
//! an empty line.
mod layout;
mod pieces;

use crate::{Error, Result, Span, parser};

/// Lays an HCL document out anew.
///
/// # Errors
/// The first fault found, as [`crate::parse`] reports it; JSON is no HCL here.
pub fn format(text: &str) -> Result<String> {
    // The byte order mark that some editors leave is no part of the document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    if text.trim_start().starts_with('{') {
        return Err(Error::at(Span { offset: 0, line: 1, column: 1 }, "expected: IDENT | STRING got: LBRACE"));
    }
    let before = parser::parse(&text)?;
    let entries = pieces::entries(&text)?;
    let out = layout::document(&entries);
    // Whatever this module gets wrong must not change what a document says.
    if parser::parse(&out)?.to_json() != before.to_json() {
        return Err(Error::at(Span::default(), "the document cannot be laid out without changing it"));
    }
    Ok(out)
}

/// What stands in a body, in its order.
enum Entry<'a> {
    /// Comments with an empty line around them.
    Comments(Vec<&'a str>),
    Item(Item<'a>),
}

struct Item<'a> {
    /// Comments right above it.
    lead: Vec<&'a str>,
    /// Keys and labels as they were written.
    keys: Vec<&'a str>,
    assigned: bool,
    value: Value<'a>,
    /// A comment behind it on its last line.
    trail: Option<&'a str>,
    /// Where its first key stands.
    line: usize,
}

enum Value<'a> {
    /// As it was written.
    Literal(&'a str),
    List {
        elements: Vec<Element<'a>>,
        /// Comments behind the last element.
        tail: Vec<&'a str>,
        /// Whether an element stood on another line than the bracket.
        broken: bool,
    },
    Object(Vec<Entry<'a>>),
}

struct Element<'a> {
    lead: Vec<&'a str>,
    value: Value<'a>,
    trail: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn attributes_that_follow_each_other_are_aligned_and_others_set_apart() {
        let text = "path \"a\" {\n  capabilities = [\"create\",\"update\"] # why\n  min_wrapping_ttl=\"1s\"\n\n  allowed_parameters = {\n \"foo\" = []\n \"longer\" = [\"a\",\n\"b\"]\n }\n}\npath \"b\" { capabilities=[\"read\"] }\n";
        let want = "path \"a\" {\n  capabilities     = [\"create\", \"update\"] # why\n  min_wrapping_ttl = \"1s\"\n\n  allowed_parameters = {\n    \"foo\" = []\n\n    \"longer\" = [\n      \"a\",\n      \"b\",\n    ]\n  }\n}\n\npath \"b\" {\n  capabilities = [\"read\"]\n}\n";
        assert_eq!(format(text).unwrap(), want);
        assert_eq!(format(want).unwrap(), want, "a second run changes nothing");
    }

    #[test]
    fn a_comment_may_begin_with_what_ends_another() {
        for text in ["/*/**/#", "/*/ a */\nb=1"] {
            let laid_out = format(text).unwrap();
            assert_eq!(format(&laid_out).unwrap(), laid_out);
        }
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        assert_eq!(format("\u{feff}a=1").unwrap(), format("a=1").unwrap());
    }

    #[test]
    fn comments_stay_where_they_were() {
        let text = "# head\n\n# lead\npath \"a\" {\n # inner\n capabilities = [\n # why\n \"read\", # r\n \"list\"\n ]\n # alone\n\n # tail\n}\n/* block */\npath \"b\" {}\n# end\n";
        let want = "# head\n\n# lead\npath \"a\" {\n  # inner\n  capabilities = [\n    # why\n    \"read\", # r\n\n    \"list\",\n  ]\n\n  # alone\n\n  # tail\n}\n\n/* block */\npath \"b\" {}\n\n# end\n";
        assert_eq!(format(text).unwrap(), want);
    }

    #[test]
    fn empty_objects_stay_on_their_lines_and_heredocs_keep_theirs() {
        assert_eq!(format("path \"c\" {}\npath \"d\" {\n}").unwrap(), "path \"c\" {}\npath \"d\" {}\n");
        let text = "path \"a\" {\n  comment = <<EOT\n hi\nEOT\n}\n";
        assert_eq!(format(text).unwrap(), text);
    }

    #[test]
    fn what_is_no_hcl_is_refused() {
        for bad in ["path \"a\" {", "{\"path\":{}}", "a = = b"] {
            assert!(format(bad).is_err(), "{bad}");
        }
    }
}
