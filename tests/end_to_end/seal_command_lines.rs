//! `operator init`, `unseal`, `rekey`, `rotate-keys`, `generate-root` and `rotate`, by Lessor's command line and the peer's.
use crate::lessor::{Lessor, PROGRAM};
use crate::targets::gpg::Holder;
use crate::targets::tool;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// One command line, and the server it speaks to.
struct CommandLine<'a> {
    program: &'a Path,
    lessor: &'a Lessor,
}

impl CommandLine<'_> {
    /// What it prints; it has to succeed.
    fn text(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.program)
            .arg("operator")
            .args(arguments)
            .env("VAULT_ADDR", &self.lessor.address)
            .env("VAULT_TOKEN", &self.lessor.token)
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(output.status.success(), "{} operator {arguments:?}: {text}", self.program.display());
        text
    }
    fn json(&self, arguments: &[&str]) -> Value {
        let (command, rest) = arguments.split_first().unwrap();
        let text = self.text(&[&[*command, "-format=json"], rest].concat());
        // Warnings of deprecated commands come around the answer.
        let from = text.find('{').unwrap_or_else(|| panic!("{arguments:?}: {text}"));
        let until = text.rfind('}').unwrap();
        let answer: Value = serde_json::from_str(&text[from..=until]).unwrap_or_else(|_| panic!("{text}"));
        match &answer["data"] {
            Value::Object(_) => answer["data"].clone(),
            _ => answer,
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

async fn every_step_of_holders(program: &Path) {
    let (directory, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let mut lessor = Lessor::stored(directory.path(), "").await;
    let key = holder.file(directory.path(), "holder.asc");
    let key = key.to_str().unwrap();
    let line = CommandLine { program, lessor: &lessor };
    let made = line.json(&["init", "-key-shares=1", "-key-threshold=1", &format!("-pgp-keys={key}")]);
    let mut share = holder.decrypt(&texts(&made["unseal_keys_b64"])[0]);
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let line = CommandLine { program, lessor: &lessor };
    line.text(&["unseal", &share]);

    for command in ["rekey", "rotate-keys"] {
        let begun = line.json(&[command, "-init", "-key-shares=1", "-key-threshold=1", "-verify"]);
        let nonce = format!("-nonce={}", begun["nonce"].as_str().unwrap());
        let done = line.json(&[command, &nonce, &share]);
        share = texts(&done["keys_base64"]).remove(0);
        let nonce = format!("-nonce={}", done["verification_nonce"].as_str().unwrap());
        // The peer's program says so in words, whatever format it is asked for.
        let said = line.text(&[command, "-verify", "-format=json", &nonce, &share]);
        assert!(said.contains("verification successful") || said.contains("\"complete\": true"), "{said}");
    }
    line.text(&["rotate"]);
    line.text(&["seal"]);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    line.text(&["unseal", &share]);

    let otp = line.text(&["generate-root", "-generate-otp"]).trim().to_owned();
    let begun = line.json(&["generate-root", "-init", &format!("-otp={otp}")]);
    let nonce = format!("-nonce={}", begun["nonce"].as_str().unwrap());
    let done = line.json(&["generate-root", &nonce, &share]);
    let hidden = format!("-decode={}", done["encoded_root_token"].as_str().or(done["encoded_token"].as_str()).unwrap());
    let token = line.json(&["generate-root", &hidden, &format!("-otp={otp}")])["token"].as_str().unwrap().to_owned();
    lessor.token = token;
    assert_eq!(lessor.read("auth/token/lookup-self").await["data"]["policies"], serde_json::json!(["root"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_command_line_does_every_step_of_holders() {
    every_step_of_holders(Path::new(PROGRAM)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peers_command_line_does_every_step_of_holders() {
    every_step_of_holders(&tool("bao-2.7.2", "bao")).await;
}
