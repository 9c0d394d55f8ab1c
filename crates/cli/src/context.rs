use lessor_client::{Client, Config, Token};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::flags::Args;
use crate::globals;
use crate::output::{Format, Io};
use crate::server_args::Builtins;
use crate::token_store::TokenStore;

/// What a running command has at hand.
pub struct Ctx {
    pub env: Environment,
    pub io: Io,
    pub format: Format,
    pub program: String,
    pub builtins: Builtins,
    pub curl: bool,
    pub policy: bool,
    pub interactive: bool,
    /// What the server said when it found nothing.
    pub missing: Option<String>,
    config: Config,
    client: Option<Client>,
}

impl Ctx {
    pub fn new(
        args: &Args,
        program: String,
        env: Environment,
        io: Io,
        builtins: Builtins,
    ) -> Result<Self, (Io, Failure)> {
        let format = args.text("format").or_else(|| env.get("FORMAT")).unwrap_or("table");
        let Some(format) = Format::parse(format) else {
            let message = format!("Invalid output format: {format}");
            return Err((io, Failure::local(message)));
        };
        let config = match globals::config(args, &env) {
            Ok(config) => config,
            Err(message) => return Err((io, Failure::remote(message))),
        };
        Ok(Self {
            env,
            io,
            format,
            program,
            builtins,
            curl: args.is("output-curl-string"),
            policy: args.is("output-policy"),
            missing: None,
            interactive: !args.is("non-interactive"),
            config,
            client: None,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Drops the wrap TTL, for commands whose own requests must come back bare.
    pub fn take_wrap_ttl(&mut self) -> Option<String> {
        self.client = None;
        self.config.wrap_ttl.take()
    }

    /// Uses this token from now on.
    pub fn set_token(&mut self, token: Option<Token>) {
        self.client = None;
        self.config.token = token.or_else(|| Some(Token::new("")));
    }

    /// The client, made at the first use; the token helper is asked only without `VAULT_TOKEN`.
    pub async fn client(&mut self) -> Result<&Client, Failure> {
        if self.client.is_none() {
            if self.config.token.is_none() {
                self.config.token = match TokenStore::find(&self.env) {
                    Ok(store) => store.load().await.map_err(|error| {
                        Failure::local(format!("Error getting token from the token helper: {error}"))
                    })?,
                    // Without a home directory there is no stored token, which is no error by itself.
                    Err(_) => None,
                };
            }
            let client = Client::new(self.config.clone()).map_err(|error| Failure::local(error.to_string()))?;
            self.client = Some(client);
        }
        self.client.as_ref().ok_or_else(|| Failure::local("no client"))
    }

    /// The token requests carry.
    pub async fn token(&mut self) -> Result<Option<Token>, Failure> {
        let token = self.client().await?.config().token.clone();
        Ok(token.filter(|token| !token.is_empty()))
    }

    /// A line on stdout.
    pub fn say(&mut self, text: &str) {
        self.io.say(text);
    }

    /// A line on stderr.
    pub fn warn(&mut self, text: &str) {
        self.io.warn(text);
    }
}
