//! The calls of GitHub's REST API (<https://docs.github.com/en/rest>) that a login needs.
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Teams or organisations of one page, as many as GitHub gives.
const PAGE: usize = 100;
/// Nobody is in more.
const MOST_PAGES: usize = 20;

#[derive(Deserialize)]
pub(crate) struct User {
    pub(crate) login: String,
}

#[derive(Deserialize, Clone)]
pub(crate) struct Organization {
    pub(crate) id: i64,
}

#[derive(Deserialize)]
pub(crate) struct Team {
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) organization: Organization,
}

/// GitHub, asked with somebody's token; or, for what is public, with none.
pub(crate) struct Api<'a> {
    pub(crate) http: Http,
    /// Ends in no slash.
    pub(crate) base: &'a str,
    pub(crate) token: &'a Secret,
}

fn refused(path: &str, answer: &Answer) -> Error {
    match answer.status {
        // GitHub's answers to a token that is wrong, revoked, or may not look.
        401 => Error::invalid("the token is not valid at GitHub"),
        403 if !path.starts_with("/orgs/") => {
            Error::invalid("the token may not read its user's organisations (scope read:org)")
        }
        403 | 429 => Error::Throttled("GitHub asks to slow down".to_owned()),
        status => Error::Unavailable(format!("GitHub answers {path} with status {status}")),
    }
}

impl Api<'_> {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.base);
        let mut ask = Ask::get(&url).header("Accept", "application/vnd.github+json");
        ask = ask.header("X-GitHub-Api-Version", "2022-11-28");
        if !self.token.is_empty() {
            ask = ask.header("Authorization", format!("Bearer {}", self.token.expose()));
        }
        let failed = |error| Error::Unavailable(format!("GitHub cannot be asked: {error}"));
        let answer = self.http.send(ask).await.map_err(failed)?;
        if answer.status != 200 {
            return Err(refused(path, &answer));
        }
        answer.json().map_err(failed)
    }
    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let found: Vec<T> = self.get(&format!("{path}?per_page={PAGE}&page={page}")).await?;
            let last = found.len() < PAGE;
            all.extend(found);
            if last {
                break;
            }
        }
        Ok(all)
    }
    /// Whose token it is.
    pub(crate) async fn user(&self) -> Result<User> {
        self.get("/user").await
    }
    /// Organisations they are a member of.
    pub(crate) async fn organizations(&self) -> Result<Vec<Organization>> {
        self.all("/user/orgs").await
    }
    /// Teams they are in, of every organisation.
    pub(crate) async fn teams(&self) -> Result<Vec<Team>> {
        self.all("/user/teams").await
    }
    /// An organisation by its name.
    pub(crate) async fn organization(&self, name: &str) -> Result<Organization> {
        self.get(&format!("/orgs/{name}")).await
    }
}
