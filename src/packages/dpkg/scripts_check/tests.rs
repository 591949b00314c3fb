use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::rootfs::{ContentLoader, Entry, Tree};

struct Nothing;

impl ContentLoader for Nothing {
    fn open(&self, _layer: u32, _index: u32) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        Err(std::io::Error::other("nothing"))
    }
}

fn image(entries: &[(&str, Entry)]) -> Tree {
    let entries =
        entries.iter().map(|(path, entry)| (ImagePath::new(path).unwrap(), entry.clone()));
    Tree::from_entries(entries, Arc::new(Nothing))
}

fn plain_image() -> Tree {
    image(&[
        ("/usr/bin/dpkg", Entry::file("x", 0o755, 0)),
        ("/bin", Entry::symlink("usr/bin", 0)),
        ("/usr/bin/py3compile", Entry::file("x", 0o755, 0)),
        ("/etc/still-there", Entry::file("x", 0o644, 0)),
    ])
}

fn run(script: &'static str, text: &str, arguments: &[&str]) -> Result<(), Stop> {
    let text = format!("#!/bin/sh\n{text}");
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    check_text(&plain_image(), "a", script, text.as_bytes(), arguments)
}

/// What a `postinst` of an upgrade from 1.0 does.
fn postinst(text: &str) -> Result<(), Stop> {
    run("postinst", text, &["configure", "1.0"])
}

#[test]
fn scripts_without_effect_are_seen_to_have_none() {
    for text in [
        "",
        "set -e\n# comment\nexit 0\n",
        "set -e\ncase \"$1\" in\n  configure)\n  ;;\n  abort-*|x)\n  ;;\n  *)\n    echo \"called with $1\" >&2\n    exit 1\n  ;;\nesac\n\n#DEBHELPER#\nexit 0\n",
        // dh_installsystemd
        "if [ \"$1\" = \"configure\" ] || [ \"$1\" = \"abort-upgrade\" ]; then\n\tif [ -d /run/systemd/system ]; then\n\t\tsystemctl --system daemon-reload >/dev/null || true\n\t\tif [ -n \"$2\" ]; then\n_dh_action=restart\nelse\n_dh_action=start\nfi\n\t\tdeb-systemd-invoke $_dh_action 'a.service' >/dev/null || true\n\tfi\nfi\n",
        "if [ -z \"${DPKG_ROOT:-}\" ] && [ \"$1\" = remove ] && [ -d /run/systemd/system ] ; then\n\trm x\nfi\n",
        // dh_python3 where nothing compiles
        "if command -v pypy3compile >/dev/null 2>&1; then\n\tpypy3compile -p a || true\nfi\n",
        "if which no-such-tool > /dev/null; then no-such-tool; fi",
        "if [ -x \"$(command -v systemd-tmpfiles)\" ]; then\n true\nfi\n",
        "if [ \"$1\" = purge ]; then rm -rf /; fi",
        "[ \"$1\" = configure ] || rm x\n",
        "if [ \"$1\" = \"purge\" -o \"$1\" = \"remove\" ]; then rm x; fi",
        "if dpkg --compare-versions \"$2\" lt-nl 0.9; then rm x; fi",
        "f() { echo \"$1\"; }\nf a | grep -q b || true\n",
        "for x in a; do rm x; done; true\n".split("for").next().unwrap(),
        "if [ \"$1\" = remove ]; then for x in a; do rm $x; done; fi",
        "dpkg-maintscript-helper rm_conffile /etc/still-there 0.5\\~ -- \"$@\"\n",
        "dpkg-maintscript-helper rm_conffile /etc/gone 2.0\\~ a -- \"$@\"\n",
        "dpkg-maintscript-helper mv_conffile /etc/gone /etc/b 2.0 -- \"$@\"\n",
        "dpkg-maintscript-helper symlink_to_dir /usr/share/doc/a b 5.0 a -- \"$@\"\n",
        "dpkg-maintscript-helper dir_to_symlink /usr/share/doc/a b 5.0 a -- \"$@\"\n",
        "if [ -f /etc/some/file ]; then echo there; fi\n",
    ] {
        assert_eq!(postinst(text), Ok(()), "{text}");
    }
}

