//! Requests that a key signed, certified by OpenSSL, and the certificates kept beside the key.
use super::peer::Both;
use lessor_client::Request;
use serde_json::json;
use std::path::Path;
use std::process::Command;

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(directory).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_signed_here_is_certified_and_its_chain_kept() {
    let both = Both::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (at, file) = (directory.path(), |name: &str| directory.path().join(name));
    openssl(
        at,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2",
    );
    openssl(
        at,
        "req -new -newkey ed25519 -nodes -keyout t.key -out template.csr -subj /CN=app -addext subjectAltName=DNS:app.example",
    );
    let template = std::fs::read_to_string(file("template.csr")).unwrap();
    for kind in ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048"] {
        for server in [&both.lessor, &both.peer] {
            server.write(&format!("transit/keys/{kind}"), json!({ "type": kind })).await;
            let made = server.write(&format!("transit/keys/{kind}/csr"), json!({ "csr": template })).await;
            std::fs::write(file("app.csr"), made["csr"].as_str().unwrap()).unwrap();
            openssl(at, "req -in app.csr -verify -noout");
            let text =
                Command::new("openssl").current_dir(at).args(["req", "-in", "app.csr", "-text", "-noout"]).output();
            let text = String::from_utf8(text.unwrap().stdout).unwrap();
            assert!(text.contains("CN = app") && text.contains("DNS:app.example"), "{kind}: {text}");
            openssl(at, "x509 -req -in app.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out app.pem -days 1");
            let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
            let chain = format!("{}{}", read("app.pem"), read("ca.pem"));
            let path = format!("transit/keys/{kind}/set-certificate");
            server.write(&path, json!({ "certificate_chain": chain })).await;
            let kept = server.read(&format!("transit/export/certificate-chain/{kind}")).await["keys"]["1"].clone();
            assert_eq!(kept.as_str().unwrap(), chain.trim(), "{kind}");
            let shown = server.read(&format!("transit/keys/{kind}")).await;
            assert_eq!(shown["keys"]["1"]["certificate_chain"].as_str().unwrap(), chain.trim());
            for (bad, expected) in [
                (read("ca.pem"), "certificate in the first element is not a valid leaf certificate"),
                (format!("{0}{0}", read("app.pem")), "certificate in the last element is not a valid CA certificate"),
            ] {
                let answer = server.ask(Request::put(&path, json!({ "certificate_chain": bad }))).await;
                let text = answer.body["errors"][0].as_str().unwrap();
                assert!(answer.status >= 400 && text.contains(expected), "{kind}: {text}");
            }
        }
    }
    // A certificate of somebody else's key.
    let stranger = std::fs::read_to_string(file("app.pem")).unwrap();
    let request = Request::put("transit/keys/rsa-2048/set-certificate", json!({ "certificate_chain": stranger }));
    let answer = both.lessor.ask(request).await;
    assert!(answer.body["errors"][0].as_str().unwrap().contains("does not match the selected key version"));
}
