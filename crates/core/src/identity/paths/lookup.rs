//! `identity/lookup`.
use super::Endpoints;
use crate::identity::tx::{group_alias_key, group_alias_name_key};
use lessor_engine::{Context, Error, Params, Paths, Reply, Result};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths.path("lookup/entity", "Finds an entity.", |path| path.write(entity)).path(
        "lookup/group",
        "Finds a group.",
        |path| path.write(group),
    )
}

#[derive(Params)]
struct Query {
    /// Its name.
    name: String,
    /// Its id.
    id: String,
    /// The id of an alias of it.
    alias_id: String,
    /// The name of an alias of it, together with `alias_mount_accessor`.
    alias_name: String,
    /// The accessor of the alias's mount, together with `alias_name`.
    alias_mount_accessor: String,
}

enum Question {
    Name(String),
    Id(String),
    Alias(String),
    AliasNamed { accessor: String, name: String },
}

impl Query {
    fn question(self) -> Result<Question> {
        let half = self.alias_name.is_empty() != self.alias_mount_accessor.is_empty();
        let alias = !self.alias_name.is_empty() && !half;
        let plain = [&self.name, &self.id, &self.alias_id].into_iter().filter(|text| !text.is_empty()).count();
        if plain + usize::from(alias || half) > 1 {
            return Err(Error::invalid("query parameter conflict; please supply distinct set of query parameters"));
        }
        if half {
            return Err(Error::invalid("both 'alias_name' and 'alias_mount_accessor' needs to be set"));
        }
        if alias {
            return Ok(Question::AliasNamed { accessor: self.alias_mount_accessor, name: self.alias_name });
        }
        [
            (self.name, Question::Name as fn(String) -> Question),
            (self.id, Question::Id),
            (self.alias_id, Question::Alias),
        ]
        .into_iter()
        .find(|(text, _)| !text.is_empty())
        .map(|(text, question)| question(text))
        .ok_or_else(|| Error::invalid("query parameter not supplied"))
    }
}

async fn entity(at: Arc<Endpoints>, cx: Context, query: Query) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let found = match query.question()? {
        Question::Name(name) => tx.entity_named(&name).await?,
        Question::Id(id) => tx.entity(&id).await?,
        Question::Alias(id) => tx.entity_of_alias(&id).await?,
        Question::AliasNamed { accessor, name } => tx.entity_of_alias_named(&accessor, &name).await?,
    };
    let Some(entity) = found else { return Ok(Reply::empty()) };
    Ok(Reply::data(open.entity_data(&mut tx, &entity).await?))
}

async fn group(at: Arc<Endpoints>, cx: Context, query: Query) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let found = match query.question()? {
        Question::Name(name) => tx.group_named(&name).await?,
        Question::Id(id) => tx.group(&id).await?,
        Question::Alias(id) => tx.group_of_alias(&group_alias_key(&id)).await?,
        Question::AliasNamed { accessor, name } => tx.group_of_alias(&group_alias_name_key(&accessor, &name)).await?,
    };
    let Some(group) = found else { return Ok(Reply::empty()) };
    Ok(Reply::data(open.group_data(&tx, &group).await?))
}
