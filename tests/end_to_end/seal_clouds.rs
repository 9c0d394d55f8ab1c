//! Protocol only: seals whose key a cloud keeps, with stand-ins that check requests against what the clouds publish
//! (Google's discovery documents, Microsoft's own library) and do what the real keys do: rotate, deny, go away.
use crate::auth_remote::google::Google;
use crate::auth_remote::microsoft::{Azure, TENANT};
use crate::lessor::Lessor;
use crate::seal_keepers::{disabled, enabled, fill, keys, migrate, opened, opens_by_itself};
use lessor_client::Request;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

fn azure_stanza(azure: &Azure) -> String {
    let base = &azure.stand_in.address;
    format!(
        "seal \"azurekeyvault\" {{\n tenant_id = \"{TENANT}\"\n client_id = \"lessor-client\"\n \
         client_secret = \"lessor-secret\"\n vault_name = \"lessor\"\n key_name = \"unseal\"\n endpoint = \"{base}\"\n \
         active_directory_endpoint = \"{base}\"\n DISABLED }}"
    )
}

/// The credentials go into a file of the directory.
fn google_stanza(google: &Google, directory: &Path) -> String {
    let file = directory.join("credentials.json");
    std::fs::write(&file, google.key_file()).unwrap();
    format!(
        "seal \"gcpckms\" {{\n credentials = {file:?}\n project = \"p-one\"\n region = \"global\"\n key_ring = \"ring\"\n \
         crypto_key = \"unseal\"\n endpoint = \"{}\"\n DISABLED }}",
        google.stand_in.address
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_microsofts_own_library_asks_the_key_vault_the_same() {
    let (azure, directory) = (Azure::start(), tempfile::tempdir().unwrap());
    let lessor = Lessor::stored(directory.path(), &enabled(&azure_stanza(&azure))).await;
    opens_by_itself(lessor, "azurekeyvault").await;
    let questions = || {
        let asked = azure.stand_in.asked().into_iter().filter(|asked| asked.path.starts_with("/keys/"));
        let fields = |body: &str| match serde_json::from_str::<Value>(body) {
            Ok(Value::Object(fields)) => fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let known = asked.filter(|asked| !asked.header("authorization").is_empty());
        known.map(|asked| format!("{} {} {:?}", asked.method, asked.path, fields(&asked.body))).collect::<Vec<_>>()
    };
    let ours = questions();
    let code = format!(
        "from azure.keyvault.keys import KeyClient\n\
         from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm\n\
         from azure.keyvault.keys._generated.models import KeyOperationsParameters\n\
         credential = application('lessor-secret', 'lessor-client')\n\
         more = dict(credential=credential, api_version='7.4', verify_challenge_resource=False)\n\
         keys = KeyClient(vault_url='{0}', **more)\n\
         key = keys.get_key('unseal')\n\
         crypto = CryptographyClient(key.id, **more)\n\
         # Wrapped by the library itself with the public key.\n\
         wrapped = CryptographyClient(key, **more).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b'secret').encrypted_key\n\
         print(crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key.decode())\n\
         sent = KeyOperationsParameters(algorithm='RSA-OAEP-256', value=b'x')\n\
         print(keys._client.wrap_key('unseal', key.properties.version, sent).kid == key.id)",
        azure.stand_in.https
    );
    assert_eq!(azure.python(&code).unwrap(), "secret\nTrue");
    let theirs = questions().split_off(ours.len());
    // The library puts a slash where the version would stand.
    let theirs: Vec<String> = theirs.into_iter().map(|asked| asked.replace("/unseal/?", "/unseal?")).collect();
    for question in &ours {
        assert!(theirs.contains(question), "{question} is none of {theirs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_key_of_cloud_kms_opens_the_node_and_damaged_bytes_are_not_relied_on() {
    let (google, directory) = (Google::start(), tempfile::tempdir().unwrap());
    let lessor = Lessor::stored(directory.path(), &enabled(&google_stanza(&google, directory.path()))).await;
    google.change(|world| world.kms.damaged = true);
    let init = Request::put("sys/init", json!({ "recovery_shares": 1, "recovery_threshold": 1 }));
    assert!(lessor.refused(init).await.1.contains("CRC32C"));
    assert_eq!(lessor.read("sys/init").await["initialized"], false);
    google.change(|world| world.kms.damaged = false);
    opens_by_itself(lessor, "gcpckms").await;
}

/// Starts again, opens, and has its key encrypted anew where the keeper has a newer one.
async fn again(lessor: Lessor) -> Lessor {
    let lessor = lessor.kill_and_restart().await;
    opened(&lessor, Duration::from_secs(20)).await;
    assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
    lessor
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_after_a_rotation_the_old_version_is_not_needed_once_the_node_was_started() {
    let (azure, google, directory) = (Azure::start(), Google::start(), tempfile::tempdir().unwrap());
    let folder = |name: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let mut lessor = Lessor::stored(&folder("azure"), &enabled(&azure_stanza(&azure))).await;
    fill(&mut lessor).await;
    azure.change(|world| world.vault.rotate());
    let lessor = again(lessor).await;
    azure.change(|world| world.vault.disable_oldest());
    drop(again(lessor).await);

    let mut lessor = Lessor::stored(&folder("google"), &enabled(&google_stanza(&google, directory.path()))).await;
    fill(&mut lessor).await;
    google.change(|world| world.kms.rotated = 1);
    let lessor = again(lessor).await;
    google.change(|world| world.kms.destroyed = [1].into());
    again(lessor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_while_the_cloud_is_away_or_denies_the_node_stays_sealed_and_opens_afterwards() {
    let (azure, google, directory) = (Azure::start(), Google::start(), tempfile::tempdir().unwrap());
    let stanzas = [azure_stanza(&azure), google_stanza(&google, directory.path())];
    let set = |down: bool, denied: bool| {
        azure.change(|world| (world.down, world.vault.denied) = (down, denied));
        google.change(|world| (world.down, world.kms.denied) = (down, denied));
    };
    for (at, stanza) in stanzas.iter().enumerate() {
        let place = directory.path().join(at.to_string());
        std::fs::create_dir(&place).unwrap();
        let mut lessor = Lessor::stored(&place, &enabled(stanza)).await;
        fill(&mut lessor).await;
        for (down, denied) in [(true, false), (false, true)] {
            set(down, denied);
            lessor = lessor.kill_and_restart().await;
            assert_eq!(lessor.read("sys/seal-status").await["sealed"], true);
            assert_eq!(lessor.refused(Request::get("kv/a")).await.0, 503);
            set(false, false);
            opened(&lessor, Duration::from_secs(20)).await;
            assert_eq!(lessor.read("kv/a").await["data"]["x"], "1");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_storage_moves_from_key_shares_to_azure_to_google_and_back() {
    let (azure, google, directory) = (Azure::start(), Google::start(), tempfile::tempdir().unwrap());
    let (vault, kms) = (azure_stanza(&azure), google_stanza(&google, directory.path()));
    let mut lessor = Lessor::stored(directory.path(), "").await;
    let made = lessor.write("sys/init", json!({ "secret_shares": 2, "secret_threshold": 2 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let shares = keys(&made, "keys_base64");
    for share in &shares {
        lessor.write("sys/unseal", json!({ "key": share })).await;
    }
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    lessor.write("kv/a", json!({ "x": "1" })).await;

    let lessor = lessor.restart_with(&enabled(&vault)).await;
    migrate(&lessor, &shares).await;
    let lessor = again(lessor).await;
    assert_eq!(lessor.read("sys/seal-status").await["type"], "azurekeyvault");
    let lessor = lessor.restart_with(&format!("{}\n{}", enabled(&kms), disabled(&vault))).await;
    migrate(&lessor, &shares).await;
    drop(azure);
    let lessor = again(lessor.restart_with(&enabled(&kms)).await).await;
    assert_eq!(lessor.read("sys/seal-status").await["type"], "gcpckms");
    let lessor = lessor.restart_with(&disabled(&kms)).await;
    migrate(&lessor, &shares).await;
    drop(google);
    let lessor = lessor.restart_with("").await;
    for share in &shares {
        lessor.write("sys/unseal", json!({ "key": share })).await;
    }
    assert_eq!(opened(&lessor, Duration::from_secs(1)).await["type"], "shamir");
}
