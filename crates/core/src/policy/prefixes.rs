//! The longest prefix of a path among many: a sorted list, a binary search, and at most as many steps as prefixes
//! lie inside each other.

/// Values by prefix.
#[derive(Debug)]
pub(super) struct Prefixes<T> {
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    prefix: String,
    /// The longest other prefix that this one begins with.
    shorter: Option<usize>,
    value: T,
}

impl<T> Prefixes<T> {
    pub fn new(values: impl IntoIterator<Item = (String, T)>) -> Self {
        let mut sorted: Vec<(String, T)> = values.into_iter().collect();
        sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut entries: Vec<Entry<T>> = Vec::with_capacity(sorted.len());
        for (prefix, value) in sorted {
            let mut shorter = entries.len().checked_sub(1);
            while let Some(at) = shorter.filter(|at| !prefix.starts_with(&entries[*at].prefix)) {
                shorter = entries[at].shorter;
            }
            entries.push(Entry { prefix, shorter, value });
        }
        Self { entries }
    }
    /// The longest prefix of `path`.
    pub fn longest(&self, path: &str) -> Option<(&str, &T)> {
        // Every prefix of `path` sorts at or before it, and the last of those begins with all of them.
        let mut at = self.entries.partition_point(|entry| entry.prefix.as_str() <= path).checked_sub(1);
        while let Some(entry) = at.map(|at| &self.entries[at]) {
            if path.starts_with(&entry.prefix) {
                return Some((&entry.prefix, &entry.value));
            }
            at = entry.shorter;
        }
        None
    }
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|entry| (entry.prefix.as_str(), &entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_is_found_among_all_short_texts() {
        let letters = ["a", "b", "/"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer: Vec<String> = texts.iter().flat_map(|t| letters.map(|l| format!("{t}{l}"))).collect();
            texts.extend(longer);
        }
        texts.sort_unstable();
        texts.dedup();
        for step in 1..7 {
            let chosen: Vec<String> = texts.iter().step_by(step).cloned().collect();
            let prefixes = Prefixes::new(chosen.iter().map(|text| (text.clone(), ())));
            for path in &texts {
                let naive = chosen.iter().filter(|p| path.starts_with(p.as_str())).max_by_key(|p| p.len());
                assert_eq!(prefixes.longest(path).map(|(p, ())| p), naive.map(String::as_str), "{path}");
            }
        }
    }
}
