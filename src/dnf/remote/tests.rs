use super::*;
use crate::sources::MirrorList;
use imgfix_model::digest::Digest;
use imgfix_repository::FetchOptions;
use imgfix_repository::leaving_out::Strictness;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::testing::{Reply, Server, fetcher};

/// A key for which nobody here has the other half.
fn keyring() -> Keyring {
    crate::keys::builtin("https://x.fedoraproject.org/", "fedora")
}

const PRIMARY: &str = "<metadata><package><name>a</name><arch>noarch</arch>\
    <version epoch=\"0\" ver=\"1\" rel=\"1\"/><checksum type=\"sha256\">\
    0000000000000000000000000000000000000000000000000000000000000000</checksum>\
    <size package=\"7\"/><location href=\"a.rpm\"/><format/></package></metadata>";

const FILES: &str = "<filelists><package pkgid=\"\
    0000000000000000000000000000000000000000000000000000000000000000\"><file>/x/y</file>\
    </package></filelists>";

fn repomd(revision: i64) -> String {
    let data = |kind: &str, text: &str| {
        format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum>\
             <location href=\"repodata/{kind}.xml\"/><size>{}</size></data>",
            Digest::of(text.as_bytes()).hex(),
            text.len()
        )
    };
    format!(
        "<repomd><revision>{revision}</revision>{}{}</repomd>",
        data("primary", PRIMARY),
        data("filelists", FILES)
    )
}

/// A server with a repository below `/os/`, and lists of mirrors.
fn server(revision: i64) -> Server {
    Server::start(move |request, _| match request.path.as_str() {
        "/os/repodata/repomd.xml" => Reply::ok(repomd(revision).as_bytes()),
        "/os/repodata/primary.xml" => Reply::ok(PRIMARY.as_bytes()),
        "/os/repodata/filelists.xml" => Reply::ok(FILES.as_bytes()),
        "/list" => {
            let host = request.header("host").unwrap_or_default().to_owned();
            Reply::ok(format!("http://{host}/none/\nhttp://{host}/os/\n").as_bytes())
        }
        "/metalink" => {
            let host = request.header("host").unwrap_or_default().to_owned();
            let other = Digest::of(b"other").hex();
            let text = format!(
                "<metalink><file name=\"repomd.xml\"><size>5</size><verification><hash \
                 type=\"sha256\">{other}</hash></verification><resources><url \
                 preference=\"1\">http://{host}/os/repodata/repomd.xml</url></resources></file>\
                 </metalink>"
            );
            Reply::ok(text.as_bytes())
        }
        _ => Reply::status(404),
    })
}

fn load_one(source: RpmSource, keyring: Keyring) -> Result<Repositories, RepositoryError> {
    let (fetcher, _cache) = fetcher(FetchOptions::default());
    let variables = Variables::default();
    let options = LoadOptions {
        architecture: "x86_64",
        variables: &variables,
        now: 1_700_000_000,
        memory: Memory::default(),
        advised: &|_| true,
        modules: true,
    };
    let leaving_out = LeavingOut::new(Strictness::default());
    let mut loaded = load(&[SignedSource { source, keyring }], leaving_out, &fetcher, &options)?;
    let wanted = BTreeSet::from(["/x/y".to_owned()]);
    loaded.list[0].find_files(&wanted, &fetcher)?;
    Ok(loaded)
}

#[test]
fn a_repository_is_loaded_with_its_files() {
    let server = server(1_600_000_000);
    let source = RpmSource::at("x", &format!("{}os", server.url), Origin::Image);
    let loaded = load_one(source, keyring()).unwrap();
    let repository = &loaded.list[0];
    let package = repository.primary.named("a").next().unwrap();
    let archive = repository.archive(&package);
    assert_eq!(archive.url, format!("{}os/a.rpm", server.url));
    assert_eq!(repository.primary.with_file("/x/y").count(), 1);
    assert_eq!((loaded.verified[0].made, &loaded.verified[0].signer), (1_600_000_000, &None));
}

#[test]
fn lists_lead_to_mirrors_and_metalinks_bind_them() {
    let server = server(1_600_000_000);
    let mut source = RpmSource::at("x", "x", Origin::Image);
    source.urls.clear();
    source.mirrors = Some(MirrorList::Plain(format!("{}list", server.url)));
    let loaded = load_one(source.clone(), keyring()).unwrap();
    assert_eq!(loaded.list[0].url, format!("{}os/", server.url));
    source.mirrors = Some(MirrorList::Metalink(format!("{}metalink", server.url)));
    let error = load_one(source, keyring()).map(drop).unwrap_err();
    assert!(error.to_string().contains("none that the list of mirrors knows"), "{error}");
}

#[test]
fn what_cannot_be_trusted_is_left_out() {
    let server = server(1_600_000_000);
    let source = RpmSource::at("x", &format!("{}os", server.url), Origin::Image);
    let message =
        |source: RpmSource, keyring| load_one(source, keyring).map(drop).unwrap_err().to_string();
    assert!(message(source.clone(), Keyring::default()).contains("no key to verify"));
    let signed = RpmSource { signed_metadata: true, ..source.clone() };
    assert!(message(signed, keyring()).contains("repo_gpgcheck"));
    let missing = RpmSource::at("x", &format!("{}no", server.url), Origin::Image);
    assert!(message(missing, keyring()).contains("repomd.xml is not there"));
    let future = self::server(1_900_000_000);
    let source = RpmSource::at("x", &format!("{}os", future.url), Origin::Image);
    assert!(message(source, keyring()).contains("in the future"));
}
