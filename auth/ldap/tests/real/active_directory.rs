//! `use_token_groups`, names with a domain, and the rotation of a bind password, with Samba's domain controller.
use super::targets::samba::{BASE, Samba};
use super::{configured, groups, log_in};
use lessor_engine::Error;
use serde_json::{Value, json};

const PASSWORD: &str = "Old-Passw0rd";

fn config(samba: &Samba) -> Value {
    json!({
        "url": samba.secure_url(), "certificate": samba.authority(), "userdn": BASE, "userattr": "sAMAccountName",
        "binddn": format!("CN=lessor,OU=Svc,{BASE}"), "bindpass": PASSWORD, "groupdn": BASE, "request_timeout": 20,
    })
}

fn has(found: &[String], name: &str) -> bool {
    found.iter().any(|group| group == name)
}

#[tokio::test]
async fn people_of_a_domain_log_in_with_their_groups_and_the_bind_password_is_rotated() {
    let mut samba = Samba::start();
    // svc is in Devs over Inner; the group's name would be another's if it were cut at its comma.
    samba.tool(&["group", "add", "Inner"]);
    samba.tool(&["group", "addmembers", "Devs", "Inner"]);
    samba.tool(&["group", "addmembers", "Inner", "svc"]);
    nested_groups_come_with_token_groups(&samba).await;
    names_with_and_without_the_domain(&samba).await;
    an_account_changes_its_own_password(&samba, "svc", "svc@test.local").await;
    an_administrator_rotates(&mut samba).await;
}

async fn nested_groups_come_with_token_groups(samba: &Samba) {
    let method = configured(&config(samba), json!({ "groupfilter": "(member={{.UserDN}})" })).await;
    let direct = groups(&method, "svc", PASSWORD).await;
    assert!(has(&direct, "Inner") && !has(&direct, "Devs"), "{direct:?}");
    let method =
        configured(&config(samba), json!({ "use_token_groups": true, "groupfilter": "", "groupdn": "" })).await;
    let all = groups(&method, "svc", PASSWORD).await;
    for name in ["Inner", "Devs", "Domain Users", "Users"] {
        assert!(has(&all, name), "{name}: {all:?}");
    }
    assert!(!has(&all, "Domain Admins"), "{all:?}");
    let admin = groups(&method, "lessor", PASSWORD).await;
    assert!(has(&admin, "Domain Admins") && has(&admin, "Administrators") && !has(&admin, "Devs"), "{admin:?}");
}

async fn names_with_and_without_the_domain(samba: &Samba) {
    let domain = json!({ "upndomain": "test.local", "use_token_groups": true });
    let method = configured(&config(samba), domain).await;
    assert!(has(&groups(&method, "svc", PASSWORD).await, "Devs"));
    // The account's principal name is another than its old name.
    samba.tool(&["user", "create", "old-name", PASSWORD, "--userou=OU=Svc"]);
    samba.tool(&["user", "rename", "old-name", "--upn=new-name@test.local"]);
    assert!(has(&groups(&method, "new-name", PASSWORD).await, "Domain Users"));
    let error = log_in(&method, "old-name", PASSWORD).await.err().unwrap();
    assert!(matches!(error, Error::BadCredentials(_)), "{error}");
    method.write("config", json!({ "enable_samaccountname_login": true })).await;
    assert!(has(&groups(&method, "old-name", PASSWORD).await, "Domain Users"));
    // Without an account that searches, people read their own groups.
    method.write("config", json!({ "binddn": "", "bindpass": "" })).await;
    assert!(has(&groups(&method, "svc", PASSWORD).await, "Devs"));
    for name in ["ｓvc", "*", "svc)(cn=*", "s*", "svc@test.local)(|(cn=*"] {
        let error = log_in(&method, name, PASSWORD).await.err().unwrap();
        assert!(matches!(error, Error::BadCredentials(_)), "{name}: {error}");
    }
}

/// Who may not reset passwords may still change their own; `binddn` may be a principal name.
async fn an_account_changes_its_own_password(samba: &Samba, name: &str, binddn: &str) {
    let account = json!({ "binddn": binddn, "rotation_schema": "ad" });
    let method = configured(&config(samba), account).await;
    let rotating = method.rotating();
    let rotation = rotating.plan(&method.cx, "root").await.unwrap();
    rotating.apply(&method.cx, &rotation).await.unwrap();
    rotating.verify(&method.cx, &rotation).await.unwrap();
    let new = rotation.data["new"].as_str().unwrap();
    let dn = format!("CN={name},OU=Svc,{BASE}");
    assert!(samba.accepts(&dn, new) && !samba.accepts(&dn, PASSWORD));
    let changes = rotating.commit(&method.cx, &rotation).await.unwrap();
    method.cx.view.commit(changes).await.unwrap();
    assert!(log_in(&method, "lib1", PASSWORD).await.is_ok());
}

async fn an_administrator_rotates(samba: &mut Samba) {
    let method = configured(&config(samba), json!({ "rotation_schema": "ad" })).await;
    let rotating = method.rotating();
    let rotation = rotating.plan(&method.cx, "root").await.unwrap();
    rotating.apply(&method.cx, &rotation).await.unwrap();
    samba.stop();
    assert!(rotating.settle(&method.cx, &rotation).await.unwrap_err().target_is_down());
    samba.resume();
    assert!(log_in(&method, "lib1", PASSWORD).await.is_ok());
    assert_eq!(rotating.settle(&method.cx, &rotation).await.unwrap(), lessor_engine::Works::New);
    let changes = rotating.commit(&method.cx, &rotation).await.unwrap();
    method.cx.view.commit(changes).await.unwrap();
    assert!(log_in(&method, "lib1", PASSWORD).await.is_ok());
    assert!(!samba.accepts(&format!("CN=lessor,OU=Svc,{BASE}"), PASSWORD));
}
