//! The engines that the peer has too: the same requests to both servers, and the same answers, but for the differences
//! that `docs/compatibility.md` lists.
mod database;
mod jwt;
mod kubernetes;
mod kv;
mod normal;
mod pages;
mod pki;
mod rabbitmq;
mod ssh;

use crate::lessor::Lessor;
use crate::targets::peer::Peer;
use normal::normal;
use serde_json::Value;
use std::process::Command;

/// Fields that Vault has and the peer does not.
const VAULTS: [&str; 23] = [
    "challenge_excluded_ip_ranges",
    "challenge_permitted_ip_ranges",
    "disable_automated_rotation",
    "jwks_pairs",
    "last_auto_tidy_finished",
    "last_vault_rotation",
    "max_crl_entries",
    "max_startup_backoff_duration",
    "max_ttl",
    "min_startup_backoff_duration",
    "next_vault_rotation",
    "root_rotation_statements",
    "rotation_period",
    "rotation_policy",
    "rotation_schedule",
    "rotation_window",
    "running_plugin_version",
    "serial_number_source",
    "skip_import_rotation",
    "skip_static_role_import_rotation",
    "unsupported_critical_cert_extensions",
    "use_annotations_as_alias_metadata",
    "verify_connection",
];

const DOCUMENT: &str = include_str!("../../../docs/compatibility.md");

/// What a server said: status and normalised body.
#[derive(PartialEq, Eq, Debug, Clone)]
pub struct Answer {
    status: u16,
    body: Value,
}

/// The peer and Lessor, and what they have disagreed about so far.
pub struct Both {
    peer: Peer,
    lessor: Lessor,
    /// Words that are different by nature: in the peer's answers, in Lessor's.
    hidden: Vec<(String, String)>,
    /// What requests call by a name, `$name`: its name, and what it is at the peer and at Lessor.
    kept: Vec<(String, String, String)>,
    /// Fields that chance or the build decide, wherever they stand in an answer.
    chance: &'static [&'static str],
    /// Fields that only one of both has, wherever they stand.
    ignored: &'static [&'static str],
    pairs: usize,
    faults: Vec<String>,
}

fn send(address: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    send_as(address, "root", &[], method, path, body)
}

fn send_as(address: &str, token: &str, headers: &[&str], method: &str, path: &str, body: &str) -> (u16, Value) {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let mut curl = Command::new("curl");
    curl.args(["-s", "-g", "-w", "\n%{http_code}", "-X", method, "-H"]);
    curl.arg(format!("X-Vault-Token: {token}")).args(["-H", &format!("Content-Type: {kind}")]);
    for header in headers {
        curl.args(["-H", header]);
    }
    if !body.is_empty() {
        curl.args(["-d", body]);
    }
    let output = curl.arg(format!("{address}/v1/{path}")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    let body = if body.trim().is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    (status.parse().unwrap(), body)
}

/// Takes out of Lessor's `data` what only Vault has beside it.
fn without_vaults(ours: &mut Answer, theirs: &Answer) {
    let Some(Value::Object(data)) = ours.body.get_mut("data") else { return };
    let Some(Value::Object(known)) = theirs.body.get("data") else { return };
    data.retain(|name, _| known.contains_key(name) || !VAULTS.contains(&name.as_str()));
}

/// Takes the fields out that are not to be compared.
fn simplify(value: &mut Value, chance: &[&str], ignored: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !ignored.contains(&name.as_str()));
            for (name, value) in map.iter_mut() {
                let set = value.as_str().is_some_and(|text| !text.is_empty()) || value.is_number();
                if chance.contains(&name.as_str()) && set {
                    *value = Value::from("<chance>");
                }
                simplify(value, chance, ignored);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| simplify(item, chance, ignored)),
        _ => {}
    }
}

