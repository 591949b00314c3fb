//! Sending: HTTP requests with signatures, tried again when the other side is only busy.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use sha2::Sha256;
use tokio::runtime::Runtime;

use imgfix_host::http::{self, Retry};
use imgfix_model::hex;

use super::events::CLOUDEVENTS;
use super::mail::{Letter, Server, Starttls};
use super::message::is_json;
use super::smtp;
use super::target::{Address, HeaderFrom};
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
    /// Seconds since 1970: part of signatures and events.
    pub now: i64,
}

/// The media type of JSON.
const JSON: &str = "application/json";

/// The largest answer that is looked at, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// A request, ready to go. It has secrets, and is not for showing.
struct Post {
    url: String,
    body: String,
    content_type: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The key of the answer's JSON that is not 0 when it was refused.
    refusal: &'static str,
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
        Kind::Email { url, starttls, login, letter } => {
            let mail = Mail { url, starttls: *starttls, login: login.as_ref(), letter };
            let name = target.kind.name();
            mail.send(message, sender).map_err(|why| format!("the {name} was not told: {why}"))
        }
        kind => {
            let name = kind.name();
            let post = post(kind, message, sender)?;
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

impl Sender<'_> {
    /// A variable that a target names.
    fn variable(&self, name: &str) -> Result<String, String> {
        let value = (self.variable)(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("the variable {name} of a notification is not set"))
    }

    fn address(&self, address: &Address) -> Result<String, String> {
        match address {
            Address::Url(url) => Ok(url.clone()),
            Address::Environment(name) => self.variable(name),
        }
    }
}

/// What a target of mail says.
struct Mail<'a> {
    url: &'a Address,
    starttls: Option<Starttls>,
    login: Option<&'a (String, String)>,
    letter: &'a Letter,
}

impl Mail<'_> {
    fn send(&self, message: &Message, sender: &Sender<'_>) -> Result<(), String> {
        let url = sender.address(self.url)?;
        let server = Server::parse(&url, self.starttls, self.login.is_some())?;
        let login = self.login.map(|(user, password)| {
            Ok::<_, String>((sender.variable(user)?, sender.variable(password)?))
        });
        let login = login.transpose()?;
        let mail = message.mail(self.letter, sender.now)?;
        tried(|| {
            let sent = smtp::hand_over(&server, login.clone(), &mail, sender.certificates);
            let sent = async { tokio::time::timeout(TIMEOUT, sent).await };
            match sender.runtime.block_on(sent) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(refused)) => {
                    let again = if refused.may_pass { Again::After(None) } else { Again::Never };
                    Err(Failed { why: refused.why, again })
                }
                Err(_) => {
                    let why = format!("it did not take the mail within {} s", TIMEOUT.as_secs());
                    Err(Failed { why, again: Again::After(None) })
                }
            }
        })
    }
}

fn post(kind: &Kind, message: &Message, sender: &Sender<'_>) -> Result<Post, String> {
    let variable = |name: &String| sender.variable(name);
    let address = |address: &Address| sender.address(address);
    let secret = |name: &Option<String>| name.as_ref().map(variable).transpose();
    let chat = |url: &Address, body: Value, refusal: &'static str| {
        let (url, body) = (address(url)?, body.to_string());
        Ok(Post { url, body, content_type: JSON, headers: Vec::new(), refusal })
    };
    let program = |url: &Address,
                   secret_env: &Option<String>,
                   from: &[HeaderFrom],
                   body: String,
                   content_type: &'static str| {
        let mut headers = Vec::new();
        for HeaderFrom { name, variable: source } in from {
            // The value is in no message: it is a secret.
            let value = HeaderValue::from_str(&variable(source)?).map_err(|_| {
                format!("the variable {source} has what the header {name} cannot have")
            })?;
            headers.push((name.clone(), value));
        }
        if let Some(secret) = secret(secret_env)? {
            headers.extend(signatures(&secret, sender.now, &body));
        }
        Ok::<_, String>(Post {
            url: address(url)?,
            body,
            content_type,
            headers,
            refusal: "errcode",
        })
    };
    match kind {
        Kind::Webhook { url, secret_env, template, headers } => {
            let (body, content_type) = match template {
                None => (message.json().to_string(), JSON),
                Some(text) if is_json(text) => (message.fill(text), JSON),
                Some(text) => (message.fill(text), "text/plain; charset=utf-8"),
            };
            program(url, secret_env, headers, body, content_type)
        }
        Kind::CloudEvents { url, secret_env, headers } => {
            let body = message.cloud_event(sender.now).to_string();
            program(url, secret_env, headers, body, CLOUDEVENTS)
        }
        Kind::DingTalk { url, secret_env } => {
            let mut post = chat(url, message.dingtalk(), "errcode")?;
            if let Some(secret) = secret(secret_env)? {
                post.url = signed(&post.url, &secret, sender.now.saturating_mul(1000));
            }
            Ok(post)
        }
        Kind::Feishu { url, secret_env } => {
            let sign = |secret: String| (sender.now, feishu_signature(&secret, sender.now));
            chat(url, message.feishu(secret(secret_env)?.map(sign)), "code")
        }
        Kind::WeCom { url } => chat(url, message.wecom(), "errcode"),
        Kind::Slack { url } => chat(url, message.slack(), "errcode"),
        Kind::Teams { url } => chat(url, message.teams(), "errcode"),
        Kind::Discord { url } => chat(url, message.discord(), "errcode"),
        Kind::PagerDuty { url, key_env } => {
            chat(url, message.pagerduty(&variable(key_env)?), "errcode")
        }
        Kind::File { .. } | Kind::Email { .. } => Err("it is not asked over HTTP".to_owned()),
    }
}

