use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// A package that provides users by a file, and one by itself.
fn package() -> NewPackage {
    let new = new_package("a", "1", &[file("/d/x", "1"), file("/usr/lib/sysusers.d/a.conf", "")]);
    let header = new.package.headers.package.header();
    let mut more = NewHeader::default();
    for entry in header.entries() {
        more.copy(header, entry.tag, entry.tag);
    }
    let line = |text: &str| STANDARD.encode(text);
    let (first, second, third) =
        (line("u one - \"One\"\0\0"), line("m one two"), line("g three 3\0"));
    more.strings(
        tag::PROVIDENAME,
        &[b"a", b"user(one)", b"group(one)", b"groupmember(one/two)", b"group(three)"],
    );
    more.strings(
        tag::PROVIDEVERSION,
        &[b"1-1", first.as_bytes(), b"", second.as_bytes(), third.as_bytes()],
    );
    more.numbers(tag::PROVIDEFLAGS, &[8, 8, 0, 8, 8]);
    more.numbers(tag::FILEDEPENDSX, &[0, 0]);
    more.numbers(tag::FILEDEPENDSN, &[0, 3]);
    let of_file = |place: u32| u32::from(b'P') << 24 | place;
    more.numbers(tag::DEPENDSDICT, &[1, 2, 3].map(of_file));
    let headers = Headers {
        signature: new.package.headers.signature.clone(),
        package: Package::new(more.region(tag::HEADERIMMUTABLE).unwrap()).unwrap(),
    };
    let package = RpmPackage::for_test(headers, new.package.payload.clone());
    NewPackage { package: Arc::new(package), archive_digests: Vec::new() }
}

#[derive(Default)]
struct Recorder(Vec<String>);

impl Scripts for Recorder {
    fn run(&mut self, _: &mut Overlay, call: &ScriptCall) -> Result<Ran, Trouble> {
        let lines: Vec<_> = call.paths.iter().map(|line| String::from_utf8_lossy(line)).collect();
        let program = call.program.join(" ");
        self.0.push(format!("{}: {program} < {}", call.title, lines.join("; ")));
        let status = if program.starts_with("/bin/false") { 1 } else { 0 };
        Ok(Ran { status, transcript: Vec::new() })
    }
}

#[test]
fn users_are_made_file_by_file_or_the_package_does_not_come() {
    let calls = |release, helper: Option<&str>| {
        let mut image = Image::new();
        image.options.release = release;
        image.options.sysusers = helper.map(str::to_owned);
        let mut recorder = Recorder::default();
        let (overlay, installed) = (&mut image.overlay, &image.installed);
        let steps = [vec![Step::Install(0)]];
        let packages = [package()];
        let outcome = install(overlay, installed, &packages, &steps, &image.options, &mut recorder);
        outcome.map(|_| recorder.0)
    };
    let helper = Some("/usr/lib/rpm/sysusers.sh");
    assert_eq!(
        calls(Release::new(4, 20), helper).unwrap(),
        [
            "%sysusers(a-1-1.noarch): /usr/lib/rpm/sysusers.sh \
             --replace /usr/lib/sysusers.d/a.conf - < u one - \"One\"; m one two",
            "%sysusers(a-1-1.noarch): /usr/lib/rpm/sysusers.sh - < g three 3",
        ]
    );
    assert!(calls(Release::new(4, 19), helper).unwrap()[0].ends_with("< u one - \"One\""));
    assert_eq!(calls(Release::new(4, 18), helper).unwrap().len(), 0);
    assert_eq!(calls(Release::new(6, 0), None).unwrap().len(), 0);
    let error = calls(Release::new(4, 20), Some("/bin/false")).unwrap_err().to_string();
    assert!(error.contains("sysusers"), "{error}");
}
