//! `auth/token/tidy`: accessors that name no token any more.
use super::super::System;
use crate::active::Active;
use lessor_engine::{Context, Paths, Reply, Result};
use std::sync::Arc;

const PAGE: usize = 256;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("tidy", "Removes what ended tokens left behind.", |path| path.write(tidy))
}

async fn tidy(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let worker = Arc::clone(&active);
    active.tasks.spawn(async move {
        match worker.tidy_accessors().await {
            Ok(removed) => tracing::info!(removed, "tidied tokens"),
            Err(error) => tracing::error!(%error, "tidying tokens failed"),
        }
    });
    let text = "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.";
    Ok(Reply::empty().status(202).warn(text))
}

impl Active {
    async fn tidy_accessors(&self) -> Result<usize> {
        let (mut removed, mut after) = (0, None::<String>);
        loop {
            let page = self.tokens.accessors(after.as_deref(), PAGE).await?;
            for accessor in &page {
                removed += usize::from(self.tokens.drop_dangling(accessor).await?);
            }
            if page.len() < PAGE {
                return Ok(removed);
            }
            after = page.last().cloned();
        }
    }
}
