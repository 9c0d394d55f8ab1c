//! Roles of the server: made, prolonged, given passwords, and deleted with everything that hangs on them.
use super::{
    Server,
    connect::{OpenError, Target},
    error,
    pool::{Failure, Rows, batch},
    scram,
};
use crate::{
    plugin::{Account, GoneUser, Login, NewUser},
    statements::{fill, statements},
};
use lessor_engine::{Error, Result, Secret, Timestamp};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// How often a transaction is sent that only lost against a concurrent one.
const ATTEMPTS: u32 = 5;

/// A text in SQL. Backslashes count as themselves only in this form, whatever the server is set to.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn expiration(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S+0000").to_string()
}

/// The statements of a role in one transaction and one round trip.
///
/// A simple query of several statements is one transaction by itself (PostgreSQL's protocol, "Multiple Statements in a
/// Simple Query"), so no BEGIN and COMMIT have to be parsed, and what refuses to run in a block runs if it is alone.
struct Transaction {
    /// As written by the operator, for error texts: they hold no values yet.
    written: Vec<String>,
    sql: String,
    /// Whether it changes settings: the connection serves others afterwards.
    sets: bool,
}

/// Puts back what statements may have set, but for settings.
const RESET_ACCOUNT: &str = "RESET SESSION AUTHORIZATION;\nRESET ROLE;\n";

impl Transaction {
    fn new(elements: &[String], default: Option<&str>, values: &[(&str, &str)], marker: Option<&str>) -> Result<Self> {
        let mut written = statements(elements);
        if let (true, Some(default)) = (written.is_empty(), default) {
            written.push(default.to_owned());
        }
        let mut sql = String::new();
        for statement in &written {
            sql.push_str(&fill(statement, values).map_err(Error::refused)?);
            // On a line of its own: the statement may end in a comment.
            sql.push_str("\n;\n");
        }
        sql.push_str(marker.unwrap_or_default());
        let sets = |text: &String| text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("set"));
        let sets = written.iter().any(sets);
        Ok(Self { written, sql, sets })
    }
    /// Which statement it was.
    fn explain(&self, doing: &str, failure: &Failure, secrets: &[&str]) -> Error {
        self.explain_after(0, doing, failure, secrets)
    }
    /// The same where `before` other statements were sent in front.
    fn explain_after(&self, before: usize, doing: &str, failure: &Failure, secrets: &[&str]) -> Error {
        let at = failure.completed.checked_sub(before).and_then(|at| self.written.get(at));
        let syntax = failure.cause.as_ref().is_some_and(|cause| cause.code() == Some(&SqlState::SYNTAX_ERROR));
        match at {
            Some(statement) if !syntax => {
                let short: String = statement.chars().take(80).collect();
                failure.explain(&format!("{doing}: in statement {short:?}"), secrets)
            }
            // A batch that cannot be parsed is refused as a whole, before its first statement.
            _ => failure.explain(doing, secrets),
        }
    }
    /// What is sent.
    fn batch(&self) -> String {
        if self.sets { format!("{}{RESET_ACCOUNT}RESET ALL", self.sql) } else { self.sql.clone() }
    }
    async fn run(
        &self,
        server: &Server,
        doing: &str,
        secrets: &[&str],
    ) -> Result<std::result::Result<(), (Failure, Error)>> {
        match persist(server, &self.batch()).await? {
            Ok(_) => Ok(Ok(())),
            Err(failure) => {
                let error = self.explain(doing, &failure, secrets);
                Ok(Err((failure, error)))
            }
        }
    }
}

/// Sends a batch again as long as it only collides with others.
async fn persist(server: &Server, sql: &str) -> Result<std::result::Result<Rows, Failure>> {
    persist_in(server, None, sql).await
}

/// The same in another database of the server.
async fn persist_in(server: &Server, database: Option<&str>, sql: &str) -> Result<std::result::Result<Rows, Failure>> {
    let mut attempt = 1;
    loop {
        let done = match database {
            Some(database) => server.pool.run_in(database, sql).await?,
            None => server.pool.run(sql).await?,
        };
        match done {
            Err(failure) if attempt < ATTEMPTS && failure.is(error::is_collision) => {
                tokio::time::sleep(Duration::from_millis(rand::random_range(1..=20 * u64::from(attempt)))).await;
                attempt += 1;
            }
            other => return Ok(other),
        }
    }
}

/// What stands for `{{password}}`.
async fn sent(server: &Server, password: &Secret, iterations: Option<u32>) -> Result<Secret> {
    match iterations.or(server.scram.then_some(scram::DEFAULT_ITERATIONS)) {
        Some(iterations) => scram::verifier(password, iterations).await,
        None => Ok(password.clone()),
    }
}

