//! `code/`: the current code, and whether a code is right.
use crate::Totp;
use crate::algorithm::code;
use crate::record::{Key, Used, load, seconds, used};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Secret, duration};
use serde_json::json;
use std::sync::Arc;

/// Every lost race is somebody else's success; this only ends what would never end.
const ATTEMPTS: usize = 1000;

#[derive(Params)]
pub(crate) struct Named {
    /// Name of the key.
    name: String,
}

#[derive(Params)]
pub(crate) struct Validate {
    /// Name of the key.
    name: String,
    /// The code to check.
    #[param(secret)]
    code: Secret,
}

pub(crate) async fn generate(_: Arc<Totp>, cx: Context, at: Named) -> Result<Reply> {
    let key = load(&cx, &at.name).await?;
    let step = key.step(&cx);
    Ok(Reply::data(json!({
        "code": code(key.algorithm, &key.bytes()?, step, key.digits),
        "generated": seconds(&cx),
        "expire_time": (step + 1) * key.period.0,
        "period": duration::go_string(key.period.duration()),
    })))
}

/// The steps around now whose code this is.
fn matching(key: &Key, now: u64, given: &str) -> Result<Vec<u64>> {
    let bytes = key.bytes()?;
    let around = now.saturating_sub(key.skew)..=now + key.skew;
    let is = |step: &u64| {
        let expected = code(key.algorithm, &bytes, *step, key.digits);
        verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
    };
    Ok(around.filter(is).collect())
}

pub(crate) async fn validate(_: Arc<Totp>, cx: Context, asked: Validate) -> Result<Reply> {
    let key = load(&cx, &asked.name).await?;
    let given = asked.code.expose();
    if given.is_empty() {
        return Err(Error::invalid("the code value is required"));
    }
    if u32::try_from(given.len()) != Ok(key.digits) || given.trim() != given {
        return Err(Error::invalid("invalid number of digits for the code"));
    }
    let now = key.step(&cx);
    let steps = matching(&key, now, given)?;
    if steps.is_empty() {
        return Ok(Reply::data(json!({ "valid": false })));
    }
    accept(&cx, &asked.name, &steps, now.saturating_sub(key.skew)).await?;
    Ok(Reply::data(json!({ "valid": true })))
}

/// Remembers the steps, so that their code is not taken again: not here, not by another node, not after a restart.
async fn accept(cx: &Context, name: &str, steps: &[u64], oldest: u64) -> Result<()> {
    let at = used(name);
    for _ in 0..ATTEMPTS {
        let found = cx.view.get_versioned::<Used>(&at).await?;
        let (mut used, guard) = found.map_or((Used::default(), None), |(used, version)| (used, Some(version)));
        if steps.iter().any(|step| used.steps.contains(step)) {
            return Err(Error::invalid("code already used; wait until the next time period"));
        }
        used.steps.retain(|step| *step >= oldest);
        used.steps.extend(steps);
        match cx.view.commit(Changes::new().expect(&at, guard).put(&at, &used)?).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => return done,
        }
    }
    Err(Error::Internal("too many requests check codes of this key: try again".to_owned()))
}
