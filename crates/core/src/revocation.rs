//! What falls due: the reaper reads the due index and hands entries to one lane per target; a lane works with its
//! own concurrency limit and circuit breaker, so that one dead platform delays nobody else.
mod lane;
mod reaper;
mod start;

pub use lane::Lanes;