/// Makes a role. Repeated after a crash, it finds the role made already, with a password nobody has: it is made anew.
pub async fn create(server: &Server, user: &NewUser<'_>) -> Result<()> {
    let password = sent(server, user.password, user.scram_iterations).await?;
    let expires = expiration(user.expires);
    let values = [
        ("name", user.username),
        ("username", user.username),
        ("password", password.expose()),
        ("expiration", expires.as_str()),
    ];
    let marker = user.marker.map(|m| format!("COMMENT ON ROLE {} IS {};\n", identifier(user.username), literal(m)));
    let transaction = Transaction::new(user.statements, None, &values, marker.as_deref())?;
    let secrets = [password.expose(), user.password.expose()];
    let doing = "failed to create the user";
    let Err((failure, error)) = transaction.run(server, doing, &secrets).await? else { return Ok(()) };
    if !failure.is(error::is_duplicate) || !exists(server, user.username).await? {
        return Err(error);
    }
    let ours =
        user.unique || (user.marker.is_some() && marker_of(server, user.username).await?.as_deref() == user.marker);
    if !ours {
        return Err(error);
    }
    delete(server, &GoneUser { username: user.username, statements: &[], marker: user.marker, unique: true }).await?;
    transaction.run(server, doing, &secrets).await?.map_err(|(_, error)| error)
}

/// Moves `VALID UNTIL`.
pub async fn renew(server: &Server, username: &str, elements: &[String], until: Timestamp) -> Result<()> {
    let until = expiration(until);
    let values = [("name", username), ("username", username), ("expiration", until.as_str())];
    let default = r#"ALTER ROLE "{{name}}" VALID UNTIL '{{expiration}}'"#;
    let transaction = Transaction::new(elements, Some(default), &values, None)?;
    transaction.run(server, "failed to renew the user", &[]).await?.map_err(|(_, error)| error)
}

/// Sets a password, as root or as the role itself.
pub async fn change_password(
    server: &Server,
    username: &str,
    new: &Secret,
    elements: &[String],
    own: Option<&Secret>,
) -> Result<()> {
    let password = sent(server, new, None).await?;
    let values = [("name", username), ("username", username), ("password", password.expose())];
    let default = r#"ALTER ROLE "{{name}}" WITH PASSWORD '{{password}}'"#;
    let transaction = Transaction::new(elements, Some(default), &values, None)?;
    let (doing, secrets) = ("failed to change the password", [password.expose(), new.expose()]);
    let Some(own) = own else {
        return transaction.run(server, doing, &secrets).await?.map_err(|(_, error)| error);
    };
    let target = server.pool.target().as_user(username, own);
    let client = target.open().await.map_err(|error| target.explain(&error))?;
    batch(&client, &transaction.batch())
        .await
        .map_err(|failure| transaction.explain(doing, &failure, &secrets))
        .map(drop)
}

/// Whether there is such a role.
pub async fn exists(server: &Server, username: &str) -> Result<bool> {
    Ok(oid(server, username).await?.is_some())
}

async fn oid(server: &Server, username: &str) -> Result<Option<String>> {
    let sql = format!("SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {}", literal(username));
    Ok(first(server.pool.query("failed to look for the user", &sql).await?))
}

async fn marker_of(server: &Server, username: &str) -> Result<Option<String>> {
    let name = literal(username);
    let sql = format!(
        "SELECT pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles WHERE rolname = {name}"
    );
    Ok(first(server.pool.query("failed to look for the user's marker", &sql).await?))
}

fn first(rows: Rows) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}

/// Every role but the server's own.
pub async fn list(server: &Server) -> Result<Vec<Account>> {
    let sql = "SELECT rolname, pg_catalog.shobj_description(oid, 'pg_authid') FROM pg_catalog.pg_roles \
               WHERE rolname NOT LIKE 'pg\\_%'";
    let rows = server.pool.query("failed to list the users", sql).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some(Account { username: row.next()??, marker: row.next()? })
        })
        .collect())
}

/// Tries a login.
pub async fn login(target: &Target, username: &str, password: &Secret) -> Result<Login> {
    let target = target.as_user(username, password);
    let Err(error) = target.open().await else { return Ok(Login::Accepted) };
    if let OpenError::Driver(cause) = &error
        && let Some(db) = cause.as_db_error()
    {
        let code = db.code();
        if *code == SqlState::INVALID_PASSWORD {
            return Ok(Login::Wrong);
        }
        // All of these are looked at after the password was found right.
        let full = *code == SqlState::TOO_MANY_CONNECTIONS
            && (db.message().contains("for role") || db.message().contains("for database"));
        if full || *code == SqlState::INSUFFICIENT_PRIVILEGE || *code == SqlState::UNDEFINED_DATABASE {
            return Ok(Login::Accepted);
        }
        if !error::is_broken(cause) {
            return Ok(Login::Unknown);
        }
    }
    Err(target.explain(&error))
}

/// Deletes a role and ends its sessions.
pub async fn delete(server: &Server, user: &GoneUser<'_>) -> Result<()> {
    if user.username == server.pool.target().user() {
        return Err(Error::refused("the account of the configuration itself is not deleted"));
    }
    if !user.unique && user.marker.is_some() && marker_of(server, user.username).await?.as_deref() != user.marker {
        // Gone, or somebody else's: a template without randomness collided and this one was never made.
        return Ok(());
    }
    if statements(user.statements).is_empty() {
        return delete_by_default(server, user.username).await;
    }
    delete_as_told(server, user).await
}

