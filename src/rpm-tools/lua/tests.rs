//! Lua scriptlets as packages have them, in small form, over small images.

use imgfix_repair::script_run::ScriptCall as _;
use imgfix_tools::testing::Image;

use crate::Scriptlet;
use crate::lua::Numbers;

/// Runs a script; its status, or the words of its stop.
fn run(image: &mut Image, body: &str, counts: &[u32]) -> Result<u8, String> {
    run_as(image, body, counts, Numbers::Floats)
}

fn run_as(image: &mut Image, body: &str, counts: &[u32], numbers: Numbers) -> Result<u8, String> {
    let scriptlet = Scriptlet { numbers, ..Scriptlet::new("p", "%post(p-1)") }
        .with_program(["<lua>"])
        .with_body(body.to_owned())
        .with_counts(counts);
    let status = scriptlet.evaluate(&mut image.machine).unwrap();
    status.map_err(|stop| stop.to_string())
}

fn transcript(image: &Image) -> String {
    String::from_utf8_lossy(image.machine.transcript()).into_owned()
}

#[test]
fn expressions_have_the_values_that_they_have_in_rpm() {
    let paths =
        ["/usr/bin/", "/etc/passwd=root:x:0:0:root:/root:/bin/bash\n", "/etc/group=root:x:0:\n"];
    let mut wrong = Vec::new();
    for line in include_str!("expressions.txt").lines().filter(|line| !line.starts_with('#')) {
        let (expression, values) = line.rsplit_once(" => ").unwrap();
        let mut image = Image::new(&paths);
        image
            .machine
            .overlay
            .set(
                imgfix_model::path::ImagePath::literal("/bin"),
                imgfix_vfs::Entry::symlink("usr/bin", 1),
            )
            .unwrap();
        let body = format!(
            "local function show(...) local t = {{}} for i = 1, select('#', ...) do \
             t[i] = tostring((select(i, ...))) end print(table.concat(t, ' ; ')) end show({expression})"
        );
        let status = run(&mut image, &body, &[]);
        let shown = transcript(&image);
        let shown = shown.trim_end_matches('\n').replace('\n', "\\n");
        if status != Ok(0) || shown != values {
            wrong.push(format!("{expression}\n  rpm: {values}\n  here: {shown} {status:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_shell_is_added_to_the_list_once_and_taken_away_at_the_end() {
    let add = "f = io.open('/etc/shells', 'a+')
        if f then
          local all = '\\n'..f:read('*all')..'\\n'
          if not all:find('\\n/bin/bash\\n') then f:write('/bin/bash\\n') end
          f:close()
        end";
    let remove = "if arg[2] == 0 then
          local kept = {}
          for line in io.lines('/etc/shells') do
            if line ~= '/bin/bash' then table.insert(kept, line) end
          end
          f = io.open('/etc/shells', 'w+')
          for _, line in pairs(kept) do f:write(line..'\\n') end
          f:close()
        end";
    let mut image = Image::new(&["/etc/shells=/bin/sh\n"]);
    for _ in 0..2 {
        assert_eq!(run(&mut image, add, &[1]), Ok(0));
        assert_eq!(image.text("/etc/shells"), "/bin/sh\n/bin/bash\n");
    }
    assert_eq!(run(&mut image, remove, &[1]), Ok(0));
    assert_eq!(image.text("/etc/shells"), "/bin/sh\n/bin/bash\n");
    assert_eq!(run(&mut image, remove, &[0]), Ok(0));
    assert_eq!(image.text("/etc/shells"), "/bin/sh\n");
}

#[test]
fn folders_and_links_are_made_where_nothing_is() {
    let body = "posix.mkdir('/usr') posix.mkdir('/run') posix.symlink('../run', '/var/run')
        posix.chmod('/run', 0555)
        local st = posix.stat('/media')
        if st and st.type == 'link' then os.remove('/media') end
        for _, name in ipairs({'passwd', 'group'}) do os.remove('/etc/'..name..'.rpmnew') end
        return 0";
    let mut image = Image::new(&["/var/", "/etc/passwd.rpmnew=x", "/etc/passwd=y"]);
    image
        .machine
        .overlay
        .set(
            imgfix_model::path::ImagePath::literal("/media"),
            imgfix_vfs::Entry::symlink("run/media", 1),
        )
        .unwrap();
    assert_eq!(run(&mut image, body, &[1]), Ok(0));
    assert_eq!(image.mode("/run"), 0o555);
    assert!(image.entry("/var/run").is_symlink());
    assert!(!image.exists("/media") && !image.exists("/etc/passwd.rpmnew"));
    assert!(image.exists("/etc/passwd"));
}

#[test]
fn what_a_script_does_around_its_forks_is_done_once_and_in_order() {
    let body = "local function program(...)
          local pid = posix.fork()
          if pid == 0 then
            posix.redirect2null(2)
            posix.exec(...)
            assert(nil)
          elseif pid > 0 then
            assert(posix.wait(pid) == pid)
          end
        end
        local f = io.open('/log', 'a') f:write('one\\n') f:close()
        program('/usr/bin/cp', '/log', '/first')
        f = io.open('/log', 'a') f:write('two\\n') f:close()
        program('cp', '/log', '/second')
        f = io.open('/log', 'a') f:write('three\\n') f:close()
        print('said once')";
    let mut image = Image::new(&[]);
    assert_eq!(run(&mut image, body, &[2]), Ok(0));
    assert_eq!(image.text("/first"), "one\n");
    assert_eq!(image.text("/second"), "one\ntwo\n");
    assert_eq!(image.text("/log"), "one\ntwo\nthree\n");
    assert_eq!(transcript(&image), "said once\n");
}

#[test]
fn a_child_that_comes_back_ends_and_one_that_forks_is_a_stop() {
    let mut image = Image::new(&[]);
    assert_eq!(run(&mut image, "if posix.fork() ~= 0 then print('parent') end", &[]), Ok(0));
    let said = "error: No exec() called after fork() in lua scriptlet\nparent\n";
    assert_eq!(transcript(&image), said);
    let stop = run(&mut image, "posix.fork() posix.fork()", &[]).unwrap_err();
    assert_eq!(stop, "a child of a Lua script forks, in %post(p-1)");
}

#[test]
fn a_failing_script_has_a_status_and_says_why() {
    for (body, said) in [
        ("error('too old', 0)", "error: lua script failed: too old\n"),
        (
            "x = = 1",
            "error: invalid syntax in lua script: [string \"%post(p-1)\"]:1: unexpected symbol near '='\n",
        ),
        (
            "local t = nil; t.x = 1",
            "error: lua script failed: [string \"%post(p-1)\"]:1: attempt to index a nil value (local 't')\n",
        ),
    ] {
        let mut image = Image::new(&[]);
        assert_eq!(run(&mut image, body, &[]), Ok(1), "{body}");
        assert_eq!(transcript(&image), said);
    }
}

#[test]
fn nothing_holds_a_stop_back() {
    for (body, why) in [
        ("pcall(posix.times)", "Lua's posix.times asks a running system"),
        ("while true do pcall(rpm.define, 'a b') end", "Lua's rpm.define: the macros"),
        ("xpcall(os.date, function() end)", "Lua's os.date"),
        ("rpm.expand('%{getenv:HOME}')", "a macro of rpm: %{getenv:HOME}"),
        ("while true do end", "it does not end"),
        ("while true do pcall(function() while true do end end) end", "it does not end"),
        ("('a'):rep(200000):find('.-.-.-.-b')", "a Lua pattern takes too long"),
        ("io.open('/proc/cpuinfo')", "/proc/cpuinfo, which belongs to a running system"),
        ("coroutine.wrap(print)", "coroutine"),
        ("load('return 1')", "Lua's load"),
    ] {
        let mut image = Image::new(&[]);
        let stop = run(&mut image, body, &[]).unwrap_err();
        assert!(stop.contains(why), "{body}: {stop}");
    }
}

#[test]
fn memory_is_bounded_and_no_table_counts_without_end() {
    let mut image = Image::new(&[]);
    let stop =
        run(&mut image, "local t = {} while true do t[#t + 1] = ('x'):rep(1e5)..#t end", &[]);
    assert!(stop.unwrap_err().contains("MiB of memory"));
    let body = "table.insert(setmetatable({}, {__len = function() return 1e15 end}), 1, 2)";
    assert_eq!(run(&mut image, body, &[]), Ok(1));
    assert_eq!(run(&mut image, "print(string.dump, debug, package, require)", &[]), Ok(0));
}

#[test]
fn numbers_are_shown_as_in_the_lua_that_rpm_has() {
    let body = "print(posix.stat('/f').size, arg[2], #arg, arg[1])";
    let mut image = Image::new(&["/f=ab"]);
    assert_eq!(run_as(&mut image, body, &[2], Numbers::OneKind), Ok(0));
    assert_eq!(run_as(&mut image, body, &[2], Numbers::Floats), Ok(0));
    assert_eq!(transcript(&image), "2\t2\t2\t<lua>\n2.0\t2\t2\t<lua>\n");
}

#[test]
fn files_are_read_written_and_searched_as_in_lua() {
    let body = "local f = io.open('/f', 'r+')
        assert(f:read(2) == 'ab' and f:seek() == 2)
        f:seek('set', 0) f:write('XY') f:seek('end') f:write('!')
        f:seek('set', 0) assert(f:read('a') == 'XYc\\nd!') f:close()
        assert(io.type(f) == 'closed file' and not pcall(f.read, f))
        local t = {} for l in io.lines('/f') do t[#t + 1] = l end
        assert(#t == 2 and t[1] == 'XYc' and t[2] == 'd!')
        local g, name = posix.mkstemp('/tmp/aXXXXXX')
        g:write('t', 1, '\\n') g:close()
        assert(io.open(name):read('L') == 't1\\n')
        local names = posix.dir('/tmp') assert(#names == 3 and names[1] == '.')
        for n in posix.files('/tmp') do assert(type(n) == 'string') end
        assert(io.open('/none') == nil)
        posix.unlink(name)";
    let mut image = Image::new(&["/f=abc\nd", "/tmp/"]);
    assert_eq!(run(&mut image, body, &[]), Ok(0), "{}", transcript(&image));
    assert_eq!(image.text("/f"), "XYc\nd!");
}

#[test]
fn a_file_trigger_asks_for_its_paths() {
    let mut image = Image::new(&[]);
    let scriptlet =
        Scriptlet { paths: vec![b"/a".to_vec(), b"/b".to_vec()], ..Scriptlet::new("p", "t") }
            .with_program(["<lua>"])
            .with_body("local p = rpm.next_file() while p do print(p) p = rpm.next_file() end");
    assert_eq!(scriptlet.evaluate(&mut image.machine).unwrap(), Ok(0));
    assert_eq!(transcript(&image), "/a\n/b\n");
}
