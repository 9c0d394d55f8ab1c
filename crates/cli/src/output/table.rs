//! Left-aligned columns four spaces apart, the last one unpadded.

/// What stands between two columns.
const GAP: &str = "    ";

/// Without white space around it: a PEM text's last line end is not the table's.
fn cell(text: &str) -> &str {
    let text = text.trim();
    if text.is_empty() { "n/a" } else { text }
}

/// A header, dashes below it, and rows.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    spaced(header, rows, GAP)
}

/// [`columns`] with something else between two columns.
pub fn spaced(header: &[&str], rows: &[Vec<String>], gap: &str) -> String {
    let mut all: Vec<Vec<&str>> = vec![header.to_vec()];
    let dashes: Vec<String> = header.iter().map(|name| "-".repeat(name.chars().count())).collect();
    all.push(dashes.iter().map(String::as_str).collect());
    all.extend(rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()));
    align(&all, gap)
}

/// The `Key` and `Value` table.
pub fn key_value(rows: &[(String, String)]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|(k, v)| vec![k.clone(), v.clone()]).collect();
    columns(&["Key", "Value"], &rows)
}

/// Rows without a header.
pub fn plain(rows: &[(String, String)]) -> String {
    let rows: Vec<Vec<&str>> = rows.iter().map(|(key, value)| vec![cell(key), cell(value)]).collect();
    align(&rows, GAP)
}

fn align(rows: &[Vec<&str>], gap: &str) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let lines = rows.iter().map(|row| {
        let mut line = String::new();
        for (index, text) in row.iter().enumerate() {
            line.push_str(text);
            if index + 1 < row.len() {
                line.push_str(&" ".repeat(widths[index].saturating_sub(text.chars().count())));
                line.push_str(gap);
            }
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Breaks a text at white space so that no line is longer than `width` where that is possible.
pub fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_four_spaces_apart_and_the_last_is_unpadded() {
        let rows = [("lease_id".to_owned(), "a/b".to_owned()), ("x".to_owned(), String::new())];
        assert_eq!(key_value(&rows), "Key         Value\n---         -----\nlease_id    a/b\nx           n/a");
    }

    #[test]
    fn a_list_has_dashes_as_wide_as_its_header() {
        assert_eq!(columns(&["Keys"], &[vec!["a".into()], vec!["b/".into()]]), "Keys\n----\na\nb/");
    }

    #[test]
    fn long_warnings_are_broken_at_spaces() {
        assert_eq!(wrap("* aaa bbb ccc", 9), "* aaa bbb\nccc");
    }
}
