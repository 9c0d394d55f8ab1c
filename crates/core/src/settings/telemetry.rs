//! `telemetry`: which figures are kept, and where they go.
use std::time::Duration;

/// The settings of metrics and traces; names and defaults are Vault's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Zero switches the Prometheus format off; figures are kept as long as the process runs.
    pub prometheus_retention: Duration,
    /// Leaves the host's name out of the names of gauges.
    pub disable_hostname: bool,
    /// Puts the host's name into a label instead.
    pub enable_hostname_label: bool,
    /// In front of every name.
    pub prefix: String,
    /// How often gauges that cost a scan are taken; `None` never.
    pub usage_gauge_period: Option<Duration>,
    /// How many label sets such a gauge may have.
    pub maximum_gauge_cardinality: usize,
    /// Width of a bucket of leases by expiration.
    pub lease_metrics_epsilon: Duration,
    /// How many such buckets there are.
    pub lease_metrics_buckets: usize,
    /// Whether a name that no filter names is kept.
    pub filter_default: bool,
    /// Prefixes of names with what becomes of them: kept (`true`) or not.
    pub prefix_filter: Vec<(bool, String)>,
    /// Where traces go, OTLP over HTTP; Lessor's own.
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            prometheus_retention: Duration::from_secs(24 * 3600),
            disable_hostname: false,
            enable_hostname_label: false,
            prefix: "vault".to_owned(),
            usage_gauge_period: Some(Duration::from_secs(600)),
            maximum_gauge_cardinality: 500,
            lease_metrics_epsilon: Duration::from_secs(3600),
            lease_metrics_buckets: 168,
            filter_default: true,
            prefix_filter: Vec::new(),
            otlp_endpoint: None,
        }
    }
}

impl TelemetryConfig {
    /// Whether a metric of that name (with its prefix, dots between the parts) is kept: the longest prefix decides.
    pub fn keeps(&self, name: &str) -> bool {
        let matching = self.prefix_filter.iter().filter(|(_, prefix)| name.starts_with(prefix.as_str()));
        matching.max_by_key(|(_, prefix)| prefix.len()).map_or(self.filter_default, |(keep, _)| *keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_which_names_are_kept() {
        let filters = [(false, "vault.route"), (true, "vault.route.read")];
        let prefix_filter = filters.map(|(keep, prefix)| (keep, prefix.to_owned())).to_vec();
        let config = TelemetryConfig { prefix_filter, ..TelemetryConfig::default() };
        assert!(config.keeps("vault.core.handle_request"));
        assert!(!config.keeps("vault.route.list.kv"));
        assert!(config.keeps("vault.route.read.kv"));
    }
}
