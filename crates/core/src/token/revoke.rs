//! The end of a token: its children end, its leases end, then nothing is left of it.
use super::store::target;
use crate::active::Active;
use crate::cubbyhole;
use crate::keys::{Due, DueKind};
use crate::lease::revoke::{Attempt, How};
use lessor_engine::Result;

const PAGE: usize = 256;

impl Active {
    /// Ends a token and all that depends on it; what a crash leaves undone, the due index brings up again. The
    /// credentials of its leases are deleted by the queue.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn revoke_token(&self, key: &str) -> Result<()> {
        if let Some(due) = self.tokens.bury(key, self.now()).await? {
            self.finish_tokens(due).await?;
        }
        Ok(())
    }

    /// Ends a token; its children become orphans.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn revoke_orphan(&self, key: &str) -> Result<()> {
        loop {
            let children = self.tokens.children(key, None, PAGE).await?;
            for child in &children {
                self.tokens.orphan(key, child).await?;
            }
            if children.len() < PAGE {
                return self.revoke_token(key).await;
            }
        }
    }

    /// Ends every token made below a path (namespace and request path, ending in `/`).
    ///
    /// # Errors
    /// When storage fails.
    pub async fn revoke_tokens_below(&self, path: &str) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let page = self.tokens.below(path, after.as_deref(), PAGE).await?;
            for rest in &page {
                let key = rest.rsplit('/').next().unwrap_or(rest);
                self.revoke_token(key).await?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().cloned();
        }
    }

    /// Ends the tokens that hold wrapped answers of a path (ending in `/`) of a namespace.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn revoke_wrapping_below(&self, namespace: &str, path: &str) -> Result<()> {
        let (full, mut after) = (format!("{namespace}{path}"), None::<String>);
        loop {
            let page = self.tokens.below(&full, after.as_deref(), PAGE).await?;
            for rest in &page {
                let key = rest.rsplit('/').next().unwrap_or(rest);
                let found = self.tokens.get(key, self.now()).await?.map(|(token, _)| token);
                // Below the path of a namespace lie the tokens of that namespace.
                if found.is_some_and(|token| token.is_wrapping() && token.namespace == namespace) {
                    self.revoke_token(key).await?;
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().cloned();
        }
    }

    async fn finish_tokens(&self, first: Due) -> Result<()> {
        let mut open = vec![first];
        while let Some(due) = open.pop() {
            let Some(token) = self.tokens.buried(&due.subject).await? else { continue };
            let mut after: Option<String> = None;
            loop {
                let children = self.tokens.children(&token.key, after.as_deref(), PAGE).await?;
                for child in &children {
                    open.extend(self.tokens.bury(child, self.now()).await?);
                }
                after = children.last().cloned();
                if children.len() < PAGE {
                    break;
                }
            }
            self.expire_leases_of(&token.key).await?;
            self.remove_below(&cubbyhole::prefix(&token.key)).await?;
            self.tokens.forget(&token, &due).await?;
        }
        Ok(())
    }

    async fn expire_leases_of(&self, key: &str) -> Result<()> {
        let _time = crate::metrics::timed!("expire.revoke-by-token");
        let mut after: Option<String> = None;
        loop {
            let ids = self.tokens.leases(key, after.as_deref(), PAGE).await?;
            let (last, size) = (ids.last().cloned(), ids.len());
            self.end_all(ids, How::Expire).await?;
            after = last;
            if size < PAGE {
                return Ok(());
            }
        }
    }

    /// A token that the reaper brought up: ended by time, or half revoked.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn attempt_token(&self, due: &Due) -> Result<Attempt> {
        let key = &due.subject;
        if self.tokens.buried(key).await?.is_some() {
            self.finish_tokens(due.clone()).await?;
            return Ok(Attempt::Done);
        }
        let current = self.tokens.recorded(key).await?.and_then(|token| token.due());
        if current.as_ref() == Some(&Due { at: due.at, kind: DueKind::Token, subject: key.clone() }) {
            self.revoke_token(key).await?;
        }
        self.leases.drop_due(due, &target()).await?;
        Ok(Attempt::Done)
    }
}
