//! Reads host, user and port out of ssh's own arguments, as ssh(1) reads them.

/// Options that take a value.
const VALUED: &str = "BbcDEeFIiJLlmOoPpQRSWw";

/// Whom and what a line is about. What stands first wins, as in ssh.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<String>,
}

fn first(slot: &mut Option<String>, value: &str) {
    slot.get_or_insert_with(|| value.to_owned());
}

impl Target {
    fn option(&mut self, name: char, value: &str) {
        match name {
            'p' => first(&mut self.port, value),
            'l' => first(&mut self.user, value),
            'o' => {
                let (key, value) = value.trim().split_once(['=', ' ']).unwrap_or((value, ""));
                let value = value.trim_matches(['=', ' ']);
                match key.trim().to_lowercase().as_str() {
                    "port" => first(&mut self.port, value),
                    "user" => first(&mut self.user, value),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn destination(&mut self, word: &str) {
        let (word, is_url) = match word.strip_prefix("ssh://") {
            Some(rest) => (rest.trim_end_matches('/'), true),
            None => (word, false),
        };
        let (user, mut host) = word.rsplit_once('@').map_or((None, word), |(user, host)| (Some(user), host));
        if let Some(user) = user {
            first(&mut self.user, user);
        }
        if is_url {
            let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let (name, rest) = match bracketed {
                Some((name, rest)) => (name, rest.strip_prefix(':')),
                None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
            };
            host = name;
            if let Some(port) = rest.filter(|port| !port.is_empty()) {
                first(&mut self.port, port);
            }
        }
        host.clone_into(&mut self.host);
    }
}

/// # Errors
/// When there is no host in it.
pub fn parse(words: &[String]) -> Result<Target, String> {
    let mut target = Target::default();
    let mut words = words.iter();
    let mut options = true;
    while let Some(word) = words.next() {
        if options && word == "--" {
            options = false;
        } else if let Some(cluster) = word.strip_prefix('-').filter(|rest| options && !rest.is_empty()) {
            let Some(at) = cluster.find(|name| VALUED.contains(name)) else { continue };
            // The value is what is left of the word, or else the next word.
            let (name, rest) = (cluster[at..].chars().next().unwrap_or_default(), &cluster[at + 1..]);
            let value = if rest.is_empty() { words.next().map_or("", String::as_str) } else { rest };
            target.option(name, value);
        } else if target.host.is_empty() {
            target.destination(word);
        } else {
            // The command that runs on the host.
            break;
        }
    }
    if target.host.is_empty() { Err("there is no host in the ssh arguments".to_owned()) } else { Ok(target) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (String, Option<String>, Option<String>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let target = parse(&words).unwrap();
        (target.host, target.user, target.port)
    }

    fn told(host: &str, user: &str, port: &str) -> (String, Option<String>, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (host.to_owned(), some(user), some(port))
    }

    #[test]
    fn host_user_and_port_are_found_wherever_ssh_would_find_them() {
        for (line, expected) in [
            ("ann@h", told("h", "ann", "")),
            ("h", told("h", "", "")),
            ("-p 22 ann@h", told("h", "ann", "22")),
            ("-p22 ann@h", told("h", "ann", "22")),
            ("ann@h -p 2222 uptime -p 9", told("h", "ann", "2222")),
            ("-l bob ann@h", told("h", "bob", "")),
            ("-o User=bob -oPort=7 h", told("h", "bob", "7")),
            ("-vvvp 8 h", told("h", "", "8")),
            ("-i key -L 1:a:2 h -t", told("h", "", "")),
            ("a@b@h", told("h", "a@b", "")),
            ("ssh://ann@h:9/", told("h", "ann", "9")),
            ("ssh://[::1]:9", told("::1", "", "9")),
            ("-4 -- h -p 1", told("h", "", "")),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_without_a_host_is_refused() {
        for line in [&["-p", "22"][..], &["-v"], &["--"]] {
            let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
            assert!(parse(&words).is_err(), "{line:?}");
        }
    }
}
