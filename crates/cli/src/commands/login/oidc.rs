//! Log in at an OpenID Connect provider: it sends the browser back to a listener of this command.

use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawForm, State};
use axum::response::Html;
use axum::routing::get;
use lessor_client::{Error, Request};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::methods::Login;
use crate::context::Ctx;
use crate::failure::Failure;

/// How long a person may take at the provider.
const LIMIT: Duration = Duration::from_secs(600);
/// Pause between two questions to a server that answers by itself, unless it names another.
const POLL: u64 = 5;

/// Where the browser comes back to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Client,
    Direct,
    Device,
}

/// One visit of the browser: what the provider sent, and where the page to show goes.
struct Visit {
    pairs: Vec<(String, String)>,
    page: oneshot::Sender<String>,
}

pub fn login(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Login<'_> {
    Box::pin(run(ctx, mount, data))
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::remote(format!("Error authenticating: {why}"))
}

async fn run(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Result<Value, Failure> {
    let text = |key: &str, default: &str| data.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
    let mode = match text("callbackmode", "client").as_str() {
        "client" => Mode::Client,
        "direct" => Mode::Direct,
        "device" => Mode::Device,
        other => return Err(failed(format!("callbackmode {other:?} is none of client, direct and device"))),
    };
    let port = text("port", "8250");
    let listener = match mode {
        Mode::Client => Some(listen(&format!("{}:{port}", text("listenaddress", "localhost"))).await?),
        Mode::Direct | Mode::Device => None,
    };
    let redirect = match mode {
        Mode::Direct => {
            let config = ctx.config();
            direct_redirect((&config.address, config.namespace.as_deref()), &mount, &data)?
        }
        Mode::Client | Mode::Device => format!(
            "{}://{}:{}/oidc/callback",
            text("callbackmethod", "http"),
            text("callbackhost", "localhost"),
            text("callbackport", &port)
        ),
    };
    let nonce: String = rand::rng().sample_iter(Alphanumeric).take(20).map(char::from).collect();
    let role = text("role", "");
    let body = json!({ "role": role, "redirect_uri": redirect, "client_nonce": nonce });
    let request = Request::put(&format!("auth/{mount}/oidc/auth_url"), body).unwrapped();
    let answer = ctx.expect("Error authenticating", request).await?;
    let Some(url) = answer["data"]["auth_url"].as_str().filter(|url| !url.is_empty()) else {
        return Err(failed(format!("the server gives role {role:?} no login with the redirect address {redirect:?}"))
            .hint("the role's allowed_redirect_uris must name that address"));
    };
    send_the_person_to(ctx, url, text("skip_browser", "false") == "true");
    if let Some(code) = answer["data"]["user_code"].as_str().filter(|code| !code.is_empty()) {
        ctx.warn(&format!("When prompted, enter code {code}\n"));
    }
    let work = async {
        match (answer["data"]["state"].as_str(), listener) {
            // The role's mode counts, whatever was said here.
            (Some(state), _) => poll(ctx, &mount, state, &nonce, pause(&answer["data"]["poll_interval"])).await,
            (None, Some(listener)) => {
                let abort = text("abort_on_error", "false") == "true";
                wait_for_the_browser(ctx, listener, &mount, &nonce, abort).await
            }
            (None, None) => {
                Err(failed(format!("the role's callback_mode is client, not {}", text("callbackmode", ""))))
            }
        }
    };
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| Err(failed("nobody completed the login in time")))
}

async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| failed(format!("cannot listen at {address}: {error}")))
}

