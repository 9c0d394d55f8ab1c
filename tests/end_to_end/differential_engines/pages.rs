//! `after` and `limit` of lists: of the engines and methods where the peer has them too.
use super::Both;
use std::fmt::Write;

/// What makes the entry `$` in each of them, and where they are listed.
const LISTS: [(&str, &str, &str); 7] = [
    ("two/data/x/$", r#"{"data":{"v":1}}"#, "two/metadata/x"),
    ("transit/keys/$", "{}", "transit/keys"),
    ("pki/roles/$", r#"{"allow_any_name":true}"#, "pki/roles"),
    ("ssh/roles/$", r#"{"key_type":"otp","default_user":"x"}"#, "ssh/roles"),
    ("auth/userpass/users/$", r#"{"password":"x"}"#, "auth/userpass/users"),
    ("auth/approle/role/$", "{}", "auth/approle/role"),
    ("auth/jwt/role/$", r#"{"role_type":"jwt","user_claim":"sub","bound_subject":"x"}"#, "auth/jwt/role"),
];

const PAGES: [&str; 9] = [
    "after=b&limit=1",
    "after=bb",
    "after=d",
    "after=d&limit=3",
    "limit=2",
    "limit=0",
    "limit=-5",
    "limit=many",
    "limit=1.5",
];

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_the_pages_the_peer_gives_them() {
    let mut both = Both::start().await;
    let mut requests = String::from(
        "POST sys/mounts/two {\"type\":\"kv\",\"options\":{\"version\":\"2\"}}\nPOST sys/mounts/transit {\"type\":\"transit\"}\n\
         POST sys/mounts/pki {\"type\":\"pki\"}\nPOST sys/mounts/ssh {\"type\":\"ssh\"}\nPOST sys/auth/userpass {\"type\":\"userpass\"}\n\
         POST sys/auth/approle {\"type\":\"approle\"}\nPOST sys/auth/jwt {\"type\":\"jwt\"}\n",
    );
    both.all(&requests);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    requests.clear();
    for (entry, body, list) in LISTS {
        for name in ["c", "a", "d", "b"] {
            both.same_with(("POST", &entry.replace('$', name)), body, body);
        }
        for page in PAGES {
            writeln!(requests, "GET {list}?list=true&{page}").unwrap();
        }
    }
    both.all(&requests);
    both.finish(80);
}