/// By the operator's statements, in one round trip: the role's number noted, the statements in a transaction of their
/// own, then its sessions ended. By number, because a role that was dropped has no name any more; a role that was only
/// disabled may still log in or not, that is the operator's choice, but what was open is closed.
async fn delete_as_told(server: &Server, user: &GoneUser<'_>) -> Result<()> {
    // Statements that complete before the operator's, and between them and the end of the sessions.
    const BEFORE: usize = 2;
    let values = [("name", user.username), ("username", user.username)];
    let told = Transaction::new(user.statements, None, &values, None)?;
    let (account, all) = if told.sets { (RESET_ACCOUNT, ";\nRESET ALL") } else { ("", "") };
    let note = note(user.username);
    let sql = format!("{note}BEGIN;\n{}COMMIT;\n{account}{SESSIONS_OF_NOTED}{all}", told.sql);
    let doing = "failed to revoke the user";
    let Err(failure) = persist(server, &sql).await? else { return Ok(()) };
    if failure.completed > BEFORE + told.written.len() {
        tracing::warn!(error = %failure.explain("failed to end the user's sessions", &[]), "{SESSIONS_WARNING}");
        return Ok(());
    }
    let answered = failure.is(|cause| cause.as_db_error().is_some() && !error::is_broken(cause));
    if answered && oid(server, user.username).await?.is_none() {
        return Ok(());
    }
    Err(told.explain_after(BEFORE, doing, &failure, &[]))
}

/// Notes the number of a role on the connection, or 0.
fn note(username: &str) -> String {
    let name = literal(username);
    format!(
        "SELECT pg_catalog.set_config('lessor.gone', coalesce((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {name}), 0)::text, false);\n"
    )
}

/// Ends the sessions of the role that was noted. The function below the view `pg_stat_activity`, because the view looks
/// every session's names up.
const SESSIONS_OF_NOTED: &str = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_get_activity(NULL) \
     WHERE usesysid = pg_catalog.current_setting('lessor.gone')::oid AND usesysid <> 0";

const SESSIONS_WARNING: &str = "a revoked account may have open sessions; grant pg_signal_backend to the root account";

async fn end_sessions(server: &Server, oid: &str) {
    let sql =
        format!("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usesysid = {oid}");
    if let Err(error) = server.pool.query("failed to end the user's sessions", &sql).await {
        tracing::warn!(%error, "{SESSIONS_WARNING}");
    }
}

/// Most roles own nothing, so first all at once, in one round trip: no new logins, sessions ended, dropped, and the
/// session ended that had slipped in between. Only when the server objects, the long way.
async fn delete_by_default(server: &Server, username: &str) -> Result<()> {
    let role = identifier(username);
    // Only the last commit has to be flushed: it flushes the one before with it.
    let quick = format!(
        "{}BEGIN; SET LOCAL synchronous_commit TO off; ALTER ROLE {role} NOLOGIN; COMMIT;\n\
         BEGIN; {SESSIONS_OF_NOTED};\nDROP ROLE {role}; COMMIT;\n{SESSIONS_OF_NOTED}",
        note(username)
    );
    let doing = "failed to revoke the user";
    match persist(server, &quick).await? {
        Ok(_) => return Ok(()),
        Err(failure) if failure.is(error::is_missing) => return Ok(()),
        Err(failure) if failure.cause.is_none() || failure.is(error::is_broken) => {
            return Err(failure.explain(doing, &[]));
        }
        Err(_) => {}
    }
    let Some(oid) = oid(server, username).await? else { return Ok(()) };
    // Membership lets a root account that is no superuser act on what the role owns and on its sessions. It may have it
    // already, or need none; if it is missing, the steps below say so.
    let _ = persist(server, &format!("GRANT {role} TO CURRENT_USER")).await?;
    end_sessions(server, &oid).await;
    let databases = server
        .pool
        .query(
            doing,
            &format!(
                "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND (datname = current_database() OR oid IN \
                 (SELECT dbid FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_catalog.pg_authid'::regclass AND refobjid = {oid}))"
            ),
        )
        .await?;
    let clear = format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}");
    let mut troubles = String::new();
    for database in databases.into_iter().filter_map(|row| row.into_iter().next()?) {
        let trouble = match persist_in(server, Some(&database), &clear).await {
            Ok(Ok(_)) => continue,
            Ok(Err(failure)) => failure.explain("clearing", &[]),
            Err(error) => error,
        };
        troubles.push_str(&format!("; database {database:?}: {trouble}"));
    }
    match persist(server, &format!("DROP ROLE IF EXISTS {role}")).await? {
        Ok(_) => {
            end_sessions(server, &oid).await;
            Ok(())
        }
        Err(failure) => Err(match failure.explain(doing, &[]) {
            Error::Refused { status, message } => Error::Refused { status, message: format!("{message}{troubles}") },
            other => other,
        }),
    }
}
