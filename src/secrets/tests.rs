//! Every rule finds its own kind, nothing finds what only looks like one, and masked text holds
//! nothing of it. Secrets are made at run time of parts: no scanner of repositories finds one
//! here.

use std::io::Write as _;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &str = "0123456789abcdef";

fn any(random: &mut StdRng, of: &str, length: usize) -> String {
    let of: Vec<char> = of.chars().collect();
    (0..length).map(|_| of[random.gen_range(0..of.len())]).collect()
}

fn uuid(random: &mut StdRng) -> String {
    let parts = [8, 4, 4, 4, 12].map(|length| any(random, HEX, length));
    parts.join("-")
}

/// For every rule texts with one secret each: the text before it, the secret, the text behind.
fn samples(random: &mut StdRng) -> Vec<(&'static str, String, String, &'static str)> {
    let r = random;
    let key = |r: &mut StdRng, kind: &str| {
        let body: Vec<String> = (0..12).map(|_| any(r, ALNUM, 64)).collect();
        (format!("-----BEGIN {kind}-----\n"), body.join("\n"))
    };
    let mut out: Vec<(&'static str, String, String, &'static str)> = Vec::new();
    let mut add = |rule, before: &str, secret: String, behind| {
        out.push((rule, before.to_owned(), secret, behind));
    };
    add("aws-access-key-id", "id: ", format!("AKI{}{}", "A", any(r, UPPER, 16)), "\n");
    add("aws-access-key-id", "(", format!("ASI{}{}", "A", any(r, UPPER, 16)), ")");
    add("aws-secret-access-key", "aws_secret_access_key = ", any(r, ALNUM, 40), "\n");
    add("aws-secret-access-key", "AWS_SECRET_KEY=\"", any(r, ALNUM, 40), "\"");
    add("aws-secret-access-key", r#"{\"SecretAccessKey\": \""#, any(r, ALNUM, 40), r#"\"}"#);
    add("password-hash-des", "root:", any(r, ALNUM, 13), ":19000:0:99999:7:::\n");
    add("password-hash-des", "+ann:!", any(r, ALNUM, 13), ":1::::::\n");
    add("google-api-key", "key=", format!("AI{}{}", "za", any(r, ALNUM, 35)), "&x=1");
    add("google-oauth-client-secret", "x ", format!("GOC{}{}", "SPX-", any(r, ALNUM, 28)), "");
    add("google-oauth-token", "x ", format!("ya2{}{}", "9.", any(r, ALNUM, 80)), " ");
    add("google-service-account", r#""private_key_id": ""#, any(r, HEX, 40), "\",");
    add("azure-storage-key", "AccountName=a;AccountKey=", any(r, ALNUM, 86) + "==", ";End");
    add("azure-shared-access-key", "SharedAccessKey=", any(r, ALNUM, 43) + "=", "");
    add("azure-sas-signature", "https://a/b?sv=1&sig=", any(r, ALNUM, 43) + "%3D", "");
    let entra = format!("{}8Q~{}", any(r, ALNUM, 3), any(r, ALNUM, 34));
    add("azure-client-secret", " ", entra, "\n");
    add("alibaba-access-key-id", "\"", format!("LT{}{}", "AI", any(r, ALNUM, 20)), "\"");
    add("alibaba-access-key-secret", "accessKeySecret: ", any(r, ALNUM, 30), "\n");
    add("alibaba-access-key-secret", "ALIYUN_OSS_SECRET=", any(r, ALNUM, 30), "\n");
    add("tencent-secret-id", " ", format!("AK{}{}", "ID", any(r, ALNUM, 32)), " ");
    add("tencent-secret-key", "TENCENTCLOUD_SECRET_KEY=", any(r, ALNUM, 32), " ");
    add("digitalocean-token", "", format!("dop{}{}", "_v1_", any(r, HEX, 64)), "");
    add("heroku-api-key", "HEROKU_API_KEY=", uuid(r), "\n");
    add("heroku-token", " ", format!("HR{}{}", "KU-", any(r, ALNUM, 58)), "\n");
    add("vault-token", "X-Vault-Token ", format!("hv{}{}", "s.", any(r, ALNUM, 90)), "\n");
    let terraform = format!("{}.atlas{}{}", any(r, ALNUM, 14), "v1.", any(r, ALNUM, 67));
    add("terraform-token", " ", terraform, "\n");
    add("databricks-token", " ", format!("da{}{}", "pi", any(r, HEX, 32)), "\n");
    add("github-token", "clone ", format!("gh{}{}", "p_", any(r, ALNUM, 36)), " ");
    let fine = format!("github{}{}_{}", "_pat_", any(r, ALNUM, 22), any(r, ALNUM, 59));
    add("github-fine-grained-token", " ", fine, "\n");
    add("github-app-token", "//x:", format!("gh{}{}", "s_", any(r, ALNUM, 36)), "@github");
    add("gitlab-token", " ", format!("gl{}{}", "pat-", any(r, ALNUM, 20)), "\n");
    add("npm-token", " ", format!("np{}{}", "m_", any(r, ALNUM, 36)), "\n");
    add("npmrc-auth", "//registry.npmjs.org/:_authToken=", uuid(r), "\n");
    add("npmrc-auth", "_password=\"", any(r, ALNUM, 24), "\"");
    add("pypi-token", "", format!("py{}{}", "pi-AgEIcHlwaS5vcmc", any(r, ALNUM, 120)), "");
    add("docker-config-auth", r#"{"auths":{"x":{"auth": ""#, any(r, ALNUM, 32) + "==", "\"}}}");
    add("docker-config-auth", r#"{\"auth\":\""#, any(r, ALNUM, 32), r#"\"}"#);
    add("docker-hub-token", " ", format!("dck{}{}", "r_pat_", any(r, ALNUM, 27)), " ");
    add("rubygems-key", " ", format!("ruby{}{}", "gems_", any(r, HEX, 48)), " ");
    add("nuget-key", " ", format!("oy{}{}", "2", any(r, LOWER, 43)), " ");
    add("crates-io-token", "\"", format!("ci{}{}", "o", any(r, ALNUM, 32)), "\"");
    let numbers = format!("{}-{}", r.gen_range(10_u64.pow(11)..10_u64.pow(12)), any(r, ALNUM, 24));
    add("slack-token", " ", format!("xo{}{numbers}", "xb-"), "\n");
    let hook = format!("T{}/B{}/{}", any(r, UPPER, 8), any(r, UPPER, 9), any(r, ALNUM, 24));
    add("slack-webhook", "https://hooks.slack.com/services/", hook, "\n");
    let hook = format!("123456789012345678/{}", any(r, ALNUM, 68));
    add("discord-webhook", "https://discord.com/api/webhooks/", hook, "");
    let dingtalk = "https://oapi.dingtalk.com/robot/send?access_token=";
    add("dingtalk-webhook", dingtalk, any(r, HEX, 64), "");
    add("wecom-webhook", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=", uuid(r), "");
    add("feishu-webhook", "https://open.feishu.cn/open-apis/bot/v2/hook/", uuid(r), "");
    add("telegram-bot-token", "/bot ", format!("123456789:AA{}", any(r, ALNUM, 33)), "/x");
    add("stripe-key", " ", format!("sk{}{}", "_live_", any(r, ALNUM, 32)), "\n");
    add("stripe-webhook-secret", " ", format!("wh{}{}", "sec_", any(r, ALNUM, 32)), "\n");
    add("twilio-api-key", " ", format!("S{}{}", "K", any(r, HEX, 32)), "\n");
    add("twilio-auth-token", "TWILIO_AUTH_TOKEN=", any(r, HEX, 32), "\n");
    let sendgrid = format!("S{}{}.{}", "G.", any(r, ALNUM, 22), any(r, ALNUM, 43));
    add("sendgrid-key", " ", sendgrid, "\n");
    add("mailgun-key", "MAILGUN_API_KEY=", format!("ke{}{}", "y-", any(r, HEX, 32)), "\n");
    add("huggingface-token", " ", format!("h{}{}", "f_", any(r, LETTERS, 34)), "\n");
    let openai = format!("sk-proj-{}T3Blbk{}{}", any(r, ALNUM, 60), "FJ", any(r, ALNUM, 60));
    add("openai-key", " ", openai, "\n");
    add("openai-compatible-key", " ", format!("s{}{}", "k-", any(r, HEX, 32)), "\n");
    add("anthropic-key", " ", format!("sk-a{}{}", "nt-api03-", any(r, ALNUM, 95)), "\n");
    add("grafana-token", " ", format!("gl{}{}_1a2b3c4d", "sa_", any(r, ALNUM, 32)), "\n");
    for kind in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY"] {
        let (before, body) = key(r, kind);
        add("private-key", &before, body, "\n-----END");
    }
    let (before, body) = key(r, "ENCRYPTED PRIVATE KEY");
    add("encrypted-private-key", &before, body, "\n-----END");
    let (before, body) = key(r, "PGP PRIVATE KEY BLOCK");
    add("pgp-private-key", &before, body, "\n-----END");
    let (before, body) = key(r, "RSA PRIVATE KEY");
    // In a string of JSON, and cut off.
    add("private-key", &before.replace('\n', "\\n"), body.replace('\n', "\\n"), "\"}");
    add("age-secret-key", "", format!("AGE-SECRET-KEY-{}{}", "1", any(r, UPPER, 58)), "\n");
    let jwt =
        format!("ey{}{}.eyJ{}.{}", "J", any(r, ALNUM, 30), any(r, ALNUM, 60), any(r, ALNUM, 43));
    add("jwt", " ", jwt, "\n");
    let hash = format!("$6${}${}", any(r, ALNUM, 16), any(r, ALNUM, 86));
    add("password-hash", "root:", hash, ":19000:0:99999:7:::\n");
    add(
        "password-hash",
        "admin:",
        format!("$apr1${}${}", any(r, ALNUM, 8), any(r, ALNUM, 22)),
        "\n",
    );
    for (before, behind) in [
        ("DB_PASSWORD=", "\nX=1"),
        ("ENV MYSQL_ROOT_PASSWORD='", "'"),
        ("export API_KEY=\"", "\""),
        ("RUN |1 TOKEN=", " /bin/sh -c make"),
        ("\"client_secret\": \"", "\","),
        (r#"{\"dbPassword\":\""#, r#"\"}"#),
        ("  password: ", "\n"),
        ("+  - secret_key: '", "'\n"),
        ("password = ", "\n"),
        ("spring.datasource.password=", "\n"),
        ("https://x.example/?access_token=", "&b=1"),
        ("<user username=\"a\" password=\"", "\" roles=\"b\"/>"),
        ("--set credentials=", " --x"),
        ("curl -H 'X-Api-Key: ", "' https://x.example"),
        ("define('DB_PASSWORD', 'x'); $password = '", "';"),
        ("Server=a;Pwd=", ";b"),
        ("TOKEN := ", "\n"),
    ] {
        add("secret-variable", before, any(r, LOWER, 14), behind);
    }
    add("secret-element", "<server><password>", any(r, LOWER, 14), "</password>");
    add("url-password", "DATABASE_URL=postgres://app:", any(r, LOWER, 14), "@db:5432/app");
    add("url-password", "amqp://:", any(r, LOWER, 14), "@mq");
    add("url-token", "git clone https://", any(r, ALNUM, 40), "@git.example/a.git");
    add("authorization-header", "Authorization: Bearer ", any(r, LOWER, 20), "\n");
    add("authorization-header", "-H \"authorization: Basic ", any(r, ALNUM, 20) + "==", "\"");
    add("netrc-password", "machine a.example login me password ", any(r, LOWER, 12), "\n");
    add("netrc-password", "machine a\n  login me\n  password ", any(r, LOWER, 12), "\n");
    add("pgpass-password", "db.example:5432:app:me:", any(r, LOWER, 12), "\n");
    add("redis-password", "requirepass ", any(r, LOWER, 12), "\n");
    add("redis-password", "redis-server --requirepass ", any(r, LOWER, 12), "\n");
    add("option-password", "app --db-password ", any(r, LOWER, 12), " --x");
    add("option-password", r#"["app", "--token", ""#, any(r, LOWER, 12), "\"]");
    add("mysql-password", "mysqladmin ping -uroot -p", any(r, LOWER, 12), " || exit 1");
    add("curl-user", "curl -fsS -u admin:", any(r, LOWER, 12), " http://localhost/");
    add("redis-cli-password", "redis-cli -a ", any(r, LOWER, 12), " ping");
    add("sshpass-password", "sshpass -p ", any(r, LOWER, 12), " ssh a");
    add("chpasswd-password", "RUN echo 'root:", any(r, LOWER, 12), "' | chpasswd");
    add("sql-password", "CREATE USER a IDENTIFIED BY '", any(r, LOWER, 12), "';");
    add("sql-password", "ALTER USER a WITH PASSWORD '", any(r, LOWER, 12), "';");
    out
}

#[test]
fn every_rule_is_on_the_schema_and_finds_its_kind() {
    let secrets = Secrets::parse(SHIPPED, NAMES).unwrap();
    assert!(secrets.rules().len() >= 25);
    let patterns = |rule: &Rule| {
        rule.pattern.ready().is_some() && rule.allow.iter().all(|allow| allow.ready().is_some())
    };
    assert!(secrets.rules().iter().all(patterns));
    assert!(secrets.reach < 128 << 10, "{}", secrets.reach);
    let mut random = StdRng::seed_from_u64(1);
    let mut failures = Vec::new();
    for _ in 0..20 {
        let samples = samples(&mut random);
        for rule in secrets.rules() {
            assert!(samples.iter().any(|sample| sample.0 == rule.id), "{} has no sample", rule.id);
        }
        for (rule, before, secret, behind) in samples {
            let text = format!("{before}{secret}{behind}");
            let hits = secrets.find(text.as_bytes());
            let own = hits.iter().find(|hit| hit.rule.id == rule);
            let place = before.len()..before.len() + secret.len();
            if own.is_none_or(|hit| hit.range != place) {
                if !failures.iter().any(|(at, _)| *at == (rule, before.clone())) {
                    let failure = format!("{text:?}: {:?}", shown(&hits, &text));
                    failures.push(((rule, before.clone()), failure));
                }
                continue;
            }
            let line = before.matches('\n').count() + 1;
            assert_eq!(own.unwrap().line, line, "{text}");
            let masked = secrets.mask(&text);
            assert!(!masked.contains(&secret) && masked.contains(MASKED), "{masked}");
            assert!(masked.starts_with(&before) && masked.ends_with(behind), "{masked}");
            assert_eq!(secrets.mask(&masked), masked, "{text}");
            let lines = secrets.mask_lines(&text).into_owned();
            assert_eq!(lines.matches('\n').count(), text.matches('\n').count());
            assert!(secret.split('\n').all(|part| !lines.contains(part)), "{lines}");
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn shown(hits: &[Hit<'_>], text: &str) -> Vec<(String, String)> {
    let value = |hit: &Hit<'_>| String::from_utf8_lossy(&text.as_bytes()[hit.range.clone()]).into();
    hits.iter().map(|hit| (hit.rule.id.clone(), value(hit))).collect()
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    let secrets = Secrets::shipped();
    let mut random = StdRng::seed_from_u64(2);
    let r = &mut random;
    for _ in 0..20 {
        for text in [
            format!("sha256:{}", any(r, HEX, 64)),
            "\"../../etc/passwd\": its name leads out".to_owned(),
            "root:*:19000:0:99999:7:::".to_owned(),
            "root:x:0:0:root:/root:/bin/bash".to_owned(),
            format!("{}:::", any(r, ALNUM, 13)),
            format!("{}  usr/bin/app", any(r, HEX, 32)),
            format!("GPG_KEY={}", any(r, "0123456789ABCDEF", 40)),
            format!("ENV GPG_KEY={}", any(r, "0123456789ABCDEF", 40)),
            format!("PYTHON_SHA256={}", any(r, HEX, 64)),
            format!("NODE_CHECKSUM={}", any(r, HEX, 64)),
            format!("integrity sha512-{}==", any(r, ALNUM, 86)),
            format!("\"integrity\": \"sha512-{}==\"", any(r, ALNUM, 86)),
            format!("urn:uuid:{}", uuid(r)),
            format!("serialNumber: {}", uuid(r)),
            format!("SHA1 Fingerprint={}", any(r, "0123456789ABCDEF:", 59)),
            format!(
                "pkg:deb/debian/libpam-modules@1.4.0-9?arch=amd64&checksum={}",
                any(r, HEX, 64)
            ),
            format!("libpam-passwdqc:amd64={}", any(r, "0123456789.", 6)),
            format!("https://x.example/pool/main/p/passwd/passwd_{}_amd64.deb", any(r, HEX, 4)),
            format!("AKI{}{}EXAMPLE", "A", any(r, UPPER, 9)),
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", any(r, ALNUM, 64)),
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----",
                any(r, ALNUM, 64)
            ),
        ] {
            let hits = secrets.find(text.as_bytes());
            assert!(hits.is_empty(), "{text:?}: {:?}", shown(&hits, &text));
        }
    }
    for text in [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND=noninteractive",
        "JAVA_VERSION=jdk-17.0.9+9",
        "LANG=C.UTF-8",
        "PWD=/srv/app",
        "OLDPWD=/srv",
        "POSTGRES_PASSWORD_FILE=/run/secrets/pg",
        "TOKEN_PATH=/srv/token",
        "TOKEN=/run/secrets/token",
        "PASSWORD=",
        "PASSWORD=\"\"",
        "PASSWORD=${DB_PASSWORD}",
        "PASSWORD=$DB_PASSWORD",
        "export TOKEN=$(cat /run/secrets/token)",
        "password: {{ vault_password }}",
        "password = <password>",
        "--password VALUE",
        "generic-api-key has detected",
        "TOKEN=[masked]",
        "TOKEN=AKIA[masked]",
        "TOKENIZERS_PARALLELISM=false",
        "MYSQL_ALLOW_EMPTY_PASSWORD=yes",
        "MAX_TOKENS=4096",
        "SECRET_KEY_BASE_DUMMY=1",
        "COMPASS=north",
        "ACCESS_KEY_ID=x",
        "imgfix: error: the token: it is not valid",
        "invalid token: unexpected end of input",
        "/etc/passwd: changed",
        "passwd:  files systemd",
        "the password of the registry is wrong",
        "https://docs.example/a?b=c#token",
        "https://user@host.example/",
        "git@github.com:org/repo.git",
        "http://localhost:8080/a@b",
        "user-secret:1.0",
        "postgres://app:${PASSWORD}@db/app",
        "--mount=type=secret,id=npmrc",
        "#(nop) CMD [\"--passwords-from\" \"file\"]",
        "x86_64-linux-gnu/security/pam_unix.so",
        "machine learning: login and password are asked for",
        "CVE-2023-1234 token-based",
        "password=env:REGISTRY_PASSWORD",
    ] {
        let hits = secrets.find(text.as_bytes());
        assert!(hits.is_empty(), "{text:?}: {:?}", shown(&hits, text));
        assert_eq!(secrets.mask(text), text);
        assert_eq!(secrets.mask_history(text), text);
    }
}

#[test]
fn names_tell_of_secrets() {
    let secrets = Secrets::shipped();
    for name in [
        "PASSWORD",
        "DB_PASS",
        "DBPASS",
        "PGPASSWORD",
        "MYSQL_PWD",
        "dbPassword",
        "SECRET_KEY_BASE",
        "GITHUB_TOKEN",
        "githubToken",
        "X-Api-Key",
        "AWS_SECRET_ACCESS_KEY",
        "com.example.api-key",
        "CREDENTIALS",
        "registry.credential",
        "MASTER_KEY",
        "JWT_SECRET",
        "passphrase",
        "APIKEY",
    ] {
        assert!(secrets.names_a_secret(name), "{name}");
    }
    for name in [
        "",
        "PATH",
        "PWD",
        "KEY",
        "GPG_KEY",
        "PUBLIC_KEY",
        "BYPASS",
        "TOKEN_FILE",
        "SECRET_NAME",
        "PASSWORD_PATH",
        "TOKENIZER",
        "keyboard",
        "passwordPolicy",
        "ACCESS_KEY_ID",
        "secretRef",
        "passenger",
        "monkey",
        "token_endpoint",
    ] {
        assert!(!secrets.names_a_secret(name), "{name}");
    }
}

#[test]
fn variables_and_histories_are_masked_with_their_spaces() {
    let secrets = Secrets::shipped();
    for (text, want) in [
        ("PASSWORD=two words; more", "PASSWORD=[masked]"),
        ("URL=redis://:word@x", "URL=redis://:[masked]@x"),
        ("PASSWORD", "PASSWORD"),
    ] {
        assert_eq!(secrets.mask_variable(text), want);
    }
    for (text, want) in [
        (
            "RUN |3 DIR=/opt/x TOKEN=two words OTHER=a b /bin/sh -c make # buildkit",
            "RUN |3 DIR=/opt/x TOKEN=[masked] OTHER=a b /bin/sh -c make # buildkit",
        ),
        ("|1 API_KEY=a b /bin/sh -c x", "|1 API_KEY=[masked] /bin/sh -c x"),
        (
            "|1 API_KEY=a b /bin/bash -o pipefail -c x --token abcd",
            "|1 API_KEY=[masked] /bin/bash -o pipefail -c x --token [masked]",
        ),
        ("ENV A=b c PASS=two words", "ENV A=b c PASS=[masked]"),
        (
            "/bin/sh -c #(nop)  ENV PASS=two words LANG=C",
            "/bin/sh -c #(nop)  ENV PASS=[masked] LANG=C",
        ),
        ("LABEL a.b=c db.password=d e", "LABEL a.b=c db.password=[masked]"),
        ("RUN /bin/sh -c echo hello", "RUN /bin/sh -c echo hello"),
    ] {
        assert_eq!(secrets.mask_history(text), want);
    }
}

#[test]
fn a_document_keeps_its_form() {
    let secrets = Secrets::shipped();
    let mut random = StdRng::seed_from_u64(6);
    for (_, before, secret, behind) in samples(&mut random) {
        let value = serde_json::json!({"a": format!("{before}{secret}{behind}"), "b": "'"});
        let masked = secrets.mask_document(&value.to_string()).into_owned();
        let read: serde_json::Value = serde_json::from_str(&masked).unwrap();
        assert_eq!(read["b"], "'", "{masked}");
    }
    for (text, want) in [
        (r#"{"a": "password='", "b": "x'"}"#, r#"{"a": "password='", "b": "x'"}"#),
        (r#"{"a": "TOKEN=ab\\\"c"}"#, r#"{"a": "TOKEN=[masked]\"c"}"#),
        (r#"["token=", "password:", "x"]"#, r#"["token=", "password:", "x"]"#),
        (r#"{"token": "x"}"#, r#"{"token": "[masked]"}"#),
        (r#"{"a": "password='ab<cd'"}"#, r#"{"a": "password='[masked]'"}"#),
        ("<p>TOKEN=ab&quot;</p>", "<p>TOKEN=[masked]&quot;</p>"),
        ("<td>PASSWORD=a</td><td>b</td>", "<td>PASSWORD=[masked]</td><td>b</td>"),
    ] {
        assert_eq!(secrets.mask_document(text), want);
    }
}

#[test]
fn a_config_keeps_its_form() {
    let mut config = serde_json::json!({
        "config": {
            "Env": ["PATH=/bin", "DB_PASSWORD=two words"],
            "Cmd": ["app", "--password", "first", "-v"],
            "Healthcheck": {"Test": ["CMD", "curl", "-u", "me:second", "http://localhost"]},
            "Labels": {"api-key": "third", "title": "x"},
            "pin": 1, "password": 1234
        },
        "history": [{"created_by": "RUN |1 TOKEN=fourth fifth /bin/sh -c x"}]
    });
    Secrets::shipped().mask_json(&mut config);
    let want = serde_json::json!({
        "config": {
            "Env": ["PATH=/bin", "DB_PASSWORD=[masked]"],
            "Cmd": ["app", "--password", "[masked]", "-v"],
            "Healthcheck": {"Test": ["CMD", "curl", "-u", "me:[masked]", "http://localhost"]},
            "Labels": {"api-key": "[masked]", "title": "x"},
            "pin": 1, "password": "[masked]"
        },
        "history": [{"created_by": "RUN |1 TOKEN=[masked] /bin/sh -c x"}]
    });
    assert_eq!(config, want);
}

/// A text with the samples of all rules between lines of nothing.
fn long_text(seed: u64, least: usize) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut text = Vec::new();
    while text.len() < least {
        for (_, before, secret, behind) in samples(&mut random) {
            let lines = random.gen_range(0..2000);
            for line in 0..lines {
                writeln!(text, "line {line} of a file without a secret, but a task's password")
                    .unwrap();
            }
            writeln!(text, "\n{before}{secret}{behind}").unwrap();
        }
    }
    text
}

#[test]
fn pieces_of_a_stream_give_what_the_whole_gives() {
    let secrets = Secrets::shipped();
    let text = long_text(3, 3 << 20);
    let place = |hit: Hit<'_>| (hit.rule.id.clone(), hit.range, hit.line);
    let whole: Vec<_> = secrets.find(&text).into_iter().map(place).collect();
    assert!(whole.len() > 50);
    let mut random = StdRng::seed_from_u64(4);
    for most in [1 << 22, 70_000, 1000] {
        let mut scanner = Scanner::new(secrets);
        let (mut got, mut rest) = (Vec::new(), text.as_slice());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(random.gen_range(1..=most).min(rest.len()));
            scanner.feed(piece, &mut |hit| got.push(place(hit)));
            rest = later;
        }
        scanner.finish(&mut |hit| got.push(place(hit)));
        assert_eq!(got.len(), whole.len());
        assert_eq!(got, whole);
    }
}

#[test]
fn a_long_text_of_nothing_but_beginnings_takes_time_by_its_length() {
    let secrets = Secrets::shipped();
    for part in [
        "token=",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "<password>",
        "curl -u ",
        "://:",
        "sk-",
        "\"auth\": ",
        "mysql -",
        "password: ",
        "secret=\\\"",
        "--token ",
    ] {
        let text = part.repeat((1 << 18) / part.len());
        let start = std::time::Instant::now();
        let masked = secrets.mask(&text);
        assert!(start.elapsed().as_secs() < 20, "{part}: {:?}", start.elapsed());
        drop(masked);
    }
}

/// `cargo test --release -p imgfix-secrets -- --ignored --nocapture speed`
#[test]
#[ignore = "it measures"]
fn speed() {
    let secrets = Secrets::shipped();
    let code = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let code = code.repeat((32 << 20) / code.len());
    let mut random = StdRng::seed_from_u64(5);
    let mut bytes = vec![0; 32 << 20];
    random.fill(bytes.as_mut_slice());
    for (what, text) in [("text", long_text(3, 32 << 20)), ("Cargo.lock", code), ("random", bytes)]
    {
        let start = std::time::Instant::now();
        let mut scanner = Scanner::new(secrets);
        let mut hits = 0;
        scanner.feed(&text, &mut |_| hits += 1);
        scanner.finish(&mut |_| hits += 1);
        let rate = text.len() as f64 / 1e6 / start.elapsed().as_secs_f64();
        eprintln!("{what}: {hits} hits, {rate:.0} MB/s");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn whatever_comes_nothing_panics(text in "(token|password|=|:|\"|\\\\|'|\n| |<|>|://|@|[a-zé]|eyJ|-----BEGIN PRIVATE KEY-----){0,60}") {
        let secrets = Secrets::shipped();
        let masked = secrets.mask(&text).into_owned();
        proptest::prop_assert_eq!(secrets.mask(&masked).into_owned(), masked.clone());
        let lines = secrets.mask_lines(&text);
        proptest::prop_assert_eq!(lines.matches('\n').count(), text.matches('\n').count());
        let document = serde_json::json!([text, text]).to_string();
        let document = secrets.mask_document(&document);
        proptest::prop_assert!(serde_json::from_str::<[String; 2]>(&document).is_ok(), "{}", document);
        let _ = secrets.mask_history(&text);
        let _ = secrets.mask_variable(&text);
    }

    #[test]
    fn whatever_bytes_come_hits_are_in_them(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        for hit in Secrets::shipped().find(&text) {
            proptest::prop_assert!(hit.range.end <= text.len() && !hit.range.is_empty());
        }
    }
}

#[test]
fn a_key_that_is_the_end_of_a_longer_one_has_numbers() {
    let secrets = Secrets::shipped();
    for (text, want) in [
        (r#""k8s.io/token": 12345,"#, r#""k8s.io/token": [masked],"#),
        (r#""token": abcde,"#, r#""token": [masked],"#),
        (r#"{\"pin_token\": 12}"#, r#"{\"pin_token\": [masked]}"#),
        (r#""/etc/passwd": its mode"#, r#""/etc/passwd": its mode"#),
    ] {
        assert_eq!(secrets.mask(text), want);
    }
}
