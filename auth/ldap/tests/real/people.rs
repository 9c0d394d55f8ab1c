//! Logins with OpenLDAP's server.
use super::targets::slapd::{Slapd, authority};
use super::{configured, groups, log_in};
use lessor_engine::Error;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn config(slapd: &Slapd) -> Value {
    json!({
        "url": slapd.url(), "starttls": true, "certificate": slapd.authority(), "userattr": "uid",
        "binddn": "cn=searcher,dc=example,dc=com", "bindpass": "searching", "userdn": "ou=people,dc=example,dc=com",
        "groupdn": "ou=groups,dc=example,dc=com", "request_timeout": 5, "connection_timeout": 2,
    })
}

fn is_bad_credentials(error: &Error) -> bool {
    matches!(error, Error::BadCredentials(_))
}

fn group(name: &str, unit: &str) -> String {
    let member = "uid=alice,ou=people,dc=example,dc=com";
    format!(
        "dn: cn={name},ou={unit},dc=example,dc=com\nchangetype: add\nobjectClass: groupOfNames\ncn: {name}\nmember: {member}\n\n"
    )
}

#[tokio::test]
async fn names_that_mean_something_to_a_directory_are_names_of_nobody() {
    let slapd = Slapd::start();
    let direct = json!({ "binddn": "", "bindpass": "" });
    for more in [json!({}), json!({ "discoverdn": true }), direct] {
        let method = configured(&config(&slapd), more.clone()).await;
        for name in [
            "*",
            "b*",
            "bob)(uid=*",
            "bob)(|(uid=*",
            "*)(objectClass=*",
            "bob\0",
            "bob\u{1}",
            "\\2a",
            "bob,ou=people",
            "bob+cn=Bob B",
            "bob,ou=people,dc=example,dc=com",
            "uid=bob,ou=people,dc=example,dc=com",
            " bob",
            "bob ",
            "bob  b",
            "<SID=S-1-5>",
        ] {
            let refused = log_in(&method, name, "open").await.err();
            let refused = refused.unwrap_or_else(|| panic!("{name:?} is let in with {more}"));
            assert!(is_bad_credentials(&refused), "{name:?}: {refused}");
        }
    }
    // The directory folds letters of full width; the server does not count them as the same name.
    for more in [json!({}), json!({ "binddn": "", "bindpass": "" })] {
        let method = configured(&config(&slapd), more.clone()).await;
        let refused = log_in(&method, "ｂob", "open").await.err();
        assert!(refused.as_ref().is_some_and(is_bad_credentials), "{more}: {refused:?}");
        assert!(log_in(&method, "BOB", "open").await.is_ok(), "{more}");
    }
}

#[tokio::test]
async fn a_group_is_not_named_after_a_piece_of_its_name() {
    let slapd = Slapd::start();
    slapd.change(&group("x\\,cn=admins", "groups").replace("cn: x\\,cn=admins", "cn: x,cn=admins"));
    let method = configured(&config(&slapd), json!({})).await;
    let found = groups(&method, "alice", "sesame").await;
    assert!(found.contains(&"x,cn=admins".to_owned()) && !found.contains(&"admins".to_owned()), "{found:?}");
}

#[tokio::test]
async fn searches_go_by_pages_where_the_directory_gives_only_a_few_entries_at_once() {
    let limits =
        "limits dn.exact=cn=searcher,dc=example,dc=com size.soft=3 size.hard=3 size.pr=3 size.prtotal=unlimited";
    let slapd = Slapd::start_with(limits);
    slapd.change(&(0..8).map(|n| group(&format!("g{n}"), "groups")).collect::<String>());
    let method = configured(&config(&slapd), json!({})).await;
    let error = log_in(&method, "alice", "sesame").await.err().unwrap();
    assert!(error.to_string().contains("Size Limit Exceeded"), "{error}");
    let method = configured(&config(&slapd), json!({ "max_page_size": 2 })).await;
    assert_eq!(groups(&method, "alice", "sesame").await.len(), 9);
}

#[tokio::test]
async fn references_are_followed_only_where_the_configuration_says_so() {
    let slapd = Slapd::start();
    let unit = "dn: ou=far,dc=example,dc=com\nchangetype: add\nobjectClass: organizationalUnit\nou: far\n\n";
    let link = "dn: cn=link,ou=groups,dc=example,dc=com\nchangetype: add\nobjectClass: alias\n\
                objectClass: extensibleObject\ncn: link\naliasedObjectName: ou=far,dc=example,dc=com\n\n";
    slapd.change(&[unit, &group("distant", "far"), link].concat());
    for (follow, wanted) in [("never", false), ("finding", false), ("searching", true), ("always", true)] {
        let method = configured(&config(&slapd), json!({ "dereference_aliases": follow })).await;
        let found = groups(&method, "alice", "sesame").await;
        assert_eq!(found.contains(&"distant".to_owned()), wanted, "{follow}: {found:?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_not_vouched_for_or_dead_is_told_as_such_and_soon() {
    let slapd = Slapd::start();
    let other = tempfile::tempdir().unwrap();
    let method = configured(&config(&slapd), json!({ "certificate": authority(other.path()) })).await;
    let error = log_in(&method, "alice", "sesame").await.err().unwrap();
    assert!(error.target_is_down() && error.to_string().contains("certificate"), "{error}");
    // It is there, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let method = configured(&config(&slapd), json!({ "url": url })).await;
    let began = Instant::now();
    let error = log_in(&method, "alice", "sesame").await.err().unwrap();
    assert!(error.target_is_down() && began.elapsed() < Duration::from_secs(10), "{error}");
    let method = configured(&config(&slapd), json!({})).await;
    drop(slapd);
    let error = log_in(&method, "alice", "sesame").await.err().unwrap();
    assert!(error.target_is_down() && error.to_string().contains("failed to connect"), "{error}");
}

#[tokio::test]
async fn a_person_without_token_groups_has_none() {
    let slapd = Slapd::start();
    let method = configured(&config(&slapd), json!({ "use_token_groups": true })).await;
    assert!(groups(&method, "alice", "sesame").await.is_empty());
}
