//! Distinguished names as a directory writes them (RFC 4514), as far as the names of groups need it.

/// The types and values of a distinguished name, from the entry upwards; `None` for a text that is none.
fn parts(text: &str) -> Option<Vec<(String, String)>> {
    split(text).into_iter().map(|part| part.trim_start().split_once('=').and_then(pair)).collect()
}

/// At commas and pluses that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' | '+' => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}

fn pair((name, value): (&str, &str)) -> Option<(String, String)> {
    let name = name.trim();
    let is_type = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    Some((name.to_owned(), unescaped(value.trim_start())?)).filter(|_| is_type)
}

/// `\,` and `\2C` are a comma.
fn unescaped(value: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::new(), value.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = |bytes: &[u8]| u8::from_str_radix(std::str::from_utf8(bytes).ok()?, 16).ok();
        let (byte, used) = match (first, tail) {
            (b'\\', [a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => (hex(&tail[..2])?, 3),
            (b'\\', [next, ..]) => (*next, 2),
            (b'\\', []) => return None,
            (byte, _) => (*byte, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    String::from_utf8(out).ok()
}

/// The value of the first `cn=`; `None` where the text is no distinguished name, or has none.
pub(crate) fn common_name(dn: &str) -> Option<String> {
    parts(dn)?.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("cn")).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_a_part_of_a_name_is_none() {
        let name = |dn: &str| common_name(dn);
        assert_eq!(name("CN=devs,OU=groups").as_deref(), Some("devs"));
        assert_eq!(name("uid=a+cn=Bob B, ou=x").as_deref(), Some("Bob B"));
        assert_eq!(name(r"OU=a\,CN=admins,CN=Users").as_deref(), Some("Users"));
        assert_eq!(name(r"cn=a\2Cb\,c\C3\A9,dc=x").as_deref(), Some("a,b,cé"));
        assert_eq!(name("ops, cn=admins"), None);
        assert_eq!(name("ou=x"), None);
        assert_eq!(name(r"cn=x\"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn whatever_a_value_is_it_comes_back_out_of_its_escaped_form() {
        let letters: Vec<char> = "\\,+=cnCN2Gé\"<>;# \0".chars().collect();
        let mut seed: usize = 7;
        for _ in 0..20_000 {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                seed >> 33
            };
            let length = 1 + next() % 9;
            let value: String = (0..length).map(|_| letters[next() % letters.len()]).collect();
            let dn = format!("OU=a,CN={},CN=admins", lessor_directory::dn_escape(value.as_str()));
            assert_eq!(common_name(&dn).as_deref(), Some(value.as_str()), "{dn}");
            // Raw it may be anything, and is read without a panic.
            let _ = common_name(&format!("cn={value}"));
            let _ = common_name(&value);
        }
    }
}
