//! `namespace`: servers within the server.

pub mod change;
pub mod list;
pub mod lock;

use serde_json::Value;

use crate::context::Ctx;
use crate::output::{data_rows, key_value, sorted};

/// Prints a namespace, or one of its fields.
fn show(ctx: &mut Ctx, answer: &Value, field: Option<&str>) -> crate::command::Outcome {
    if field.is_some() {
        return ctx.show_secret_or_field(answer, field);
    }
    if ctx.is_table() {
        ctx.say(&key_value(&data_rows(&answer["data"])));
    } else {
        ctx.show_value(&sorted(&answer["data"]));
    }
    Ok(0)
}
