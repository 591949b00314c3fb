//! Which proxy a request goes through: one rule, whomever it asks.
//!
//! In come the variables that curl(1) and the programs of docker, podman and skopeo read:
//! `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not; out come the
//! proxies of a client. Hosts of this machine are asked directly, as Go's net/http does
//! (`ProxyFromEnvironment`), and with it everything that is made for containers: for the proxy
//! their names are names of the proxy's own machine. Each URL counts by itself: where this
//! machine redirects to another, that one is asked through the proxy.

use reqwest::{NoProxy, Proxy};

/// The hosts of this machine, as an entry of `NO_PROXY` has them: `localhost` and what is below it
/// (RFC 6761, section 6.3), and the loopback addresses.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies that the variables name, in the order in which they are asked whether a URL is
/// theirs.
///
/// # Errors
/// A variable is not the address of a proxy. It is not shown: it may have a password.
pub(super) fn proxies(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<Proxy>, String> {
    // A web server sets HTTP_PROXY for a program from the header `Proxy` of whoever asks
    // (CVE-2016-5385).
    if variable("REQUEST_METHOD").is_some() {
        return Ok(Vec::new());
    }
    let given = |name: &'static str| {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let value = value(name).or_else(|| value(&name.to_ascii_lowercase()))?;
        Some((name, value))
    };
    let except = given("NO_PROXY").map_or_else(String::new, |(_, hosts)| format!("{hosts},"));
    let except = NoProxy::from_string(&format!("{except}{THIS_MACHINE}"));
    let all = given("ALL_PROXY");
    let mut proxies = Vec::new();
    for (name, proxy) in [
        ("HTTP_PROXY", Proxy::http as fn(String) -> reqwest::Result<Proxy>),
        ("HTTPS_PROXY", Proxy::https),
    ] {
        let Some((name, address)) = given(name).or_else(|| all.clone()) else { continue };
        let proxy = proxy(address).map_err(|_| {
            format!("the variable {name} is not the address of a proxy (want http://HOST:PORT)")
        })?;
        proxies.push(proxy.no_proxy(except.clone()));
    }
    Ok(proxies)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::super::http::builder_with;
    use super::*;

    /// A server that answers every request with `name`; its port.
    fn server(name: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    asked.extend(byte);
                }
                let length = name.len();
                let head =
                    format!("HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: {length}");
                stream.write_all(format!("{head}\r\n\r\n{name}").as_bytes()).unwrap();
            }
        });
        port
    }

    /// Who answers to `url`; empty when nobody does.
    fn asked(url: &str, variables: &[(&str, &str)]) -> String {
        let value = |name: &str| {
            let found = variables.iter().find(|(one, _)| *one == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let client = builder_with(value).unwrap().tls_certs_only([]).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match client.get(url).send().await {
                Ok(answer) => answer.text().await.unwrap(),
                Err(_) => String::new(),
            }
        })
    }

    #[test]
    fn this_machine_is_asked_directly_and_all_others_through_the_proxy() {
        let (proxy, other, here) = (server("proxy"), server("other proxy"), server("here"));
        let (proxy, other) = (format!("http://127.0.0.1:{proxy}"), format!("localhost:{other}"));
        let (far, local) = ("http://far.test/x".to_owned(), format!("http://localhost:{here}/x"));
        let numbered = format!("http://127.0.0.1:{here}/x");
        for (url, variables, want) in [
            (&far, vec![("http_proxy", &*proxy)], "proxy"),
            (&far, vec![("HTTP_PROXY", &proxy), ("http_proxy", &other)], "proxy"),
            (&far, vec![("HTTP_PROXY", &proxy), ("ALL_PROXY", &other)], "proxy"),
            (&far, vec![("HTTP_PROXY", ""), ("all_proxy", &other)], "other proxy"),
            (&far, vec![("https_proxy", &proxy)], ""),
            (&far, vec![("http_proxy", &proxy), ("no_proxy", "near.test, .test")], ""),
            (&far, vec![("http_proxy", &proxy), ("NO_PROXY", "*")], ""),
            (&far, vec![("http_proxy", &proxy), ("NO_PROXY", "near.test")], "proxy"),
            (&far, vec![("http_proxy", &proxy), ("REQUEST_METHOD", "GET")], ""),
            (&local, vec![("http_proxy", &proxy)], "here"),
            (&numbered, vec![("http_proxy", &proxy), ("NO_PROXY", "near.test")], "here"),
            (&numbered, vec![("ALL_PROXY", &proxy)], "here"),
        ] {
            assert_eq!(asked(url, &variables), want, "{url} {variables:?}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_proxy_is_named_and_not_shown() {
        let variable =
            |name: &str| (name == "https_proxy").then(|| "http://me:secret@[/".to_owned());
        let error = proxies(variable).unwrap_err();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("secret"), "{error}");
    }
}
