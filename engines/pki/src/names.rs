//! Whether a role allows a name.
use crate::roles::Role;
use crate::sans::Sans;
use lessor_engine::{Context, Error, Result, glob};

fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

/// `cn_validations`.
pub(crate) fn check_validations(names: &[String]) -> Result<()> {
    for name in names {
        match name.as_str() {
            "email" | "hostname" => {}
            "disabled" if names.len() == 1 => {}
            "disabled" => return refuse("cn_validations: disabled has to stand alone"),
            other => return refuse(format!("cn_validations value incorrect: unknown type: `{other}`")),
        }
    }
    Ok(())
}

/// Host names as RFC 1123 has them, with underscores as well, and perhaps a wildcard in front.
pub(crate) fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !name.is_empty() && name.len() <= 253 && name.split('.').all(label)
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(who, host)| {
        !who.is_empty() && is_host_name(host) && who.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@')
    })
}

/// A name with a wildcard: the label it is in, and what is behind it.
struct Wildcard<'a> {
    label: &'a str,
    base: &'a str,
}

/// RFC 6125, 6.4.3: one `*`, in the leftmost label, with something behind it.
fn wildcard(name: &str) -> Result<Option<Wildcard<'_>>, ()> {
    match name.matches('*').count() {
        0 => Ok(None),
        1 => {
            let (label, base) = name.split_once('.').ok_or(())?;
            if label.contains('*') && !base.is_empty() { Ok(Some(Wildcard { label, base })) } else { Err(()) }
        }
        _ => Err(()),
    }
}

/// What a role allows, with the templates of `allowed_domains` filled in for the caller.
pub(crate) struct Rules<'a> {
    role: &'a Role,
    domains: Vec<String>,
    uris: Vec<String>,
    display_name: &'a str,
}

/// The entries with identity templates filled in; those that say nothing about the caller are left out.
async fn filled(cx: &Context, entries: &[String], templated: bool, globs: bool) -> Result<Vec<String>> {
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        if !templated || !entry.contains("{{") {
            all.push(entry.clone());
            continue;
        }
        all.extend(cx.identity.fill(&cx.caller.entity_id, entry, globs).await?);
    }
    Ok(all)
}

impl<'a> Rules<'a> {
    pub(crate) async fn of(cx: &'a Context, role: &'a Role) -> Result<Self> {
        let globs = role.allow_globs_in_identity_templates;
        Ok(Self {
            role,
            domains: filled(cx, &role.allowed_domains, role.allowed_domains_template, globs).await?,
            uris: filled(cx, &role.allowed_uri_sans, role.allowed_uri_sans_template, globs).await?,
            display_name: &cx.caller.display_name,
        })
    }

    /// Whether a host name or e-mail address passes.
    pub(crate) fn allows(&self, name: &str) -> bool {
        let role = self.role;
        let (is_email, host) = match name.split_once('@') {
            Some((_, host)) if host.contains('@') => return false,
            Some((_, host)) => (true, host),
            None => (false, name),
        };
        let Ok(wild) = wildcard(host) else { return false };
        let wild = wild.filter(|_| !is_email);
        if (wild.is_some() && !role.allow_wildcard_certificates) || (is_email && host.contains('*')) {
            return false;
        }
        let reduced = wild.as_ref().map_or(host, |wild| wild.base);
        if role.enforce_hostnames {
            let label = wild.as_ref().map_or(String::new(), |wild| wild.label.replace('*', "a"));
            let fits = is_host_name(reduced) && (label.is_empty() || is_host_name(&label));
            if !fits {
                return false;
            }
        }
        if role.allow_any_name {
            return true;
        }
        let below = |name: &str, domain: &str| {
            name.len() > domain.len() + 1
                && name.is_char_boundary(name.len() - domain.len())
                && name[name.len() - domain.len()..].eq_ignore_ascii_case(domain)
                && name.as_bytes()[name.len() - domain.len() - 1] == b'.'
        };
        let is_bare = |name: &str, domain: &str| name.eq_ignore_ascii_case(domain);
        if role.allow_localhost {
            for local in ["localhost", "localdomain"] {
                let bare = wild.is_none() && is_bare(reduced, local);
                let sub =
                    role.allow_subdomains && (below(reduced, local) || (wild.is_some() && is_bare(reduced, local)));
                if bare || sub {
                    return true;
                }
            }
        }
        if role.allow_token_displayname && !self.display_name.is_empty() {
            if wild.is_none() && name == self.display_name {
                return true;
            }
            if role.allow_subdomains && (below(host, self.display_name)) {
                return true;
            }
        }
        self.domains.iter().filter(|domain| !domain.is_empty()).any(|domain| {
            let bare = role.allow_bare_domains && wild.is_none() && (is_bare(host, domain) || is_bare(name, domain));
            let sub = role.allow_subdomains && (below(host, domain) || (wild.is_some() && is_bare(reduced, domain)));
            let fits = |name: &str| glob::fits(&domain.to_ascii_lowercase(), &name.to_ascii_lowercase());
            let pattern = role.allow_glob_domains && domain.contains('*') && (fits(name) || (is_email && fits(host)));
            bare || sub || pattern
        })
    }

