//! The pipeline's question: may this token do that?
use super::{Acl, Ask, Decision, Granting};
use crate::active::Active;
use crate::glance::Glance;
use crate::identity::Subject;
use crate::request::Request;
use crate::response::Response;
use crate::token::Token;
use lessor_engine::{Access, Operation, Result};
use lessor_storage::Version;
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Active {
    /// What a token may do. `subject` is the entity behind it, whose policies and groups count too.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn acl(&self, token: &Token, subject: Option<&Subject>) -> Result<Arc<Acl>> {
        self.acl_as_of(self.policies.epoch().await?, token, subject).await
    }
    async fn acl_as_of(&self, epoch: Option<Version>, token: &Token, subject: Option<&Subject>) -> Result<Arc<Acl>> {
        let own = &token.policies;
        let more = subject.map_or(&[][..], |subject| &subject.policies);
        if more.is_empty() {
            return self.policies.acl_as_of(epoch, &token.namespace, own, subject, self.now()).await;
        }
        let mut names = [own, more].concat();
        names.sort_unstable();
        names.dedup();
        self.policies.acl_as_of(epoch, &token.namespace, &names, subject, self.now()).await
    }
    /// Whether the request is let through; bounds the page of a list that it asks for.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn decide(
        &self,
        token: Option<&Token>,
        subject: Option<&Subject>,
        request: &mut Request,
        access: Access,
        glance: &Glance,
    ) -> Result<Decision> {
        let open = || Decision { allowed: true, ..Decision::default() };
        let token = match (token, access) {
            (_, Access::Open) => return Ok(open()),
            (None, Access::Token | Access::Sudo) => return Ok(Decision::default()),
            (Some(_), _) if request.help => return Ok(open()),
            (Some(token), _) => token,
        };
        let full = (!request.namespace.is_empty()).then(|| format!("{}{}", request.namespace, request.path));
        let ask = Ask {
            path: full.as_deref().unwrap_or(&request.path),
            operation: request.operation,
            fields: &request.fields,
            wrap_ttl: request.wrap_ttl,
            sudo: access == Access::Sudo,
        };
        let mut decision = self.acl_as_of(glance.policies, token, subject).await?.decide(&ask);
        decision.namespace_id = self.namespaces.id_of(&token.namespace);
        if let Some(limit) = decision.limit {
            request.fields.insert("limit".to_owned(), Value::String(limit.to_string()));
        }
        Ok(decision)
    }
}

impl Decision {
    /// The `policy_results` of audit.
    pub(crate) fn audited(&self) -> Value {
        let shown =
            |policy: &Granting| json!({ "name": &*policy.name, "namespace_id": self.namespace_id, "type": "acl" });
        let granting = self.granting.iter().map(shown);
        let mut results = Map::from_iter([("allowed".to_owned(), json!(self.allowed))]);
        if !self.granting.is_empty() {
            results.insert("granting_policies".to_owned(), granting.collect());
        }
        Value::Object(results)
    }
    /// Leaves out of a list what the rule's filter says the caller cannot reach.
    ///
    /// # Errors
    /// When the filter cannot be rendered: then nothing is shown.
    pub(crate) fn filter(&self, request: &Request, response: &mut Response) -> Result<()> {
        let Some((acl, filter)) = &self.keys else { return Ok(()) };
        let data = response.body.json_mut().and_then(|body| body.get_mut("data"));
        let Some(Value::Object(data)) = data else { return Ok(()) };
        let Some(Value::Array(keys)) = data.get_mut("keys") else { return Ok(()) };
        let mut shown = Vec::new();
        for key in keys.iter().filter_map(Value::as_str) {
            let path = super::template::key_path(filter, &request.path, key).map_err(lessor_engine::Error::Internal)?;
            let path = format!("{}{path}", request.namespace);
            let operation = if key.ends_with('/') { Operation::List } else { Operation::Read };
            let ask = Ask { path: &path, operation, fields: &Map::new(), wrap_ttl: None, sudo: false };
            if acl.decide(&ask).allowed {
                shown.push(key.to_owned());
            }
        }
        if let Some(Value::Object(info)) = data.get_mut("key_info") {
            info.retain(|key, _| shown.contains(key));
        }
        data.retain(|name, _| name == "key_info");
        data.insert("keys".to_owned(), json!(shown));
        Ok(())
    }
}
