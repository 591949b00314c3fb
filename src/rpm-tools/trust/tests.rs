use imgfix_tools::testing::{Image, run};

use crate::COMMANDS;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBozCCAUmgAwIBAgIUDQrD3OmsyzmIfuIA9LH0beiIS+owCgYIKoZIzj0EAwIw
JjEQMA4GA1UECgwHRXhhbXBsZTESMBAGA1UEAwwJVGVzdCBSb290MCAXDTI2MTEz
MDE3MjM1OVoYDzIxMjYxMTA2MTcyMzU5WjAmMRAwDgYDVQQKDAdFeGFtcGxlMRIw
EAYDVQQDDAlUZXN0IFJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQYB3EV
nlVQevMEP2hp0oNRyp0h7PaewB9rXcWll8mLeKZL2sXJYJtA9xqimiEw5wFFyI7j
vd1S3EBSlKiyTj/mo1MwUTAdBgNVHQ4EFgQURwYHtcRtoD8NlHmFWKOj64uGRtsw
HwYDVR0jBBgwFoAURwYHtcRtoD8NlHmFWKOj64uGRtswDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiEAxwSSu9RNlESkNnZKytQt2+cI5y4ZmREVbwJL
FOqJqmwCIBTMwDMkm1Fq/oBpEa6SdKutEMmFDh5k5ddPEEPQuUMT
-----END CERTIFICATE-----
";

const BUNDLE: &str = "/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit";

/// What `update-ca-trust` calls, as the distributions of Red Hat's line do.
const SCRIPT: &str = "#!/bin/sh
DEST=/etc/pki/ca-trust/extracted
export P11_KIT_NO_USER_CONFIG=1
/usr/bin/p11-kit extract --format=pem-bundle --filter=ca-anchors --overwrite --comment --purpose server-auth $DEST/tls.pem
trust extract --format=pem-directory-hash --filter=ca-anchors --overwrite --purpose=server-auth $DEST/directory-hash
ln -s ../tls.pem $DEST/directory-hash/ca-bundle.crt
trust extract --format=java-cacerts --filter=ca-anchors --overwrite --purpose server-auth $DEST/cacerts
";

fn image(files: &[String]) -> Image {
    let module = "/usr/lib64/pkcs11/p11-kit-trust.so=\x7fELF\0\
                  /etc/pki/ca-trust/source:/usr/share/pki/ca-trust-source\0blocklist\0";
    let mut all = vec![
        module.to_owned(),
        "/usr/share/p11-kit/modules/p11-kit-trust.module=trust-policy: yes\n".to_owned(),
        "/etc/pki/ca-trust/extracted/".to_owned(),
        format!("/script={SCRIPT}"),
    ];
    all.extend_from_slice(files);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Image::with(&all, COMMANDS)
}

#[test]
fn the_script_makes_bundle_directory_and_keystore() {
    let object = "[p11-kit-object-v1]\nlabel: \"My%20Root\"\ntrusted: true\n";
    let mut image = image(&[format!("{BUNDLE}={object}{CERTIFICATE}")]);
    for _ in 0..2 {
        assert_eq!(run(&mut image, "sh /script"), 0, "{}", image.errors());
        let extracted = "/etc/pki/ca-trust/extracted";
        assert_eq!(
            image.text(&format!("{extracted}/tls.pem")),
            format!("# My Root\n{CERTIFICATE}")
        );
        assert_eq!(image.mode(&format!("{extracted}/tls.pem")), 0o444);
        let hashed = format!("{extracted}/directory-hash");
        assert_eq!(image.text(&format!("{hashed}/My_Root.pem")), CERTIFICATE);
        assert_eq!(image.mode(&hashed), 0o555);
        run(&mut image, &format!("ls {hashed}"));
        assert_eq!(image.output(), "8035b6e0.0\nMy_Root.pem\nca-bundle.crt\ne7817ed4.0\n");
        assert_eq!(image.text(&format!("{hashed}/e7817ed4.0")), CERTIFICATE);
        let store = image.entry(&format!("{extracted}/cacerts"));
        // Magic, version, count; type, "myroot", time, "X.509", 423 bytes; digest.
        assert_eq!(store.size(), 12 + 4 + 8 + 8 + 7 + 4 + 423 + 20);
    }
}

#[test]
fn distrust_anywhere_and_another_purpose_keep_a_certificate_out() {
    let line = "trust extract --filter=ca-anchors --format=pem-bundle --overwrite --purpose=server-auth /out";
    let anchor = format!("/etc/pki/ca-trust/source/anchors/a.crt={CERTIFICATE}");
    let mut trusted = image(std::slice::from_ref(&anchor));
    assert_eq!(run(&mut trusted, line), 0);
    assert_eq!(trusted.text("/out"), CERTIFICATE);
    let blocked = format!("/usr/share/pki/ca-trust-source/blocklist/b.crt={CERTIFICATE}");
    let mut image = image(&[anchor, blocked]);
    assert_eq!(run(&mut image, line), 0);
    assert_eq!(image.text("/out"), "");
}

#[test]
fn what_is_not_known_is_a_stop() {
    let stop = |file: String| {
        image(&[file]).stop("trust extract --filter=certificates --format=pem-bundle /out")
    };
    assert_eq!(
        stop(format!("{BUNDLE}=[p11-kit-object-v1]\nclass: nss-trust\n")),
        format!("{BUNDLE} has class: nss-trust, which is not evaluated")
    );
    assert_eq!(
        stop(format!("{BUNDLE}=-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")),
        format!("trust with {BUNDLE}: a certificate that is not in DER")
    );
    assert_eq!(
        stop("/etc/pkcs11/modules/other.module=module: o.so\ntrust-policy: yes\n".to_owned()),
        "trust with /etc/pkcs11/modules/other.module"
    );
    assert_eq!(image(&[]).stop("trust anchor --store /x"), "trust with anchor");
}