/// The server's own callback, as it is reached from here or as the pairs say.
fn direct_redirect(
    (address, namespace): (&str, Option<&str>),
    mount: &str,
    data: &Map<String, Value>,
) -> Result<String, Failure> {
    let server = Url::parse(address).map_err(|error| failed(format!("{address}: {error}")))?;
    let given = |key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
    let method = given("callbackmethod").unwrap_or_else(|| server.scheme().to_owned());
    let host = given("callbackhost").unwrap_or_else(|| server.host_str().unwrap_or_default().to_owned());
    let port = given("callbackport").or_else(|| server.port().map(|port| port.to_string()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let namespace = namespace.map(|name| name.trim_matches('/')).filter(|name| !name.is_empty());
    let namespace = namespace.map(|name| format!("{name}/")).unwrap_or_default();
    Ok(format!("{method}://{host}{port}/v1/{namespace}auth/{mount}/oidc/callback"))
}

/// Seconds, as a text or a number.
fn pause(interval: &Value) -> Duration {
    let seconds = interval.as_str().and_then(|text| text.parse().ok()).or_else(|| interval.as_u64());
    Duration::from_secs(seconds.unwrap_or(POLL).max(1))
}

fn send_the_person_to(ctx: &mut Ctx, url: &str, print_only: bool) {
    let opened = !print_only && open_browser(url);
    let how = if opened { "Launching browser to:" } else { "Open the following link in your browser:" };
    ctx.warn(&format!("Complete the login via your OIDC provider. {how}\n\n    {url}\n"));
    ctx.warn("Waiting for OIDC authentication to complete...");
}

/// True when a program that opens addresses could be started.
fn open_browser(url: &str) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = std::process::Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    quiet.is_ok()
}

async fn wait_for_the_browser(
    ctx: &mut Ctx,
    listener: TcpListener,
    mount: &str,
    nonce: &str,
    abort: bool,
) -> Result<Value, Failure> {
    let (visits, mut visited) = mpsc::channel::<Visit>(4);
    let app = Router::new().route("/oidc/callback", get(visit).post(visit)).with_state(visits);
    let mut server = tokio::spawn(async move { axum::serve(listener, app).await });
    let outcome = loop {
        let visit = tokio::select! {
            visit = visited.recv() => visit,
            _ = &mut server => None,
        };
        let Some(visit) = visit else { break Err(failed("the listener for the browser broke")) };
        let result = exchange(ctx, mount, nonce, &visit.pairs).await;
        let page = match &result {
            Ok(_) => "Signed in via your OIDC provider. You can close this window and go back to the terminal.",
            Err(_) => "The login failed. The terminal says why.",
        };
        // A browser that went away does not want the page.
        let _ = visit.page.send(page.to_owned());
        match result {
            Err(failure) if !abort => ctx.warn(&failure.message),
            result => break result,
        }
    };
    // The last page is on its way; the browser gets a moment to read it.
    let _ = tokio::time::timeout(Duration::from_millis(200), &mut server).await;
    server.abort();
    outcome
}

/// Hands a visit to the command and shows what it says.
async fn visit(State(visits): State<mpsc::Sender<Visit>>, RawForm(form): RawForm) -> Html<String> {
    let pairs = form_urlencoded::parse(&form).into_owned().collect();
    let (page, answer) = oneshot::channel();
    let text = match visits.send(Visit { pairs, page }).await {
        Ok(()) => answer.await.unwrap_or_default(),
        Err(_) => "This login is over.".to_owned(),
    };
    Html(format!("<!doctype html><title>Lessor</title><p>{text}</p>"))
}

/// Gives the provider's answer to the server, which answers with the token.
async fn exchange(ctx: &mut Ctx, mount: &str, nonce: &str, pairs: &[(String, String)]) -> Result<Value, Failure> {
    let find = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    if let Some(error) = find("error") {
        return Err(failed(format!("the provider says: {error} {}", find("error_description").unwrap_or_default())));
    }
    let mut request = Request::get(&format!("auth/{mount}/oidc/callback"));
    for key in ["state", "code", "id_token"] {
        if let Some(value) = find(key) {
            request = request.query(key, value);
        }
    }
    ctx.expect("Error authenticating", request.query("client_nonce", nonce)).await
}

/// Asks a server that talks to the provider itself until the person is done there.
async fn poll(ctx: &mut Ctx, mount: &str, state: &str, nonce: &str, mut pause: Duration) -> Result<Value, Failure> {
    loop {
        tokio::time::sleep(pause).await;
        let body = json!({ "state": state, "client_nonce": nonce });
        match ctx.send(Request::put(&format!("auth/{mount}/oidc/poll"), body)).await? {
            Ok(response) => return response.into_json().map_err(failed),
            Err(Error::Api(api)) if api.mentions("slow_down") => pause *= 2,
            Err(Error::Api(api)) if api.mentions("authorization_pending") => {}
            Err(error) => return Err(ctx.failure("Error authenticating", &error).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_callback_is_where_the_server_is_or_where_the_pairs_say() {
        let redirect = |address: &str, namespace: Option<&str>, data: Value| {
            let Value::Object(data) = data else { panic!("an object") };
            direct_redirect((address, namespace), "team/oidc", &data).unwrap_or_default()
        };
        let own = "https://vault.example:8200/v1/auth/team/oidc/oidc/callback";
        assert_eq!(redirect("https://vault.example:8200", None, json!({})), own);
        let below = "https://vault.example/v1/a/b/auth/team/oidc/oidc/callback";
        assert_eq!(redirect("https://vault.example/", Some("/a/b/"), json!({})), below);
        let pairs = json!({ "callbackhost": "front", "callbackmethod": "http", "callbackport": "80" });
        assert_eq!(redirect("https://[::1]:8200", None, pairs), "http://front:80/v1/auth/team/oidc/oidc/callback");
        assert_eq!(redirect("nonsense", None, json!({})), "");
    }

    #[test]
    fn the_pause_between_two_questions_is_a_text_or_a_number_and_never_none() {
        for (told, seconds) in [(json!("7"), 7), (json!(3), 3), (json!("x"), 5), (json!(null), 5), (json!("0"), 1)] {
            assert_eq!(pause(&told), Duration::from_secs(seconds), "{told}");
        }
    }
}
