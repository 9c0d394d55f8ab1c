//! Configuration files, in HCL and in JSON.
#![no_main]
use lessor_server::Config;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    if let Ok(body) = lessor_hcl::parse(text) {
        let _ = body.to_json();
        let formatted = lessor_hcl::format(text);
        // JSON is read, too, but is not laid out.
        if !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            lessor_hcl::parse(&formatted.expect("what can be read can be laid out")).expect("and read again");
        }
    }
    let _ = Config::default().add(Path::new("lessor.hcl"), text);
});
