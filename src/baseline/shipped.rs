//! Every rule that is shipped, over an image in which its check does not hold: it finds it,
//! repairs it, finds nothing then, and does nothing more.

use imgfix_recipes::baseline::{BaselineRule, Check, SettingCheck, Wanted};
use imgfix_recipes::shipped_rules;
use imgfix_vfs::Overlay;

use crate::change::follow;
use crate::check::{RunFacts, problems};
use crate::testing::overlay;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
                      ann:x:1000:1000::/home/ann:/bin/bash\nbob:x:1000:1000::/:/bin/sh\n";
const SHADOW: &str = "root:$6$s$h:1::::::\ntoor:$1$s$h:1::::::\nann::1::::::\nbob:$6$s$h:1::::::\n";

/// A file in which a key has a value.
fn text_of(format: &str, key: &str, value: &str) -> String {
    let last = key.rsplit_once('.').map_or(key, |(_, last)| last);
    match format {
        "sshd" => format!("# a comment\nPort 22\n{key} {value}\n"),
        "redis" => format!("# a comment\nport 6379\n{key} {value}\n"),
        "mysql" if key.contains("skip") => "[mysqld]\nuser = mysql\nskip-grant-tables\n".to_owned(),
        "mysql" => format!("[client]\nport = 3306\n[mysqld]\n{last} = {value}\n"),
        "mongod" if key.starts_with("net") => format!("net:\n  port: 27017\n  bindIp: {value}\n"),
        "mongod" => format!("net:\n  port: 27017\nsecurity:\n  {last}: {value}\n"),
        "memcached" => format!("-m 64\n{key} {value}\n"),
        "nginx" => format!("events {{}}\nhttp {{\n    {last} {value};\n}}\n"),
        "apache" | "login-defs" => format!("# a comment\n{key} {value}\n"),
        "tomcat-server" => "<Server port=\"8005\" shutdown=\"SHUTDOWN\"><Service>\n\
             <Connector port=\"8009\" protocol=\"AJP/1.3\" />\n</Service></Server>\n"
            .to_owned(),
        "hadoop" => format!(
            "<configuration>\n<property><name>{key}</name><value>{value}</value></property>\n\
             </configuration>\n"
        ),
        "sudoers" => "root ALL=(ALL:ALL) ALL\nann ALL=(ALL) NOPASSWD: ALL\n".to_owned(),
        "postgresql" => format!("port = 5432\n{key} = {value}\n"),
        other => panic!("{other}: write how it looks"),
    }
}

/// An image that has what a rule is about, and wrong. Settings are written as their program would
/// have the first that is refused.
fn wrong(rule: &BaselineRule) -> Overlay {
    let mut files = vec![
        ("/etc/passwd".to_owned(), PASSWD.to_owned(), 0o644),
        ("/etc/group".to_owned(), "root:x:0:\nshadow:x:42:\n".to_owned(), 0o644),
        ("/etc/shadow".to_owned(), SHADOW.to_owned(), 0o640),
        ("/app/bin".to_owned(), String::new(), 0o755),
    ];
    for check in &rule.checks {
        match check {
            Check::Setting(SettingCheck { setting, wanted, .. }) => {
                let bad = match wanted {
                    Wanted::OneOf(all) if all.iter().any(|one| one == "yes") => "no".to_owned(),
                    Wanted::OneOf(_) => "yes".to_owned(),
                    Wanted::NotIn(all) => all[0].clone(),
                    Wanted::AtMost(most) => (most + 1).to_string(),
                    Wanted::Absent => "set".to_owned(),
                };
                let text = text_of(&setting.format, &setting.key, &bad);
                files.push((setting.file.to_string(), text, 0o644));
            }
            Check::Modes(check) => {
                let path = check.path.to_string();
                let path =
                    path.replace("{name}", "x").replace("{when}", "d").replace("{kind}", "rsa");
                files.retain(|(one, _, _)| *one != path);
                let text = match path.as_str() {
                    "/etc/passwd" => PASSWD,
                    "/etc/group" => "root:x:0:\nshadow:x:42:\n",
                    _ => "",
                };
                files.push((path, text.to_owned(), 0o777));
            }
            Check::Accounts(_) | Check::Image(_) => {}
            Check::Files(check) => {
                let below = check.below[0].to_string();
                let path = match check.paths.first() {
                    Some(path) if !path.to_string().contains('{') => path.to_string(),
                    _ => format!("{}/odd", below.trim_end_matches('/')),
                };
                files.push((path, String::new(), 0o6777));
            }
        }
    }
    let files: Vec<(&str, &str, u32)> =
        files.iter().map(|(path, text, mode)| (path.as_str(), text.as_str(), *mode)).collect();
    overlay(&files)
}

/// Files of nobody for [`imgfix_recipes::baseline::FileFault::NoOwner`].
fn disown(overlay: &mut Overlay) {
    let path = imgfix_model::path::ImagePath::literal("/etc/odd");
    let _ = overlay.modify(&path, |entry| entry.uid = 4711);
}

#[test]
fn every_rule_finds_repairs_and_rests() {
    let runs = RunFacts { ports: vec!["22/tcp".to_owned()], ..RunFacts::default() };
    for rule in shipped_rules().unwrap() {
        let recipe = &rule.recipe;
        let mut image = wrong(&rule);
        disown(&mut image);
        let before = problems(&rule, &image, Some(&runs)).unwrap();
        assert!(!before.is_empty(), "{recipe} finds nothing");
        if rule.actions.is_empty() {
            continue;
        }
        let changed = follow(&rule, &mut image).unwrap_or_else(|why| panic!("{recipe}: {why}"));
        assert!(!changed.is_empty(), "{recipe} changes nothing");
        assert_eq!(problems(&rule, &image, None).unwrap(), [], "{recipe}");
        let again = follow(&rule, &mut image).unwrap();
        assert_eq!(again, [], "{recipe} does something twice");
    }
}

#[test]
fn no_rule_finds_anything_where_nothing_is_set_up() {
    let image = overlay(&[
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644),
        ("/etc/group", "root:x:0:\n", 0o644),
        ("/etc/shadow", "root:*:1::::::\n", 0o640),
        ("/usr/bin/su", "", 0o4755),
        ("/app/bin", "", 0o755),
    ]);
    let runs = RunFacts { user: "app".to_owned(), has_healthcheck: true, ports: Vec::new() };
    for rule in shipped_rules().unwrap() {
        assert_eq!(problems(&rule, &image, Some(&runs)).unwrap(), [], "{}", rule.recipe);
    }
}
