//! The order of transactions, over packages that have nothing but relations: those of rpm 4.18 were
//! asked of the real one. Whole transactions are compared with real rpms' in `imgfix-dnf`.

use super::*;
use crate::relation::Flags;

const REQUIRES: u32 = 0;
const PRE: u32 = Flags::SCRIPT_PRE.0;

/// `name: needs`, with `!` before what its `%pre` needs and `~` before what it recommends.
fn package(text: &str) -> NewPackage {
    let (name, needs) = text.split_once(':').unwrap();
    let mut new = NewHeader::default();
    for (tag, text) in [
        (tag::NAME, name),
        (tag::VERSION, "1"),
        (tag::RELEASE, "1"),
        (tag::ARCH, "noarch"),
        (tag::SOURCERPM, "sample.src.rpm"),
    ] {
        new.string(tag, text.as_bytes());
    }
    new.strings(tag::PROVIDENAME, &[name.as_bytes()]);
    new.numbers(tag::PROVIDEFLAGS, &[8]);
    new.strings(tag::PROVIDEVERSION, &[b"1-1"]);
    let all: Vec<&str> = match needs.starts_with('(') {
        true => vec![needs],
        false => needs.split_whitespace().collect(),
    };
    let weak: Vec<&[u8]> =
        all.iter().filter_map(|need| Some(need.strip_prefix('~')?.as_bytes())).collect();
    let needs: Vec<(&[u8], u32)> = all
        .iter()
        .filter(|need| !need.starts_with('~'))
        .map(|need| match need.strip_prefix('!') {
            Some(need) => (need.as_bytes(), PRE),
            None => (need.as_bytes(), REQUIRES),
        })
        .collect();
    let mut set = |tags: [Tag; 3], names: &[&[u8]], flags: &[u32]| {
        if !names.is_empty() {
            new.strings(tags[0], names);
            new.numbers(tags[1], flags);
            new.strings(tags[2], &vec![&b""[..]; names.len()]);
        }
    };
    let names: Vec<&[u8]> = needs.iter().map(|need| need.0).collect();
    let flags: Vec<u32> = needs.iter().map(|need| need.1).collect();
    set(RelationKind::Requires.tags(), &names, &flags);
    set(RelationKind::Recommends.tags(), &weak, &vec![REQUIRES; weak.len()]);
    let header = new.region(tag::HEADERIMMUTABLE).unwrap();
    let signature = NewHeader::default().region(tag::HEADERSIGNATURES).unwrap();
    let headers = Headers { signature, package: Package::new(header).unwrap() };
    let package = RpmPackage::for_test(headers, Vec::new());
    NewPackage { package: Arc::new(package), archive_digests: Vec::new() }
}

fn ordered(packages: &[&str], release: Release) -> String {
    let packages: Vec<NewPackage> = packages.iter().map(|text| package(text)).collect();
    let steps: Vec<Step> = (0..packages.len()).map(Step::Install).collect();
    let order = order(&steps, &packages, &[], release, 3).unwrap();
    let name = |step: Step| match step {
        Step::Install(at) => packages[at].package.headers.package.name().to_owned(),
        Step::Erase { .. } => unreachable!(),
    };
    order.into_iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_needed_comes_first() {
    let release = Release::new(4, 16);
    for (packages, want) in [
        (vec!["a:b", "b:c", "c:"], "c b a"),
        (vec!["a:", "b:", "c:a", "d:b", "e:b"], "b a c d e"),
        // nobody of the set has it, or the package itself
        (vec!["a:x a", "b:"], "b a"),
        (vec!["a:(b if c)", "b:", "c:"], "b a c"),
        (vec!["a:(b or c)", "b:", "c:"], "c b a"),
    ] {
        assert_eq!(ordered(&packages, release), want, "{packages:?}");
    }
}

#[test]
fn a_circle_is_cut_where_no_script_needs_it() {
    for release in [Release::new(4, 16), Release::new(6, 1)] {
        assert_eq!(ordered(&["a:b", "b:!a"], release), "a b");
        assert_eq!(ordered(&["a:!b", "b:a"], release), "b a");
    }
    // of equals the last one that was found, which rpm 6 takes from the other end
    assert_eq!(ordered(&["a:b", "b:a", "c:a"], Release::new(4, 20)), "b a c");
    assert_eq!(ordered(&["a:b", "b:a", "c:a"], Release::new(6, 1)), "a b c");
}

#[test]
fn recommendations_count_until_they_did_not() {
    let packages = ["a:~b", "b:"];
    assert_eq!(ordered(&packages, Release::new(4, 16)), "b a");
    assert_eq!(ordered(&packages, Release::new(4, 18)), "b a");
    assert_eq!(ordered(&packages, Release::new(4, 20)), "b a");
    let circle = ["a:~b", "b:a"];
    assert_eq!(ordered(&circle, Release::new(4, 18)), "b a");
    assert_eq!(ordered(&circle, Release::new(4, 20)), "a b");
}
