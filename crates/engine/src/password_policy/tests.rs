use super::*;

const SAMPLE: &str = r#"
length = 12
rule "charset" { charset = "abc" min-chars = 2 }
rule "charset" {
  charset   = "0123456789"
  min-chars = 1
}
rule "charset" { charset = "!" }
"#;

fn refuses(text: &str) -> String {
    PasswordPolicy::parse(text).unwrap_err().to_string()
}

#[test]
fn passwords_keep_every_rule() {
    let policy = PasswordPolicy::parse(SAMPLE).unwrap();
    assert_eq!(policy.length(), 12);
    for _ in 0..200 {
        let password = policy.generate().unwrap();
        assert!(policy.allows(password.expose()), "{}", password.expose());
    }
    assert!(!policy.allows("aaaaaaaaaaaa"));
    assert!(!policy.allows("aaaaaaaaaaa1x"));
    assert!(!policy.allows("aaaaaaaaaaxZ"));
}

#[test]
fn json_and_base64_are_read_too() {
    let json = r#"{"length":20,"rule":[{"charset":{"charset":"abcde","min-chars":1}}]}"#;
    let policy = PasswordPolicy::parse(json).unwrap();
    assert_eq!((policy.length(), policy.charset().len()), (20, 5));
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    assert_eq!(PasswordPolicy::parse(&STANDARD.encode(SAMPLE)).unwrap(), PasswordPolicy::parse(SAMPLE).unwrap());
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    assert_eq!(refuses(""), "missing policy");
    assert_eq!(refuses("length = 0 \n rule \"charset\" { charset = \"abc\" }"), "length must be > 0");
    assert_eq!(refuses("rule \"charset\" { charset = \"abc\" }"), "length must be > 0");
    assert_eq!(
        refuses("length = 3 \n rule \"charset\" { charset = \"abc\" }"),
        "passwords must be between 4 and 100 characters"
    );
    assert_eq!(
        refuses("length = 101 \n rule \"charset\" { charset = \"abc\" }"),
        "passwords must be between 4 and 100 characters"
    );
    assert_eq!(refuses("length = 20"), "no charset specified");
    assert_eq!(refuses("length = 20 \n rule \"charset\" { charset = \"\" }"), "no charset specified");
    assert!(refuses("length = 20 \n rule \"words\" { count = 3 }").contains("unrecognized rule type"));
    assert_eq!(
        refuses("length = 10 \n rule \"charset\" { charset = \"abc\" min-chars = 11 }"),
        "specified rules require at least 11 characters but 10 is specified"
    );
    assert!(refuses("length = 10 \n rule \"charset\" { charset = \"a\\tb\" }").contains("non-printable"));
    assert!(refuses("length = 10 \n rule \"charset\" { charset = \"ab\" min = 1 }").contains("`min`"));
    assert!(refuses("length = \n").starts_with("At "));
}

#[test]
fn rules_that_cannot_be_met_by_chance_are_refused() {
    // Twenty hyphens out of sixty-three characters: satisfiable on paper, never drawn.
    let text = "length = 20 \n rule \"charset\" { charset = \"-\" min-chars = 20 } \n rule \"charset\" \
                { charset = \"abcdefghijklmnopqrstuvwxyz0123456789\" }";
    assert_eq!(refuses(text), "timed out generating string");
}

#[test]
fn the_default_password_has_all_four_kinds() {
    let policy = PasswordPolicy::standard();
    for _ in 0..100 {
        let password = default_password();
        let text = password.expose();
        assert_eq!(text.len(), 20);
        assert!(policy.allows(text));
        assert!(text.contains('-') && text.contains(|c: char| c.is_ascii_digit()));
        assert!(text.contains(|c: char| c.is_ascii_lowercase()) && text.contains(|c: char| c.is_ascii_uppercase()));
    }
    assert_ne!(default_password(), default_password());
}

#[test]
fn entropy_counts_length_and_characters() {
    assert!((PasswordPolicy::standard().bits() - 119.5).abs() < 0.2);
    let pins = PasswordPolicy::parse("length = 4 \n rule \"charset\" { charset = \"01\" }").unwrap();
    assert!((pins.bits() - 4.0).abs() < 1e-9);
}

#[test]
fn every_character_is_as_likely_as_the_others() {
    let set: Vec<usize> = (0..63).collect();
    let mut counts = [0u32; 63];
    for _ in 0..63_000 {
        counts[*draw(&set)] += 1;
    }
    // A thousand each on average; ten standard deviations are about 316.
    assert!(counts.iter().all(|count| (680..1320).contains(count)), "{counts:?}");
}