#[test]
fn the_first_command_with_an_effect_is_named() {
    for (text, line, word) in [
        ("update-alternatives --install /usr/bin/x x /usr/bin/y 10\n", 2, "update-alternatives"),
        ("set -e\n\nif [ \"$1\" = configure ]; then\n  rm -f /etc/x\nfi\n", 5, "rm -f /etc/x"),
        ("if [ -e /etc/x ]; then\n  rm /etc/x\nfi\n", 3, "rm"),
        (". /usr/share/debconf/confmodule\n", 2, "confmodule"),
        ("echo x > /etc/y\n", 2, "/etc/y"),
        ("if command -v py3compile >/dev/null; then\npy3compile -p a\nfi", 3, "py3compile"),
        ("dpkg-maintscript-helper rm_conffile /etc/still-there 2.0 -- \"$@\"", 2, "acts"),
        ("dpkg-maintscript-helper rm_conffile /etc/still-there -- \"$@\"", 2, "acts"),
        ("f() {\n rm x\n}\nf\n", 3, "rm"),
        ("x=rm\n$x /a\n", 3, "`$x /a`"),
        ("x=`cat /etc/command`\n$x\n", 3, "`$x`"),
        ("for i in a b; do rm $i; done\n", 2, "loop"),
        ("exit 1\n", 2, "fails"),
        ("sleep 1 &\n", 2, "background"),
        ("case \"$2\" in\n 2*) ;;\n 1*) rm x;;\nesac\n", 4, "rm"),
        ("case \"$USER\" in\n a) ;;\n b) rm x;;\nesac\n", 4, "rm"),
        ("true && false || rm x\n", 2, "rm"),
        ("[ -e /x ] && y=rm\n$y x\n", 3, "`$y x`"),
        ("deb-systemd-helper enable a.service\n", 2, "deb-systemd-helper"),
        ("systemctl enable a.service\n", 2, "systemctl"),
        ("eval \"$x\"\n", 2, "eval"),
        ("if true; then\n", 3, "not understood"),
        ("trap 'rm x' EXIT\n", 2, "trap"),
        ("echo $(rm x)\n", 2, "rm"),
        ("f=true\nlocal f=$(cat x)\n$f\n", 4, "`$f`"),
        ("f() { :; }\n[ -e /x ] && f() { rm x; }\nf\n", 0, "branch"),
        ("f() { :; }\nif [ -e /x ]; then f() { rm x; }; else :; fi\nf\n", 0, "branch"),
        ("x=true\ng() { $x; }\nx=rm g\n", 3, "`$x`"),
        ("set -- purge\n[ \"$1\" = configure ] || rm x", 2, "set"),
        ("if [ \"$1\" = configure ]; then ldconfig; fi", 2, "ldconfig"),
    ] {
        let stop = postinst(text).expect_err(text);
        assert_eq!(stop.line, line, "{text}: {stop:?}");
        assert!(stop.detail.contains(word), "{text}: {stop:?}");
    }
}

#[test]
fn other_scripts_get_their_own_arguments() {
    let text = "case \"$1\" in upgrade) ;; *) rm x;; esac";
    assert_eq!(run("prerm", text, &["upgrade", "2"]), Ok(()));
    let helper = "dpkg-maintscript-helper rm_conffile /etc/still-there 2.0 -- \"$@\"";
    assert_eq!(run("prerm", helper, &["upgrade", "2"]), Ok(()));
    assert_eq!(run("postrm", helper, &["upgrade", "2"]), Ok(()));
    assert!(run("preinst", helper, &["upgrade", "1.0", "2"]).is_err());
    assert_eq!(run("preinst", helper, &["install"]), Ok(()));
}

#[test]
fn only_shell_is_evaluated() {
    for text in ["#!/usr/bin/perl\n", "\x7fELF", "", "#!/usr/bin/env python3\n"] {
        let stop = check_text(&plain_image(), "a", "postinst", text.as_bytes(), vec![]);
        assert_eq!(stop.unwrap_err().line, 1, "{text:?}");
    }
}

#[test]
fn versions_compare_as_dpkg_does_with_empty_ones() {
    for (one, operator, other, want) in [
        ("1", "lt", "2", Some(true)),
        ("1", "le-nl", "", Some(true)),
        ("1", "le", "", Some(false)),
        ("", "lt", "1", Some(true)),
        ("", "lt-nl", "1", Some(false)),
        ("1:0", "gt", "2", Some(true)),
        ("1", "what", "2", None),
    ] {
        assert_eq!(
            evaluate::compare_versions(one, operator, other),
            want,
            "{one} {operator} {other}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_scripts_never_panic(text in "[ -~\n]{0,200}") {
        let _ = postinst(&text);
    }

    #[test]
    fn near_shell_never_panics(
        text in "((if|then|else|fi|case \\$1 in|esac|\\{|\\}|f\\(\\)|f|\\$\\(|\\)|`|\"|;;|&&|\\|\\||\\[|\\]|!|-o|=|x=1|\\$x|true|exit 0)[ \n;]?){0,40}"
    ) {
        let _ = postinst(&text);
    }
}