/// The headers that say who sent a body: `X-Imgfix-Signature` signs the body alone, for receivers
/// of old; `X-Imgfix-Signature-V2` signs `TIMESTAMP.BODY`, so that nobody can send it again later.
fn signatures(secret: &str, now: i64, body: &str) -> Vec<(HeaderName, HeaderValue)> {
    let sign = |text: &str| format!("sha256={}", hex::encode(hmac(secret, text)));
    [
        ("x-imgfix-signature", sign(body)),
        ("x-imgfix-timestamp", now.to_string()),
        ("x-imgfix-signature-v2", sign(&format!("{now}.{body}"))),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    })
    .collect()
}

/// Feishu's signature: HMAC-SHA256 of nothing with `TIMESTAMP\nSECRET` as the key, in Base64.
///
/// Source: <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.
fn feishu_signature(secret: &str, seconds: i64) -> String {
    STANDARD.encode(hmac(&format!("{seconds}\n{secret}"), ""))
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
    tried(|| sender.runtime.block_on(once(&client, post)))
}

/// Tries until it is done, fails for good, or was tried often enough.
fn tried(mut once: impl FnMut() -> Result<(), Failed>) -> Result<(), String> {
    let mut attempt = 0;
    loop {
        let Failed { why, again } = match once() {
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
    for (name, value) in &post.headers {
        request = request.header(name, value);
    }
    // The address may be a secret: it is in no message.
    let mut response = request.send().await.map_err(|error| {
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
    // DingTalk, Feishu and WeCom say 200 to everything and tell in the body.
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            body.truncate(MAX_ANSWER);
            break;
        }
    }
    let answer: Value = imgfix_json::read(&body).unwrap_or_default();
    match answer[post.refusal].as_i64() {
        Some(code) if code != 0 => {
            let text = answer["errmsg"].as_str().or(answer["msg"].as_str()).unwrap_or_default();
            let text: String = imgfix_terminal::clean(text).chars().take(200).collect();
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
    fn feishu_is_signed_as_its_documentation_says() {
        // Worked out with: printf '' | openssl dgst -sha256 -hmac "$(printf '1599360473\ndemo')"
        //   -binary | base64
        assert_eq!(
            feishu_signature("demo", 1_599_360_473),
            "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="
        );
    }

    #[test]
    fn a_webhook_is_signed_with_its_time() {
        let told: Vec<(String, String)> = signatures("Jefe", 7, "body")
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        // Worked out with: printf 'body' (and '7.body') | openssl dgst -sha256 -hmac Jefe
        let want = [
            (
                "x-imgfix-signature",
                "sha256=c239b0de49898faf9ee7e03ab9753392c01efef4097df6c28c011a70e7f096bd",
            ),
            ("x-imgfix-timestamp", "7"),
            (
                "x-imgfix-signature-v2",
                "sha256=8cb64c6a2b005eaab54a577ddac227f54e1201470d4cec57f3fca2b8f74ae347",
            ),
        ];
        assert_eq!(told, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_a_header_cannot_have_is_said_without_it() {
        let url = Address::Url("http://127.0.0.1:1/".to_owned());
        let name = HeaderName::from_static("authorization");
        let headers = vec![HeaderFrom { name, variable: "AUTH".to_owned() }];
        let kind = Kind::Webhook { url, secret_env: None, template: None, headers };
        let published = imgfix_host::unfinished::Published::Nothing;
        let event = crate::notify::Event::Failed { image: "a", why: "b", published: &published };
        let runtime = Runtime::new().unwrap();
        let sender = Sender {
            runtime: &runtime,
            certificates: &[],
            variable: &|_| Some("s3cret\nX: y".to_owned()),
            now: 0,
        };
        let why = post(&kind, &Message::of(event), &sender).err().unwrap();
        assert_eq!(why, "the variable AUTH has what the header authorization cannot have");
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
