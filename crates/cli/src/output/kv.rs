//! The titled sections of the `kv` commands.

use serde_json::Value;

use super::{data_rows, key_value};

/// A title centred in equals signs for a table of `data`.
pub fn title_for(title: &str, data: &Value) -> String {
    let longest = data.as_object().into_iter().flatten().map(|(key, _)| key.len()).max();
    // Four spaces between the columns and the five letters of "Value".
    title_of(title, longest.unwrap_or(0) + 9)
}

/// A title centred in `width`, with at least two signs on each side.
pub fn title_of(title: &str, width: usize) -> String {
    let left = width.saturating_sub(title.len() + 2);
    let signs = if left == 0 { 4 } else { left };
    let side = "=".repeat(signs.div_ceil(2));
    format!("{side} {title} {side}")
}

/// One titled table.
pub fn section(title: &str, data: &Value) -> String {
    format!("{}\n{}", title_for(title, data), key_value(&data_rows(data)))
}

/// The section that names the full path.
pub fn path_section(title: &str, path: &str) -> String {
    format!("{}\n{path}\n", title_of(title, path.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn titles_are_as_wide_as_their_table_allows() {
        assert_eq!(title_of("Secret Path", "secret/data/foo".len()), "= Secret Path =");
        let meta = json!({"created_time": "", "custom_metadata": null});
        assert_eq!(title_for("Metadata", &meta), "======= Metadata =======");
        assert_eq!(title_for("Data", &json!({"a": 1})), "== Data ==");
    }
}
