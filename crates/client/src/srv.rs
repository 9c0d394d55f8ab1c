//! Finding a server by its service record in the DNS (RFC 2782), as Vault's clients do with `VAULT_SRV_LOOKUP`.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::Error;

/// Longest wait for the DNS.
const LIMIT: Duration = Duration::from_secs(10);

/// Where to ask for service records.
#[derive(Clone, Copy, Debug, Default)]
pub struct SrvLookup {
    /// A name server of one's own; the machine's where none is given.
    pub name_server: Option<SocketAddr>,
}

impl SrvLookup {
    /// Host and port of `_http._tcp.<host>`: of the records with the lowest priority one by chance, by weight. `None`
    /// where the name has no such record: then the address is used as it is.
    ///
    /// # Errors
    /// [`Error::Address`] when the machine's resolver cannot be read, or does not answer in time.
    pub(crate) async fn service(self, host: &str) -> Result<Option<(String, u16)>, Error> {
        let name = format!("_http._tcp.{}.", host.trim_end_matches('.'));
        let failed = |reason: String| Error::Address { address: name.clone(), reason };
        let resolver = self.resolver().map_err(|error| failed(error.to_string()))?;
        let asked = tokio::time::timeout(LIMIT, resolver.lookup(name.as_str(), RecordType::SRV)).await;
        let asked = asked.map_err(|_| failed(format!("the DNS does not answer within {} s", LIMIT.as_secs())))?;
        let Ok(found) = asked else { return Ok(None) };
        let records = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(service) => Some(service),
            _ => None,
        });
        let chosen = choose(records.collect(), rand::random());
        Ok(chosen.map(|service| (service.target.to_utf8().trim_end_matches('.').to_owned(), service.port)))
    }

    fn resolver(self) -> Result<TokioResolver, Box<dyn std::error::Error + Send + Sync>> {
        let Some(server) = self.name_server else { return Ok(TokioResolver::builder_tokio()?.build()?) };
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()?)
    }
}

/// `chance` is evenly spread over 0 to 1.
fn choose(records: Vec<&SRV>, chance: f64) -> Option<&SRV> {
    let lowest = records.iter().map(|record| record.priority).min()?;
    let first: Vec<&SRV> = records.into_iter().filter(|record| record.priority == lowest).collect();
    // Weight 0 means a very small chance, not none.
    let weight = |record: &SRV| f64::from(record.weight).max(0.01);
    let mut left = chance * first.iter().map(|record| weight(record)).sum::<f64>();
    let found = first.iter().find(|record| {
        left -= weight(record);
        left <= 0.0
    });
    found.or(first.last()).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
    use super::*;
    use hickory_resolver::proto::rr::Name;

    fn record(priority: u16, weight: u16, port: u16) -> SRV {
        SRV::new(priority, weight, port, Name::from_ascii("node.test.").unwrap())
    }

    #[test]
    fn the_lowest_priority_wins_and_weights_decide_within_it() {
        let (far, heavy, light) = (record(20, 99, 1), record(10, 90, 2), record(10, 10, 3));
        let port = |chance| choose(vec![&far, &heavy, &light], chance).unwrap().port;
        assert_eq!([port(0.0), port(0.5), port(0.89), port(0.95), port(1.0)], [2, 2, 2, 3, 3]);
        assert!(choose(Vec::new(), 0.5).is_none());
    }
}
