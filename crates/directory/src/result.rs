//! Result codes of RFC 4511, appendix A, that something depends on.

/// The codes by name.
pub mod code {
    /// It worked.
    pub const SUCCESS: u32 = 0;
    /// The attribute or value to be deleted is not there.
    pub const NO_SUCH_ATTRIBUTE: u32 = 16;
    /// The value to be added is there.
    pub const ATTRIBUTE_OR_VALUE_EXISTS: u32 = 20;
    /// There is no such entry.
    pub const NO_SUCH_OBJECT: u32 = 32;
    /// Wrong name or password.
    pub const INVALID_CREDENTIALS: u32 = 49;
    /// Too much to do.
    pub const BUSY: u32 = 51;
    /// It is shutting down, or offline.
    pub const UNAVAILABLE: u32 = 52;
    /// It could, but will not.
    pub const UNWILLING_TO_PERFORM: u32 = 53;
    /// The entry to be added is there.
    pub const ENTRY_ALREADY_EXISTS: u32 = 68;
}

/// A code in words.
pub fn name_of(code: u32) -> &'static str {
    match code {
        0 => "Success",
        1 => "Operations Error",
        2 => "Protocol Error",
        3 => "Time Limit Exceeded",
        4 => "Size Limit Exceeded",
        7 => "Auth Method Not Supported",
        8 => "Strong Auth Required",
        10 => "Referral",
        11 => "Admin Limit Exceeded",
        13 => "Confidentiality Required",
        16 => "No Such Attribute",
        17 => "Undefined Attribute Type",
        18 => "Inappropriate Matching",
        19 => "Constraint Violation",
        20 => "Attribute Or Value Exists",
        21 => "Invalid Attribute Syntax",
        32 => "No Such Object",
        34 => "Invalid DN Syntax",
        48 => "Inappropriate Authentication",
        49 => "Invalid Credentials",
        50 => "Insufficient Access Rights",
        51 => "Busy",
        52 => "Unavailable",
        53 => "Unwilling To Perform",
        64 => "Naming Violation",
        65 => "Object Class Violation",
        66 => "Not Allowed On Non Leaf",
        67 => "Not Allowed On RDN",
        68 => "Entry Already Exists",
        69 => "Object Class Mods Prohibited",
        71 => "Affects Multiple DSAs",
        _ => "Other",
    }
}
