//! Shows how an endpoint's typed parameters take what Vault's clients send.
use lessor_engine::{Fields, Params, Seconds};

#[derive(Params)]
struct Lease {
    /// Lifetime of a lease.
    #[param(default = "1h")]
    ttl: Seconds,
}

#[allow(clippy::print_stdout)]
fn main() {
    for sent in ["90m", "3600", "2d", "soon"] {
        let mut raw = Fields::from_iter([("ttl".to_owned(), sent.into())]);
        match Lease::parse(&mut raw) {
            Ok(lease) => println!("ttl={sent} is {} seconds", lease.ttl.0),
            Err(error) => println!("ttl={sent} is refused: {error}"),
        }
    }
}
