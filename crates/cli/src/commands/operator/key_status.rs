use lessor_client::{Method, Request};
use serde_json::json;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::{plain, show};

pub static COMMAND: Command = Command {
    name: "operator key-status",
    usage: "",
    about: "Show the key that storage is encrypted with.",
    example: "lessor operator key-status",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

pub static ROTATE: Command = Command {
    name: "operator rotate",
    usage: "",
    about: "Add a key that storage is encrypted with from now on.",
    example: "lessor operator rotate",
    flags: &[],
    run: |ctx, args| Box::pin(rotate(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error reading key status", Request::get("sys/key-status")).await?;
    let data = &answer["data"];
    if !ctx.is_table() {
        let [term, time, count] = ["term", "install_time", "encryptions"].map(|key| data[key].clone());
        ctx.show_value(&json!({ "term": term, "install_time": time, "encryptions": count }));
        return Ok(0);
    }
    let rows = [
        ("Key Term".to_owned(), show(&data["term"])),
        ("Install Time".to_owned(), short_date(show(&data["install_time"]))),
        ("Encryption Count".to_owned(), show(&data["encryptions"])),
    ];
    ctx.say(&plain(&rows));
    Ok(0)
}

async fn rotate(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    ctx.call("Error rotating key", Request::new(Method::Put, "sys/rotate")).await?;
    if ctx.is_table() {
        ctx.say("Success! Rotated key\n");
    }
    run(ctx, args).await
}

/// `2026-11-22T13:43:07Z` as `22 Nov 26 13:43 UTC`; anything else as it is.
fn short_date(time: String) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts = || -> Option<String> {
        let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
        let mut numbers = date.split('-');
        let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(format!("{day} {month} {} {} UTC", year.get(2..)?, clock.get(..5)?))
    };
    parts().unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::short_date;

    #[test]
    fn install_times_are_shown_short() {
        assert_eq!(short_date("2026-11-22T13:43:07.123Z".into()), "22 Nov 26 13:43 UTC");
        assert_eq!(short_date("yesterday".into()), "yesterday");
    }
}
