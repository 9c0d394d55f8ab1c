//! What a `storage "etcd"` stanza says.
use lessor_storage::Stanza;
use std::time::Duration;
use zeroize::Zeroizing;

/// Every field that is read, by the names that Vault's etcd storage has.
pub(crate) const FIELDS: &[&str] = &[
    "address",
    "path",
    "sync",
    "username",
    "password",
    "tls_ca_file",
    "tls_cert_file",
    "tls_key_file",
    "request_timeout",
    "etcd_api",
    "discovery_srv",
    // Without a meaning here.
    "lock_timeout",
    "discovery_srv_name",
    "ha_enabled",
    "max_receive_size",
];

/// PEM texts.
pub(crate) struct Tls {
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

/// The stanza, read.
pub(crate) struct Settings {
    /// URLs.
    pub(crate) addresses: Vec<String>,
    /// Begins every key; ends with a slash.
    pub(crate) path: String,
    /// Members of the cluster that were not named are used as well.
    pub(crate) sync: bool,
    pub(crate) login: Option<(String, Zeroizing<String>)>,
    pub(crate) tls: Tls,
    pub(crate) request_timeout: Duration,
}

impl Settings {
    /// Reads the stanza; variables of the environment win, as in Vault.
    pub(crate) fn read(stanza: &Stanza, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str, variable: &str| {
            environment(variable).filter(|text| !text.is_empty()).or_else(|| stanza.text(name).map(str::to_owned))
        };
        if stanza.text("etcd_api").is_some_and(|api| api.trim_start_matches('v') != "3") {
            return Err("etcd_api: only v3 is there".to_owned());
        }
        if stanza.text("discovery_srv").is_some() {
            return Err("discovery_srv is not supported: list the members in 'address', separated by commas".to_owned());
        }
        let addresses = text("address", "ETCD_ADDR").unwrap_or_else(|| "http://localhost:2379".to_owned());
        let addresses: Vec<String> =
            addresses.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        if let Some(bad) = addresses.iter().find(|one| !(one.starts_with("http://") || one.starts_with("https://"))) {
            return Err(format!("address {bad:?} is no URL: use http://host:2379 or https://host:2379"));
        }
        if addresses.is_empty() {
            return Err("'address' names no server".to_owned());
        }
        let path = stanza.text("path").unwrap_or("/lessor/");
        let username = text("username", "ETCD_USERNAME");
        let password = text("password", "ETCD_PASSWORD");
        let login = match (username, password) {
            (Some(name), Some(password)) => Some((name, Zeroizing::new(password))),
            (None, None) => None,
            _ => return Err("'username' and 'password' must be given together".to_owned()),
        };
        let identity = match (file(stanza, "tls_cert_file")?, file(stanza, "tls_key_file")?) {
            (Some(certificate), Some(key)) => Some((certificate, Zeroizing::new(key))),
            (None, None) => None,
            _ => return Err("'tls_cert_file' and 'tls_key_file' must be given together".to_owned()),
        };
        let tls = Tls { ca: file(stanza, "tls_ca_file")?, identity };
        if (tls.ca.is_some() || tls.identity.is_some()) && addresses.iter().any(|one| one.starts_with("http://")) {
            return Err("tls_* files are set but an address begins with http://: use https://".to_owned());
        }
        Ok(Self {
            addresses,
            path: format!("{}/", path.trim_end_matches('/')),
            sync: stanza.flag("sync")?.unwrap_or(true),
            login,
            tls,
            request_timeout: duration(stanza, "request_timeout")?.unwrap_or(Duration::from_secs(5)),
        })
    }
}

fn file(stanza: &Stanza, name: &str) -> Result<Option<Vec<u8>>, String> {
    let read = |path: &str| std::fs::read(path).map_err(|error| format!("{name}: cannot read {path}: {error}"));
    stanza.text(name).map(read).transpose()
}

fn duration(stanza: &Stanza, name: &str) -> Result<Option<Duration>, String> {
    let Some(text) = stanza.text(name) else { return Ok(None) };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        _ => 0,
    };
    match text[..digits].parse::<u32>() {
        Ok(number) if number > 0 && unit > 0 => Ok(Some(Duration::from_millis(u64::from(number) * unit))),
        _ => Err(format!("{name} must be a time like 5s, not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_of_vault_is_read() {
        let stanza = Stanza::new("etcd")
            .with("address", "https://a:2379, https://b:2379")
            .with("etcd_api", "v3")
            .with("path", "vault")
            .with("username", "u")
            .with("sync", "false")
            .with("request_timeout", "300ms");
        let settings = Settings::read(&stanza, &|name| (name == "ETCD_PASSWORD").then(|| "p".to_owned())).ok().unwrap();
        assert_eq!(settings.addresses, ["https://a:2379", "https://b:2379"]);
        assert_eq!((settings.path.as_str(), settings.sync), ("vault/", false));
        assert_eq!(settings.request_timeout, Duration::from_millis(300));
        assert!(settings.login.is_some());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (name, value, expected) in [
            ("address", "etcd:2379", "use http://host:2379"),
            ("address", ",", "names no server"),
            ("etcd_api", "v2", "only v3"),
            ("discovery_srv", "example.com", "list the members"),
            ("username", "u", "must be given together"),
            ("tls_cert_file", "/dev/null", "must be given together"),
            ("tls_ca_file", "/nowhere", "tls_ca_file: cannot read /nowhere"),
            ("tls_ca_file", "/dev/null", "use https://"),
            ("request_timeout", "soon", "request_timeout must be a time like 5s"),
            ("sync", "maybe", "sync must be true or false"),
        ] {
            let error = Settings::read(&Stanza::new("etcd").with(name, value), &|_| None).err().unwrap();
            assert!(error.contains(expected), "{error}");
        }
    }
}
