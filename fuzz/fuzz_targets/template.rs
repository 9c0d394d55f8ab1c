//! Name templates, which operators write and every creds request renders.
#![no_main]
use lessor_engine::template::Template;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse(text) else { return };
    let data = json!({ "DisplayName": "token-ännä", "RoleName": "", "Count": -1, "List": ["a", null], "Nested": { "a": 1.5 } });
    let _ = template.draws_random();
    let _ = template.render(&data);
});
