//! Whatever arrives, the parser answers.

const SAMPLES: [&str; 3] = [
    "path \"secret/*\" {\n  capabilities = [\"read\", \"list\"]\n  allowed_parameters { \"*\" = [] }\n}\n",
    "storage \"embedded\" { path = \"/data\" }\nn = 0x10\nf = 1.5e3\nt = <<EOT\nline ${x}\nEOT\n/* c */ # d\n",
    "{\"path\": {\"a\\u0041/*\": {\"capabilities\": [\"read\", null, true, -1.5]}}}",
];

#[test]
fn every_prefix_of_a_document_is_answered() {
    for sample in SAMPLES {
        for end in (0..=sample.len()).filter(|end| sample.is_char_boundary(*end)) {
            let _ = lessor_hcl::parse(&sample[..end]);
        }
    }
}

#[test]
fn twenty_thousand_mutations_are_answered() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for round in 0..20_000 {
        let mut bytes = SAMPLES[round % SAMPLES.len()].as_bytes().to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = b"{}[]\"\\=<$#/*\n,09aE.-\0\xff"[next(22)];
        }
        let _ = lessor_hcl::parse(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    assert!(lessor_hcl::parse(&"a = [".repeat(100_000)).is_err());
    assert!(lessor_hcl::parse(&"a {".repeat(100_000)).is_err());
}