impl Both {
    pub async fn start() -> Self {
        let (peer, lessor) = (Peer::start(), Lessor::dev().await);
        let mut both = Self {
            peer,
            lessor,
            hidden: Vec::new(),
            kept: Vec::new(),
            chance: &[],
            ignored: &[],
            pairs: 0,
            faults: Vec::new(),
        };
        both.hide("OpenBao CLI, use 'bao", "Vault CLI, use 'vault");
        // The display name of the root token that dev mode is told.
        both.hide("v-token-", "v-root-");
        both
    }

    /// Takes these two words for the same.
    pub fn hide(&mut self, peer: &str, lessor: &str) {
        self.hidden.push((peer.to_owned(), lessor.to_owned()));
    }

    /// Compares without these fields: those that chance or the build decide, and those that only one of both has.
    pub fn without(&mut self, chance: &'static [&'static str], ignored: &'static [&'static str]) {
        (self.chance, self.ignored) = (chance, ignored);
    }

    /// Asks both and keeps a part of their answers under a name, for requests to come.
    pub fn keep(&mut self, name: &str, request: (&str, &str, &str), pointer: &str) {
        self.keep_parts(request, &[(name, pointer)]);
    }

    /// The same with several parts of one answer of each; what they are at both is given back.
    pub fn keep_parts(
        &mut self,
        (method, path, body): (&str, &str, &str),
        parts: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let (path, body) = (self.filled(path), self.filled(body));
        let wraps = parts.iter().any(|(_, pointer)| pointer.starts_with("/wrap_info/"));
        let header = if wraps { &["X-Vault-Wrap-TTL: 5m"][..] } else { &[] };
        let ask = |address: &str, path: &str, body: &str| send_as(address, "root", header, method, path, body);
        let answers = (ask(&self.peer.address, &path.0, &body.0), ask(&self.lessor.address, &path.1, &body.1));
        let part = |(status, answer): &(u16, Value), pointer: &str| {
            let part = answer.pointer(pointer).and_then(Value::as_str);
            part.unwrap_or_else(|| panic!("{method} {status} {answer} has no {pointer}")).replace('\n', "\\n")
        };
        let mut found = Vec::new();
        for (name, pointer) in parts {
            let (peer, lessor) = (part(&answers.0, pointer), part(&answers.1, pointer));
            self.hidden.push((peer.clone(), lessor.clone()));
            self.kept.push((format!("${name}"), peer.clone(), lessor.clone()));
            found.push((peer, lessor));
        }
        found
    }

    /// Forgets what requests call by this name.
    pub fn forget(&mut self, name: &str) {
        self.kept.retain(|(known, ..)| *known != format!("${name}"));
    }

    /// Keeps a text under a name, for requests to come.
    pub fn know(&mut self, name: &str, text: &str) {
        self.kept.push((format!("${name}"), text.to_owned(), text.to_owned()));
    }

    /// The text for the peer and for Lessor, with what was kept filled in.
    fn filled(&self, text: &str) -> (String, String) {
        let fill = |text: String, (name, peer, lessor): &(String, String, String), ours: bool| {
            text.replace(name, if ours { lessor } else { peer })
        };
        let all = |ours: bool| self.kept.iter().fold(text.to_owned(), |text, kept| fill(text, kept, ours));
        (all(false), all(true))
    }

    /// A request to each of them.
    fn ask(&mut self, (method, path): (&str, &str), peer: &str, lessor: &str) -> (Answer, Answer) {
        self.pairs += 1;
        let (token, path) = path.split_once(" as ").map_or(("root", path), |(path, token)| (token, path));
        let (paths, tokens) = (self.filled(path), self.filled(token));
        let (peer, lessor) = (self.filled(peer).0, self.filled(lessor).1);
        let answer = |address: &str, (token, path, body): (&str, &str, &str), hidden: &dyn Fn(&str) -> String| {
            let (status, body) = send_as(address, token, &[], method, path, body);
            let text = hidden(&body.to_string());
            let mut body = normal(serde_json::from_str(&text).unwrap());
            simplify(&mut body, self.chance, self.ignored);
            Answer { status, body }
        };
        let peers_words =
            |text: &str| self.hidden.iter().fold(text.to_owned(), |text, (p, _)| text.replace(p, "v-hidden-"));
        let our_words =
            |text: &str| self.hidden.iter().fold(text.to_owned(), |text, (_, l)| text.replace(l, "v-hidden-"));
        let theirs = answer(&self.peer.address, (&tokens.0, &paths.0, &peer), &peers_words);
        let mut ours = answer(&self.lessor.address, (&tokens.1, &paths.1, &lessor), &our_words);
        without_vaults(&mut ours, &theirs);
        (theirs, ours)
    }

    /// Both have to say the same to their own bodies.
    pub fn same_with(&mut self, (method, path): (&str, &str), peer: &str, lessor: &str) {
        let (theirs, ours) = self.ask((method, path), peer, lessor);
        if theirs != ours {
            self.faults.push(format!(
                "{method} {path} {lessor}\n  peer   {} {}\n  lessor {} {}",
                theirs.status, theirs.body, ours.status, ours.body
            ));
        }
    }

    /// Both have to say the same.
    pub fn same(&mut self, method: &str, path: &str, body: &str) {
        self.same_with((method, path), body, body);
    }

    /// Takes a lease below `path` through renewal, lookup and revocation.
    pub fn leases(&mut self, path: &str) {
        let issue = |address: &str| {
            let (_, body) = send(address, "GET", path, "");
            body["lease_id"].as_str().unwrap_or_default().to_owned()
        };
        let (peer, lessor) = (issue(&self.peer.address), issue(&self.lessor.address));
        for (endpoint, more) in [
            ("sys/leases/lookup", ""),
            ("sys/leases/renew", ""),
            ("sys/leases/renew", ",\"increment\":\"2h\""),
            ("sys/leases/revoke", ",\"sync\":true"),
            ("sys/leases/lookup", ""),
            ("sys/leases/renew", ""),
        ] {
            let body = |id: &str| format!("{{\"lease_id\":\"{id}\"{more}}}");
            self.same_with(("PUT", endpoint), &body(&peer), &body(&lessor));
        }
    }

    /// Every line is `METHOD path [body]` (or `METHOD path @$token [body]`, with a token that was kept), and where they differ on purpose `~~ difference ~~ status ~~ text` of
    /// Lessor's answer after it.
    pub fn all(&mut self, requests: &str) {
        for line in requests.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let parts: Vec<&str> = line.split(" ~~ ").collect();
            let mut words = parts[0].splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (method, path, body) = (word(), word(), word());
            let (token, body) = match body.strip_prefix('@') {
                Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
                None => ("root", body),
            };
            let path = &format!("{path} as {token}");
            match parts.as_slice() {
                [_] => self.same(method, path, body),
                [_, difference, status, text] => {
                    self.differs(difference, (method, path, body), status.parse().unwrap(), text);
                }
                _ => panic!("{line}"),
            }
        }
    }

    /// They differ on purpose: Lessor answers with this status and text, and the document says why.
    pub fn differs(&mut self, difference: &str, (method, path, body): (&str, &str, &str), status: u16, text: &str) {
        let (peer, lessor) = self.ask((method, path), body, body);
        let request = format!("{method} {path} {body}");
        if peer == lessor {
            self.faults.push(format!("{request}: both say the same now; take {difference:?} off the list"));
        }
        if lessor.status != status || !lessor.body.to_string().contains(text) {
            self.faults.push(format!("{request}: expected {status} with {text:?}, got {lessor:?}"));
        }
        if !DOCUMENT.contains(&format!("**{difference}**")) {
            self.faults.push(format!("{request}: docs/compatibility.md has no **{difference}**; the peer: {peer:?}"));
        }
    }

    /// Panics with everything they disagreed about.
    pub fn finish(self, least: usize) {
        assert!(self.pairs >= least, "only {} pairs of answers were compared", self.pairs);
        assert!(self.faults.is_empty(), "{} of {}:\n{}", self.faults.len(), self.pairs, self.faults.join("\n"));
    }
}
