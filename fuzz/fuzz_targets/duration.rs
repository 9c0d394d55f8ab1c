//! Durations: what is read is written in a way that is read alike.
#![no_main]
use lessor_engine::duration::{go_string, parse, short_string};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(read) = parse(text) else { return };
    for written in [go_string(read), short_string(read)] {
        let again = parse(&written).unwrap_or_else(|error| panic!("{text:?} is written {written:?}: {error}"));
        // Below a millisecond the sum of the units is rounded; above a thousand years so are milliseconds.
        let close = again.abs_diff(read).as_secs_f64() <= read.as_secs_f64() * 1e-9 + 1e-6;
        assert!(close, "{text:?} is {read:?}, written {written:?}, read {again:?}");
    }
});
