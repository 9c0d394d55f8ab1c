//! Random policies, written to Lessor and to the peer: what they grant on random paths has to be the same.
use crate::lessor::Lessor;
use crate::targets::bao::{Bao, Side};
use lessor_client::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

const DECISIONS: usize = 120_000;
const PATHS: usize = 800;
const SEGMENTS: [&str; 9] = ["a", "b", "ab", "abc", "c", "a+", "+a", "a*c", ""];
const WORDS: [&str; 8] = ["create", "read", "update", "delete", "list", "sudo", "patch", "scan"];

fn segment(random: &mut StdRng) -> &'static str {
    SEGMENTS.choose(random).unwrap()
}

/// Every form that a rule's path can have.
fn pattern(random: &mut StdRng) -> String {
    let mut segments = Vec::new();
    for _ in 0..random.random_range(1..=4) {
        segments.push(if random.random_ratio(1, 3) { "+" } else { segment(random) });
    }
    let end = ["", "", "", "*", "*", "/", "/*"].choose(random).unwrap();
    let start = if random.random_ratio(1, 12) { "/" } else { "" };
    let pattern = format!("{start}{}{end}", segments.join("/"));
    // Neither server takes this one.
    if pattern.contains("+*") { pattern.replace("+*", "+") } else { pattern }
}

/// A path that the pattern may match, or nearly.
fn path_near(pattern: &str, random: &mut StdRng) -> String {
    let mut segments: Vec<String> = Vec::new();
    for part in pattern.split('/') {
        segments.push(match part.strip_suffix('*') {
            _ if part == "+" => segment(random).to_owned(),
            Some(start) => format!("{start}{}", segment(random)),
            None => part.to_owned(),
        });
    }
    match random.random_range(0..6) {
        0 => segments.push(segment(random).to_owned()),
        1 => drop(segments.pop()),
        2 => {
            let at = random.random_range(0..segments.len());
            segments[at] = segment(random).to_owned();
        }
        _ => {}
    }
    let end = if random.random_ratio(1, 4) { "/" } else { "" };
    format!("{}{end}", segments.join("/"))
}

fn rule(random: &mut StdRng) -> Value {
    if random.random_ratio(1, 10) {
        let legacy = ["deny", "read", "write", "sudo"];
        return json!({ "policy": legacy.choose(random) });
    }
    let mut words: Vec<&str> = WORDS.into_iter().filter(|_| random.random_ratio(1, 3)).collect();
    if random.random_ratio(1, 8) {
        words.push("deny");
    }
    json!({ "capabilities": words })
}

/// The same rules, in HCL or in JSON; HCL may name a path twice.
fn policy(rules: &[(String, Value)], random: &mut StdRng) -> String {
    if random.random_ratio(1, 3) {
        let paths: Map<String, Value> = rules.iter().cloned().collect();
        return json!({ "path": paths }).to_string();
    }
    let block = |(path, rule): &(String, Value)| {
        let (name, value) = rule.as_object().unwrap().iter().next().unwrap();
        format!("path \"{path}\" {{\n  {name} = {value}\n}}\n")
    };
    rules.iter().map(block).collect()
}

async fn granted(side: &Side, token: &str, paths: &[String]) -> Value {
    side.put("sys/capabilities", json!({ "token": token, "paths": paths })).await["data"].take()
}

/// `LESSOR_SEED` repeats a run.
#[tokio::test(flavor = "multi_thread")]
async fn random_policies_grant_what_the_peer_grants() {
    let seed = std::env::var("LESSOR_SEED").ok().map_or_else(|| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("LESSOR_SEED={seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let (lessor, bao) = (Lessor::dev().await, Bao::dev().await);
    let (ours, theirs) = (Side::new(&lessor.address), bao.side());
    let mut decisions = 0;
    while decisions < DECISIONS {
        let count = random.random_range(1..=4);
        let (mut names, mut texts, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..count {
            let rules: Vec<(String, Value)> =
                (0..random.random_range(1..=9)).map(|_| (pattern(random), rule(random))).collect();
            let each = PATHS / count / rules.len();
            for (pattern, _) in &rules {
                paths.extend((0..each).map(|_| path_near(pattern, random)));
            }
            names.push(format!("p{at}"));
            texts.push(policy(&rules, random));
        }
        paths.retain(|path| !path.is_empty());
        paths.sort_unstable();
        paths.dedup();
        let mut answers = Vec::new();
        for side in [&ours, &theirs] {
            for (name, text) in names.iter().zip(&texts) {
                side.policy(name, text).await;
            }
            let token = side.token(&names).await;
            answers.push(granted(side, &token, &paths).await);
            side.ask(Method::Put, "auth/token/revoke", Some(json!({ "token": token }))).await;
        }
        for path in &paths {
            let (ours, theirs) = (&answers[0][path], &answers[1][path]);
            assert_eq!(ours, theirs, "LESSOR_SEED={seed}: {path:?} under\n{}", texts.join("\n---\n"));
        }
        decisions += paths.len();
    }
    println!("{decisions} decisions, none different");
}
