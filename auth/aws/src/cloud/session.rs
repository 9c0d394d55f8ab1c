//! One principal's calls, in one region.
use super::credentials::{self, Vouching};
use super::kept::Kept;
use crate::accounts::Account;
use crate::config::Config;
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use lessor_engine::{Clock, Context};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Opened on the first call: credentials of the surroundings are looked for over the network.
pub(crate) struct Session {
    http: SharedHttpClient,
    pub(super) config: Config,
    /// The role that the account is asked through, where there is one.
    through: Option<Account>,
    pub(super) region: String,
    vouching: Vouching,
    clients: OnceCell<Clients>,
}

pub(super) struct Clients {
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) credentials: Kept,
}

impl Clients {
    fn new(base: &SdkConfig, config: &Config, clock: Arc<dyn Clock>) -> Self {
        let mut iam = aws_sdk_iam::config::Builder::from(base);
        if !config.iam_endpoint.is_empty() {
            iam.set_endpoint_url(Some(config.iam_endpoint.clone()));
        }
        Self {
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            sts: credentials::sts_client(base, config),
            credentials: Kept::new(base.credentials_provider(), clock),
        }
    }
}

impl Session {
    pub(super) fn new(
        http: SharedHttpClient,
        cx: &Context,
        config: Config,
        through: Option<Account>,
        region: &str,
    ) -> Self {
        let vouching = Vouching { tokens: Arc::clone(&cx.identity), clock: Arc::clone(&cx.clock) };
        Self { http, config, through, region: region.to_owned(), vouching, clients: OnceCell::new() }
    }
    pub(super) async fn clients(&self) -> &Clients {
        self.clients.get_or_init(|| self.open()).await
    }
    async fn open(&self) -> Clients {
        let mut base = credentials::base(self.http.clone(), &self.config, &self.region, &self.vouching).await;
        if let Some(through) = &self.through {
            base = credentials::through(base, &self.config, through).await;
        }
        Clients::new(&base, &self.config, Arc::clone(&self.vouching.clock))
    }
}
