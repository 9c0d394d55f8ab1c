//! Policies: read, compiled and asked; and a formatted policy still means the same.
#![no_main]
use lessor_core::policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(read) = policy::parse(text) else { return };
    if let Ok(formatted) = lessor_hcl::format(text) {
        let again = policy::parse(&formatted).expect("a formatted policy is a policy");
        assert_eq!(again.rules.len(), read.rules.len());
    }
});
