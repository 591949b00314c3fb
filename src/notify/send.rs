//! Sending: HTTP requests with signatures, tried again when the other side is only busy.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::runtime::Runtime;

use imgfix_host::http::{self, Retry};
use imgfix_model::hex;

use super::target::Address;
use super::{Kind, Message, Target};

/// How failures that may pass are met; a notification does not hold a run for long.
const RETRY: Retry =
    Retry { longest: Duration::from_secs(10), ..Retry::new(2, Duration::from_secs(1)) };
const TIMEOUT: Duration = Duration::from_secs(10);

/// What sending needs from outside.
pub struct Sender<'a> {
    /// Runs the requests.
    pub runtime: &'a Runtime,
    /// PEM files of further certificate authorities.
    pub certificates: &'a [Vec<u8>],
    /// Reads a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Seconds since the epoch: part of DingTalk's signature.
    pub now: i64,
}

/// A request, ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Post {
    url: String,
    body: String,
    content_type: &'static str,
    /// `X-Imgfix-Signature`.
    signature: Option<String>,
}

/// Tells every target that wants to know; what failed comes back, one sentence each, without
/// any secret.
#[must_use]
pub fn send_all(targets: &[Target], message: &Message, sender: &Sender<'_>) -> Vec<String> {
    let wanted = targets.iter().filter(|target| message.concerns(target.when));
    wanted.filter_map(|target| send(target, message, sender).err()).collect()
}

fn send(target: &Target, message: &Message, sender: &Sender<'_>) -> Result<(), String> {
    match &target.kind {
        Kind::File { path } => append(path, message),
        kind => {
            let (name, post) = post(kind, message, sender)?;
            deliver(&post, sender).map_err(|why| format!("the {name} was not told: {why}"))
        }
    }
}

/// One line of JSON a notification.
fn append(path: &Path, message: &Message) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: cannot write: {error}", path.display());
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    writeln!(file, "{}", message.json()).map_err(failed)
}

fn post(
    kind: &Kind,
    message: &Message,
    sender: &Sender<'_>,
) -> Result<(&'static str, Post), String> {
    const JSON: &str = "application/json";
    let variable = |name: &String| {
        let value = (sender.variable)(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("the variable {name} of a notification is not set"))
    };
    let address = |address: &Address| match address {
        Address::Url(url) => Ok(url.clone()),
        Address::Environment(name) => variable(name),
    };
    Ok(match kind {
        Kind::Webhook { url, secret_env, template } => {
            let (body, content_type) = match template {
                None => (message.json().to_string(), JSON),
                Some(text) if text.trim_start().starts_with(['{', '[']) => {
                    (message.fill(text), JSON)
                }
                Some(text) => (message.fill(text), "text/plain; charset=utf-8"),
            };
            let secret = secret_env.as_ref().map(variable).transpose()?;
            let signature =
                secret.map(|secret| format!("sha256={}", hex::encode(hmac(&secret, &body))));
            ("webhook", Post { url: address(url)?, body, content_type, signature })
        }
        Kind::DingTalk { url, secret_env } => {
            let secret = secret_env.as_ref().map(variable).transpose()?;
            let url = match secret {
                Some(secret) => signed(&address(url)?, &secret, sender.now.saturating_mul(1000)),
                None => address(url)?,
            };
            let body = message.dingtalk().to_string();
            ("DingTalk robot", Post { url, body, content_type: JSON, signature: None })
        }
        Kind::Slack { url } => {
            let body = message.slack().to_string();
            (
                "Slack channel",
                Post { url: address(url)?, body, content_type: JSON, signature: None },
            )
        }
        Kind::File { .. } => return Err("a file is not asked over HTTP".to_owned()),
    })
}

/// DingTalk's signature: HMAC-SHA256 of `TIMESTAMP\nSECRET` with the secret, in Base64.
///
/// Source: <https://open.dingtalk.com/document/robots/customize-robot-security-settings>.
fn signed(url: &str, secret: &str, milliseconds: i64) -> String {
    let sign = STANDARD.encode(hmac(secret, &format!("{milliseconds}\n{secret}")));
    let encoded: String = url::form_urlencoded::byte_serialize(sign.as_bytes()).collect();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}timestamp={milliseconds}&sign={encoded}")
}

fn hmac(secret: &str, text: &str) -> Vec<u8> {
    // HMAC takes a key of any length, so this cannot fail; an empty signature fits nothing.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn deliver(post: &Post, sender: &Sender<'_>) -> Result<(), String> {
    // A machine without certificates can still notify over http.
    let limited = |builder: reqwest::ClientBuilder| builder.timeout(TIMEOUT);
    let (client, _) = http::client_or_plain(sender.certificates, limited)?;
    let mut attempt = 0;
    loop {
        let Failed { why, again } = match sender.runtime.block_on(once(&client, post)) {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        let Again::After(asked) = again else { return Err(why) };
        match RETRY.wait(attempt, asked) {
            Some(wait) => std::thread::sleep(wait),
            None => return Err(format!("{why} ({} tries)", attempt + 1)),
        }
        attempt += 1;
    }
}

/// A request that failed.
struct Failed {
    why: String,
    again: Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// When the other side says so, after that time.
    After(Option<Duration>),
    Never,
}

async fn once(client: &reqwest::Client, post: &Post) -> Result<(), Failed> {
    let mut request =
        client.post(&post.url).header("content-type", post.content_type).body(post.body.clone());
    if let Some(signature) = &post.signature {
        request = request.header("x-imgfix-signature", signature);
    }
    // The address may be a secret: it is in no message.
    let response = request.send().await.map_err(|error| {
        let again = if error.is_builder() { Again::Never } else { Again::After(None) };
        let why = http::cause(&error).unwrap_or_else(|| "the connection failed".to_owned());
        Failed { why, again }
    })?;
    let status = response.status();
    if !status.is_success() {
        let again = match http::may_pass(status.as_u16()) {
            true => Again::After(http::retry_after(response.headers())),
            false => Again::Never,
        };
        return Err(Failed { why: format!("it answered {status}"), again });
    }
    // DingTalk says 200 to everything and tells in the body.
    let body = response.bytes().await.unwrap_or_default();
    let answer: serde_json::Value =
        imgfix_json::read(body.get(..body.len().min(64 << 10)).unwrap_or_default())
            .unwrap_or_default();
    match answer["errcode"].as_i64() {
        Some(code) if code != 0 => {
            let text = imgfix_terminal::clean(answer["errmsg"].as_str().unwrap_or_default());
            let text: String = text.chars().take(200).collect();
            Err(Failed { why: format!("it answered error {code}: {text}"), again: Again::Never })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dingtalk_is_signed_as_its_documentation_says() {
        // Worked out with: printf '1577262236757\nthis is secret' |
        //   openssl dgst -sha256 -hmac 'this is secret' -binary | base64
        assert_eq!(
            signed(
                "https://oapi.example/robot/send?access_token=x",
                "this is secret",
                1_577_262_236_757
            ),
            "https://oapi.example/robot/send?access_token=x&timestamp=1577262236757&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"
        );
    }

    #[test]
    fn the_signature_of_a_webhook_is_that_of_rfc_4231() {
        // Test case 2 of RFC 4231.
        assert_eq!(
            hex::encode(hmac("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
