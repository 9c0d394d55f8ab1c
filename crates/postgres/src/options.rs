//! The part of a connection text that the driver does not read itself: how TLS is used.

/// Options that the driver does not know.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) mode: Option<String>,
    pub(crate) root_cert: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
}

impl Options {
    /// Whether the option is taken here (or means nothing to Lessor) instead of by the driver.
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.mode = Some(value.to_owned()),
            "sslrootcert" => self.root_cert = Some(value.to_owned()),
            "sslcert" => self.cert = Some(value.to_owned()),
            "sslkey" => self.key = Some(value.to_owned()),
            // Other drivers' tuning; the session's time zone does not matter because every time sent names its own.
            "timezone"
            | "TimeZone"
            | "sslpassword"
            | "sslsni"
            | "default_query_exec_mode"
            | "statement_cache_capacity"
            | "fallback_application_name"
            | "binary_parameters" => {}
            _ => return false,
        }
        true
    }
}

/// Takes them out of `postgresql://...?key=value&...`.
pub(crate) fn take_url_options(url: &str) -> (String, Options) {
    let mut options = Options::default();
    let Some((head, query)) = url.split_once('?') else { return (url.to_owned(), options) };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            !pair.is_empty() && !options.take(key, &percent_decode(value))
        })
        .collect();
    let rest = if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) };
    (rest, options)
}

/// `key=value key='quoted value'`, as libpq writes it.
pub(crate) fn take_pairs(text: &str) -> (String, Options) {
    let (mut options, mut rest) = (Options::default(), String::new());
    let mut left = text.trim_start();
    while let Some((key, after)) = left.split_once('=') {
        let after = after.trim_start();
        let (mut end, mut value, mut quoted, mut escaped) = (after.len(), String::new(), false, false);
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '\'' => quoted = !quoted,
                c if c.is_whitespace() && !quoted => {
                    end = at;
                    break;
                }
                c => value.push(c),
            }
        }
        if !options.take(key.trim(), &value) {
            rest.push_str(&format!("{}={} ", key.trim(), &after[..end]));
        }
        left = after[end..].trim_start();
    }
    // What is left has no "=": the driver refuses it.
    rest.push_str(left);
    (rest, options)
}

fn percent_decode(text: &str) -> String {
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    let raw = text.as_bytes();
    while at < raw.len() {
        let hex = (raw[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            at += 3;
        } else {
            bytes.push(raw[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
