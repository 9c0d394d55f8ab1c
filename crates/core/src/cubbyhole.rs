//! What a token keeps for itself; it ends with the token.
use lessor_engine::View;
use lessor_storage::Storage;
use std::sync::Arc;

/// Where the secrets of one token lie.
pub fn prefix(token: &str) -> String {
    format!("cubbyhole/{token}/")
}

/// The secrets of one token (its storage id).
pub fn of(storage: &Arc<dyn Storage>, token: &str) -> View {
    View::new(Arc::clone(storage), prefix(token))
}