    /// Whether the common name may stand there, apart from whether its domain is allowed.
    fn check_common_name_form(&self, name: &str) -> Result<()> {
        let validations = &self.role.cn_validations;
        if validations.iter().any(|kind| kind == "disabled") {
            return Ok(());
        }
        let allows = |kind: &str| validations.iter().any(|known| known == kind);
        let host = match wildcard(name) {
            Ok(Some(wild)) => is_host_name(wild.base) && is_host_name(&wild.label.replace('*', "a")),
            Ok(None) => is_host_name(name),
            Err(()) => false,
        };
        if (allows("email") && is_email(name)) || (allows("hostname") && host) {
            return Ok(());
        }
        if name.contains('@') && !allows("email") {
            return refuse(format!("common name {name} not allowed by this role: cn_validations has no email"));
        }
        if !self.role.enforce_hostnames && !name.contains('@') && allows("hostname") {
            return Ok(());
        }
        refuse(format!("common name {name} not allowed by this role: it is neither a host name nor an e-mail address"))
    }

    pub(crate) fn check_common_name(&self, name: &str) -> Result<()> {
        let disabled = self.role.cn_validations.iter().any(|kind| kind == "disabled");
        if disabled && self.role.allow_any_name {
            return Ok(());
        }
        let ascii = crate::sans::ascii(name)?;
        if !disabled && !self.allows(&ascii) {
            return refuse(format!("common name {name} not allowed by this role"));
        }
        if disabled && !is_host_name(&ascii) && !name.contains('@') {
            // What is no name of a host has no domain to compare.
            return Ok(());
        }
        if disabled && !self.allows(&ascii) {
            return refuse(format!("common name {name} not allowed by this role"));
        }
        self.check_common_name_form(&ascii)
    }

    pub(crate) fn check_sans(&self, sans: &Sans) -> Result<()> {
        let role = self.role;
        for name in &sans.dns {
            if !self.allows(name) {
                return refuse(format!("subject alternate name {name} not allowed by this role"));
            }
        }
        for email in &sans.emails {
            if !self.allows(email) {
                return refuse(format!("email address {email} not allowed by this role"));
            }
        }
        if !sans.ips.is_empty() && !role.allow_ip_sans {
            return refuse(
                "IP Subject Alternative Names are not allowed in this role, but was provided some via the 'ip_sans' parameter",
            );
        }
        for ip in &sans.ips {
            let networks = role.allowed_ip_sans_cidr.iter().filter_map(|cidr| cidr.parse::<ipnet::IpNet>().ok());
            if !role.allowed_ip_sans_cidr.is_empty() && !networks.into_iter().any(|network| network.contains(ip)) {
                return refuse(format!("IP Subject Alternative Name {ip} not allowed by this role"));
            }
        }
        if !sans.uris.is_empty() && role.allowed_uri_sans.is_empty() {
            return refuse("URI Subject Alternative Names are not allowed in this role, but were provided via the API");
        }
        for uri in &sans.uris {
            if !self.uris.iter().any(|pattern| glob::fits(pattern, uri)) {
                return refuse(format!("URI Subject Alternative Name {uri} not allowed by this role"));
            }
        }
        for (oid, text) in &sans.others {
            let allowed = role.allowed_other_sans.iter().any(|pattern| {
                pattern == "*"
                    || crate::sans::other(pattern).is_ok_and(|(known, glob)| known == *oid && glob::fits(&glob, text))
            });
            if !allowed {
                return refuse(format!("other SAN OID {oid} with value {text} not allowed by this role"));
            }
        }
        Ok(())
    }

    pub(crate) fn check_serial_number(&self, serial: &str) -> Result<()> {
        let fits = self.role.allowed_serial_numbers.iter().any(|pattern| glob::fits(pattern, serial));
        if serial.is_empty() || fits {
            return Ok(());
        }
        refuse(format!("serial_number {serial} not allowed by this role"))
    }

    pub(crate) fn check_user_ids(&self, ids: &[String]) -> Result<()> {
        for id in ids {
            if !self.role.allowed_user_ids.iter().any(|pattern| glob::fits(pattern, id)) {
                return refuse(format!("user_id {id} is not allowed by this role"));
            }
        }
        Ok(())
    }
}
