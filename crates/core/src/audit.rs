//! Who asked for what: one JSON line per request and one per answer, on every enabled device. A request that no
//! device takes is not served.
mod device;
pub mod headers;
mod quotes;
mod record;
mod table;

pub use record::{Line, Subject};
pub use table::{Audit, Declared, DeviceEntry};
