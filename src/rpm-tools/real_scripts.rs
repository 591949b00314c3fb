//! Scriptlets of real packages, where their texts are at hand: none of them may be a stop that this
//! room says it has not.
//!
//! `IMGFIX_RPM_SCRIPTS` names a folder with a folder for each image, in which `PACKAGE.KIND.lua` and
//! `PACKAGE.KIND.sh` are bodies.

use std::path::{Path, PathBuf};

use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::ScriptCall as _;
use imgfix_shell::Command;
use imgfix_tools::testing::Image;
use imgfix_vfs::Entry;

use crate::{COMMANDS, Scriptlet};

/// Where no stop is known to be right: what the text has, and the words of the stop.
const KNOWN: &[(&str, &str)] = &[("gpg --", "gpg")];

fn image() -> Image {
    let files = [
        "/etc/passwd=root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin\n",
        "/etc/shadow=root:*:18000:0:99999:7:::\nnobody:*:18000:0:99999:7:::\n",
        "/etc/group=root:x:0:\nnobody:x:65534:\nwheel:x:10:\n",
        "/etc/gshadow=root:::\nnobody:::\nwheel:::\n",
        "/etc/shells=/bin/sh\n/bin/bash\n",
        "/etc/nsswitch.conf=passwd: files\ngroup: files\nhosts: files dns\n",
        "/etc/ld.so.conf=include ld.so.conf.d/*.conf\n",
        "/etc/krb5.conf=[libdefaults]\n",
        "/etc/vimrc=call system('x')\n",
        "/etc/crypto-policies/config=DEFAULT\n",
        "/etc/skel/.bash_logout=",
        "/etc/alternatives/",
        "/var/lib/alternatives/",
        "/var/tmp/",
        "/root/",
        "/run/",
        "/usr/lib64/pkcs11/p11-kit-trust.so=/etc/pki/ca-trust/source:/usr/share/pki/ca-trust-source\0",
        "/usr/lib/pkcs11/p11-kit-trust.so=",
        "/usr/share/p11-kit/modules/p11-kit-trust.module=trust-policy: yes\n",
        "/usr/lib64/gconv/gconv-modules=module A\n",
        "/usr/lib64/gconv/gconv-modules.cache=cached",
        "/usr/share/cracklib/",
        "/usr/sbin/",
    ];
    // The linker's cache is a subject of its own.
    let ldconfig: (&str, Command) = ("ldconfig", |_| Ok(0));
    let commands: Vec<_> =
        COMMANDS.iter().chain(imgfix_tools::shadow::COMMANDS).copied().chain([ldconfig]).collect();
    let mut image = Image::with(&files, &commands);
    for (link, target) in [("/bin", "usr/bin"), ("/sbin", "usr/bin"), ("/usr/sbin", "bin")] {
        let overlay = &mut image.machine.overlay;
        overlay.remove(&ImagePath::literal(link));
        overlay.set(ImagePath::literal(link), Entry::symlink(target, 1)).unwrap();
    }
    image.machine.overlay.remove(&ImagePath::literal("/usr/bin/sh"));
    image
        .machine
        .overlay
        .set(ImagePath::literal("/usr/bin/sh"), Entry::symlink("bash", 1))
        .unwrap();
    image.machine.settings.architecture = "x86_64".to_owned();
    image
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn scriptlets_of_real_packages_are_evaluated() {
    let Some(folder) = std::env::var_os("IMGFIX_RPM_SCRIPTS") else {
        eprintln!("NOT RUN: IMGFIX_RPM_SCRIPTS names no folder of scriptlets");
        return;
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in files(Path::new(&folder)) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let body = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        let program = match path.extension().and_then(|end| end.to_str()) {
            Some("lua") => "<lua>",
            Some("sh") => "/bin/sh",
            _ => continue,
        };
        let counts: &[u32] = match name.as_str() {
            _ if name.contains("transfiletrigger") => &[],
            _ if name.contains("trigger") => &[1, 2],
            _ if name.contains("un.") => &[1],
            _ => &[2],
        };
        let scriptlet = Scriptlet::new("p", name.clone())
            .with_program([program])
            .with_body(body)
            .with_counts(counts);
        let mut image = image();
        count += 1;
        match scriptlet.evaluate(&mut image.machine).unwrap() {
            Ok(status) => eprintln!("{status} {name}"),
            Err(stop) => {
                let is_known = KNOWN
                    .iter()
                    .any(|(has, says)| text.contains(has) && stop.to_string().contains(says));
                eprintln!("stop {name}: {stop}");
                if !is_known {
                    wrong.push(format!("{}: {stop}", path.display()));
                }
            }
        }
    }
    assert!(count > 0 && wrong.is_empty(), "{count} scriptlets\n{}", wrong.join("\n"));
}
