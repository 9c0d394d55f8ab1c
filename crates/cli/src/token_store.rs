//! The token helper: the file `~/.vault-token`, or the program `token_helper` in `~/.vault` names.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lessor_client::Token;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::Environment;

/// An external helper that asks a person may take its time, but not forever.
const HELPER_LIMIT: Duration = Duration::from_secs(120);

/// Writes a token file: only its owner may read it, and it is replaced in one step.
///
/// # Errors
/// The text of the I/O error with the path.
pub fn write_token_file(path: &Path, token: &str) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:08x}", rand::random::<u32>()));
    let beside = PathBuf::from(beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(&beside)?;
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // The first error is the one to report; a leftover is harmless and unreadable to others.
        let _ = std::fs::remove_file(&beside);
        fail(error)
    })
}

/// Where tokens are kept between commands.
pub enum TokenStore {
    File(PathBuf),
    Program(String),
}

impl TokenStore {
    /// Finds the helper the environment and the configuration file name.
    pub fn find(env: &Environment) -> Result<Self, String> {
        if let Some(path) = env.get("TOKEN_PATH") {
            return Ok(Self::File(PathBuf::from(path)));
        }
        let home = env.home();
        let config = match (env.get("CONFIG_PATH"), &home) {
            (Some(path), _) => Some(PathBuf::from(path)),
            (None, Some(home)) => Some(home.join(".vault")),
            (None, None) => None,
        };
        if let Some(helper) = config.and_then(|path| helper_in(&path)) {
            return Ok(Self::Program(helper));
        }
        match home {
            Some(home) => Ok(Self::File(home.join(".vault-token"))),
            None => Err("no home directory for the token file: set HOME or VAULT_TOKEN_PATH".into()),
        }
    }

    pub async fn load(&self) -> Result<Option<Token>, String> {
        let text = match self {
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            },
            Self::Program(program) => call(program, "get", None).await?,
        };
        let token = Token::new(&text);
        Ok((!token.is_empty()).then_some(token))
    }

    pub async fn store(&self, token: &Token) -> Result<(), String> {
        match self {
            Self::File(path) => write_token_file(path, token.expose()),
            Self::Program(program) => call(program, "store", Some(token.expose())).await.map(|_| ()),
        }
    }
}

/// The one key of the configuration file this program knows: `token_helper = "/path"`.
fn helper_in(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let settings = lessor_hcl::parse(&text).ok()?.to_json();
    let helper = settings.get("token_helper")?.as_str()?;
    (!helper.is_empty()).then(|| helper.to_owned())
}

async fn call(program: &str, operation: &str, input: Option<&str>) -> Result<String, String> {
    let fail = |text: String| format!("token helper {program:?} {operation}: {text}");
    let mut child = Command::new(program)
        .arg(operation)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    let work = async {
        if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(HELPER_LIMIT, work)
        .await
        .map_err(|_| fail("no answer in time".into()))?
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_file_holds_only_the_token_and_only_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".vault-token");
        write_token_file(&path, "one").unwrap();
        write_token_file(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_configured_program_replaces_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display().to_string();
        std::fs::write(dir.path().join(".vault"), "token_helper = \"/bin/echo\"\n").unwrap();
        let store = TokenStore::find(&Environment::from_pairs([("HOME", home)])).unwrap();
        assert_eq!(store.load().await.unwrap().unwrap().expose(), "get");
    }
}
