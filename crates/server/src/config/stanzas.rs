//! `telemetry`, `user_lockout` and `audit`.
use super::value::{count, duration, flag, list, text};
use super::{Fault, Places};
use lessor_core::audit::Declared;
use lessor_core::lockout::LockoutConfig;
use lessor_core::settings::{Lockouts, TelemetryConfig};
use lessor_hcl::Block;
use std::collections::BTreeMap;

pub(super) fn audit(block: &Block<'_>, places: &mut Places<'_>) -> Result<Declared, Fault> {
    places.unknown(block.body, &["type", "path", "description", "local", "options"]);
    let (kind, path) = (block.label(0).unwrap_or_default(), block.label(1).unwrap_or_default());
    let mut options = BTreeMap::new();
    for given in block.body.blocks("options", 0)? {
        for item in &given.body.items {
            if let Some(text) = text(given.body, item.name())? {
                options.insert(item.name().to_owned(), text);
            }
        }
    }
    let description = text(block.body, "description")?.unwrap_or_default();
    Ok(Declared { kind: kind.to_owned(), path: path.to_owned(), description, options })
}

pub(super) fn lockout(block: &Block<'_>, lockouts: &mut Lockouts, places: &mut Places<'_>) -> Result<(), Fault> {
    let body = block.body;
    places.unknown(body, &["lockout_threshold", "lockout_duration", "lockout_counter_reset", "disable_lockout"]);
    let kind = block.label(0).unwrap_or_default();
    if !matches!(kind, "all" | "userpass" | "ldap" | "approle") {
        return Err(Fault::Value(format!("user_lockout: unknown \"{kind}\": use all, userpass, ldap or approle")));
    }
    let default = lockouts.of(kind).clone();
    let threshold = count(body, "lockout_threshold")?.and_then(|count| u64::try_from(count).ok());
    let seconds = |name, default| Ok::<_, Fault>(duration(body, name)?.map_or(default, |given| given.as_secs()));
    let lockout = LockoutConfig {
        lockout_threshold: threshold.unwrap_or(default.lockout_threshold),
        lockout_duration: seconds("lockout_duration", default.lockout_duration)?,
        lockout_counter_reset_duration: seconds("lockout_counter_reset", default.lockout_counter_reset_duration)?,
        lockout_disable: body.bool("disable_lockout")?.unwrap_or(default.lockout_disable),
    };
    if kind == "all" {
        lockouts.all = lockout;
    } else {
        lockouts.kinds.insert(kind.to_owned(), lockout);
    }
    Ok(())
}

const TELEMETRY: &[&str] = &[
    "usage_gauge_period",
    "maximum_gauge_cardinality",
    "disable_hostname",
    "enable_hostname_label",
    "metrics_prefix",
    "lease_metrics_epsilon",
    "num_lease_metrics_buckets",
    "filter_default",
    "prefix_filter",
    "prometheus_retention_time",
    "otlp_endpoint",
    // Of Vault, without a meaning here.
    "add_lease_metrics_namespace_labels",
    "add_mount_point_rollback_metrics",
    "rollback_metrics_include_mount_point",
];

pub(super) fn telemetry(block: &Block<'_>, places: &mut Places<'_>) -> Result<TelemetryConfig, Fault> {
    let body = block.body;
    for item in body.unknown(TELEMETRY) {
        let sink = ["statsite_", "statsd_", "dogstatsd_", "circonus_", "stackdriver_"];
        if sink.iter().any(|prefix| item.name().starts_with(prefix)) {
            let name = item.name();
            places.warn(
                item,
                &format!("{name} has no effect: metrics are read at sys/metrics, traces go to otlp_endpoint"),
            );
        } else {
            places.unsupported(item);
        }
    }
    let default = TelemetryConfig::default();
    let period = text(body, "usage_gauge_period")?;
    Ok(TelemetryConfig {
        prometheus_retention: duration(body, "prometheus_retention_time")?.unwrap_or(default.prometheus_retention),
        disable_hostname: flag(body, "disable_hostname")?,
        enable_hostname_label: flag(body, "enable_hostname_label")?,
        prefix: text(body, "metrics_prefix")?.unwrap_or(default.prefix),
        usage_gauge_period: match period.as_deref() {
            None => default.usage_gauge_period,
            Some("none") => None,
            Some(_) => duration(body, "usage_gauge_period")?.filter(|period| !period.is_zero()),
        },
        maximum_gauge_cardinality: count(body, "maximum_gauge_cardinality")?
            .unwrap_or(default.maximum_gauge_cardinality),
        lease_metrics_epsilon: duration(body, "lease_metrics_epsilon")?.unwrap_or(default.lease_metrics_epsilon),
        lease_metrics_buckets: count(body, "num_lease_metrics_buckets")?.unwrap_or(default.lease_metrics_buckets),
        filter_default: body.bool("filter_default")?.unwrap_or(true),
        prefix_filter: list(body, "prefix_filter")?.iter().map(|rule| filter(rule)).collect::<Result<_, _>>()?,
        otlp_endpoint: text(body, "otlp_endpoint")?.filter(|endpoint| !endpoint.is_empty()),
    })
}

fn filter(rule: &str) -> Result<(bool, String), Fault> {
    match rule.split_at_checked(1) {
        Some(("+", prefix)) => Ok((true, prefix.to_owned())),
        Some(("-", prefix)) => Ok((false, prefix.to_owned())),
        _ => Err(Fault::Value(format!("prefix_filter: '{rule}' must begin with + or -"))),
    }
}
