//! The parts that AWS consists of (<https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>).

/// Name, start of its regions' names, end of its hosts' names, the region that IAM's requests are signed for.
const PARTITIONS: [(&str, &str, &str, &str); 7] = [
    ("aws-cn", "cn-", "amazonaws.com.cn", "cn-north-1"),
    ("aws-us-gov", "us-gov-", "amazonaws.com", "us-gov-west-1"),
    ("aws-iso", "us-iso-", "c2s.ic.gov", "us-iso-east-1"),
    ("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "us-isob-east-1"),
    ("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "eu-isoe-west-1"),
    ("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "us-isof-south-1"),
    ("aws-eusc", "eusc-", "amazonaws.eu", "eusc-de-east-1"),
];

/// The end of the names of a region's hosts.
pub(crate) fn suffix(region: &str) -> &'static str {
    let own = PARTITIONS.iter().find(|(_, start, ..)| region.starts_with(start));
    own.map_or("amazonaws.com", |(_, _, suffix, _)| suffix)
}

/// The region that requests to the partition's IAM are signed for.
pub(crate) fn home(partition: &str) -> &'static str {
    let own = PARTITIONS.iter().find(|(name, ..)| *name == partition);
    own.map_or("us-east-1", |(.., home)| home)
}

/// Whether a name can be that of a region, and nothing else of an address.
pub(crate) fn is_region(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_belongs_to_one_partition() {
        assert_eq!(suffix("us-gov-east-1"), "amazonaws.com");
        assert_eq!(suffix("us-isob-east-1"), "sc2s.sgov.gov");
        assert_eq!((suffix("eu-central-1"), home("aws"), home("aws-cn")), ("amazonaws.com", "us-east-1", "cn-north-1"));
        assert!(is_region("eu-west-1") && !is_region("") && !is_region("a.b") && !is_region("x/"));
    }
}
